"""Ways to run a network in ever less memory, taken one after the other as long as memory does not suffice."""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import IO, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..disk import disk_errors
from ..errors import MedDLError
from ..storage import exchange_base

Rung = Literal["planned", "batch-1", "accumulate-on-cpu", "accumulate-on-disk", "compute-on-cpu"]
"""``planned`` is how a run begins; every other one takes less memory, or that of another device."""

_CPU: tuple[Rung, ...] = ("planned", "accumulate-on-disk")
_GPU: tuple[Rung, ...] = ("planned", "batch-1", "accumulate-on-cpu", "accumulate-on-disk", "compute-on-cpu")

ON_DEVICE: frozenset[Rung] = frozenset({"planned", "batch-1"})
"""Those on which activations are added up where the network computes."""

ON_DISK: frozenset[Rung] = frozenset({"accumulate-on-disk", "compute-on-cpu"})
"""Those whose large arrays lie on disk; the last one leaves the memory to the network."""

_HINT = "choose a region, or close other programs"
_ZEROS = bytes(1 << 20)

Made = TypeVar("Made")


def rungs_for(device: str) -> tuple[Rung, ...]:
    """The rungs that there are on a device, from the first to the last."""
    return _CPU if device == "cpu" else _GPU


def climb_down(rungs: Sequence[Rung], attempt: Callable[[Rung], Made], on_rung: Callable[[Rung], None]) -> Made:
    """What ``attempt`` returns on the first rung for which memory suffices.

    Nothing of an attempt that failed is held while the next one runs.

    Parameters
    ----------
    attempt : runs everything anew; lack of memory is a ``MemoryError`` or E502.
    on_rung : called with each rung after the first one, before it is tried.

    Raises
    ------
    MedDLError : E502 after the last rung; whatever else ``attempt`` and ``on_rung`` raise.
    """
    *upper, last = rungs
    for rung, lower in zip(upper, rungs[1:], strict=True):
        try:
            return attempt(rung)
        except MemoryError:
            pass
        except MedDLError as exc:
            if exc.code != "E502":
                raise
        on_rung(lower)
    try:
        return attempt(last)
    except (MemoryError, MedDLError) as exc:
        if isinstance(exc, MedDLError) and exc.code != "E502":
            raise
        raise MedDLError("E502", "not enough memory", "in any way there is", _HINT, detail=str(exc)) from exc


def in_memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of zeros."""
    return np.zeros(shape, dtype)


def on_disk(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of zeros in a file without a name, among the images on their way, which goes with the array.

    Raises
    ------
    MedDLError : E501 when the disk is full, E503 when the folder cannot be written.
    MemoryError : when the process has no addresses left.
    """
    base = exchange_base()
    with disk_errors():
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=base) as file:
            _reserve(file, math.prod(shape) * dtype.itemsize)
            try:
                return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
            except OSError as exc:
                if exc.errno != errno.ENOMEM:
                    raise
    raise MemoryError


def _reserve(file: IO[bytes], size: int) -> None:
    """Have the disk hold the bytes: a page of a sparse file that it has no room for ends the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, len(_ZEROS)):
        file.write(_ZEROS[: size - start])
    file.flush()

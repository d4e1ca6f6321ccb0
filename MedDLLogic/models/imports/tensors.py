"""Weights of other tools to safetensors: read as tensors and plain values, never as a program."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import MedDLError
from ..content import content_of, in_words, require_sound_archive

if TYPE_CHECKING:
    from torch import Tensor

MIN_TORCH = (2, 10)
"""Older releases have known code-execution holes in ``torch.load`` (CVE-2026-24747)."""


def read_checkpoint(content: bytes) -> Any:
    """What a ``.pt`` or ``.pth`` file holds: tensors, numbers, texts, lists, dicts and numpy values, on the CPU.

    Raises
    ------
    MedDLError : E405 when it holds anything else, E406 when it is damaged, E408 when it would grow when read.
    """
    import torch

    require_safe_torch()
    if content[:2] == b"PK":
        require_sound_archive(content)
    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, AttributeError) as exc:
        raise MedDLError("E405", "weights file holds more than weights", "", "convert it", detail=str(exc)) from exc
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, IndexError) as exc:
        raise MedDLError("E406", "weights file damaged", detail=str(exc)) from exc


def read_state(content: bytes, *keys: str) -> Mapping[str, Tensor]:
    """The table of tensors in a file of weights, whatever its name: safetensors, or torch's under one of ``keys``.

    Raises
    ------
    MedDLError : E407 when it is neither, and as ``read_checkpoint`` and ``state_of``.
    """
    found = content_of(content)
    if found == "safetensors":
        return _read_safetensors(content)
    if found == "state_dict":
        return state_of(read_checkpoint(content), *keys)
    raise MedDLError("E407", "weights file not usable here", f"it is {in_words(content)}")


def state_of(checkpoint: Any, *keys: str) -> Mapping[str, Tensor]:
    """The table of tensors under the first of ``keys`` that the checkpoint has, or itself; E406 when it is none."""
    import torch

    found = checkpoint
    for key in keys:
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            found = checkpoint[key]
            break
    if not isinstance(found, dict) or not found:
        raise MedDLError("E406", "no table of weights in the file")
    if not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in found.items()):
        raise MedDLError("E406", "table of weights holds something else")
    return found


def safetensors_bytes(state: Mapping[str, Tensor]) -> bytes:
    """The tensors as a safetensors file; tensors that share memory are written one by one."""
    from safetensors.torch import save

    return save({name: tensor.detach().clone().contiguous() for name, tensor in state.items()})


def torch_bytes(state: Mapping[str, Tensor]) -> bytes:
    """The tensors as ``torch.save`` writes them, for tools that read nothing else."""
    import torch

    buffer = io.BytesIO()
    torch.save({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, buffer)
    return buffer.getvalue()


def require_safe_torch() -> None:
    """Raise E407 when this torch is too old to read weights safely."""
    import torch

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < MIN_TORCH:
        raise MedDLError(
            "E407", "torch is too old to read weights safely", torch.__version__, "install torch 2.10 or newer"
        )


def _read_safetensors(content: bytes) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as exc:
        raise MedDLError("E406", "safetensors file damaged", detail=str(exc)) from exc


def _numpy_globals() -> list[Any]:
    """What numpy scalars and arrays are pickled as; none of these runs anything that a file names."""
    import numpy as np

    numbers = [np.float64, np.float32, np.int64, np.int32, np.bool_]
    multiarray = np._core.multiarray  # type: ignore[attr-defined]  # noqa: SLF001 - the place that pickles name
    dtypes = [type(np.dtype(kind)) for kind in (*numbers, np.uint8, np.float16)]
    # Files of before numpy 2 name the same function by its old place.
    old = (multiarray.scalar, "numpy.core.multiarray.scalar")
    return [*numbers, *dtypes, np.dtype, np.ndarray, multiarray.scalar, multiarray._reconstruct, old]  # noqa: SLF001

"""Voxels to a device and back: through pinned memory, and back while the device computes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MedDLError
from .torch_backend import _translated_errors

Receive = Callable[[NDArray[Any]], None]

_BEHIND = 2
"""Copies that may be under way while the next planes are computed; each holds a pinned buffer of its size."""

MOST_WORK_BYTES = 1 << 30
"""Memory of a GPU, besides slab and patches, that finished planes are worked on in; more makes nothing faster."""

SHARE_OF_FREE = 8
"""No more than one part in so many of the free memory goes there."""

HOST_WORK_BYTES = 256 << 20
"""The same where the device shares the machine's memory."""


def on_device(array: NDArray[Any], device: str) -> Tensor:
    """The array's values as a tensor there, on a GPU copied from pinned memory; on the CPU it shares the array's."""
    host = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    if not device.startswith("cuda"):
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)


def free_bytes(device: str) -> int | None:
    """Memory of a GPU, in bytes, that new tensors may take: what is free there and what torch keeps for later.

    None where the device shares the machine's own memory.
    """
    if not device.startswith("cuda"):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def work_bytes(device: str) -> int:
    """Memory that finished planes may be worked on in now."""
    free = free_bytes(device)
    return HOST_WORK_BYTES if free is None else max(1, min(MOST_WORK_BYTES, free // SHARE_OF_FREE))


class Downloads:
    """Tensors of a device into arrays; on a GPU each copy runs on a stream of its own, behind the computation.

    Everything has been received after ``finish``; whoever does not come to call it lets all go that is under way.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._stream = _new_stream(device) if device.startswith("cuda") else None
        self._waiting: deque[tuple[torch.cuda.Event, Tensor, Receive]] = deque()

    def send(self, found: Tensor, receive: Receive) -> None:
        """Have ``receive`` called with the tensor's values, now or later; they are valid within that call."""
        if self._stream is None:
            receive(found.cpu().numpy())
            return
        buffer = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            buffer.copy_(found, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(self._stream)
        found.record_stream(self._stream)  # its memory must not go to another tensor before it is copied
        self._waiting.append((arrived, buffer, receive))
        while len(self._waiting) > _BEHIND:
            self._settle()

    def finish(self) -> None:
        """Wait until everything has been received."""
        while self._waiting:
            self._settle()

    def _settle(self) -> None:
        arrived, buffer, receive = self._waiting.popleft()
        arrived.synchronize()
        receive(buffer.numpy())


def _new_stream(device: str) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn what a device raises, for memory or for good, into E502 and E504; anything else is a defect and passes."""
    try:
        yield
    except (RuntimeError, MemoryError) as exc:
        try:
            with _translated_errors():
                raise
        except MedDLError as told:
            if told.code == "E406":  # no network is at work here that could have refused an image
                raise exc from None
            raise

"""The torch engine: eager, float32, one network; the reference for any faster one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import MedDLError
from ..job import Backend, Precision
from .backend import Floats, OnProgress
from .device import seed_torch
from .precision import thread_count
from .windows import weights

if TYPE_CHECKING:
    from ..models.card import Blend, Network

PROBE_EDGE = 64
"""A patch this large is run first, to learn how the work divides over the layers of a larger one."""


# TorchScript and autograd call the general operators, eager inference those of one dimension.
_GENERAL = ("convolution", "_convolution")
_CONVOLUTIONS = (*_GENERAL, *(f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)))


REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What networks raise at an image of a size that they do not take."""


class TorchPredictor:
    """A torch module on the CPU, eager and in float32, as ``backend.Predictor``.

    Attributes
    ----------
    precision : ``"reference"``, or ``"exact"`` where that was asked for: it is both.
    notes : what was not done as planned, and why, for the run's record.
    """

    backend: Backend = "torch"

    def __init__(
        self,
        module: nn.Module,
        network: Network,
        device: str = "cpu",
        precision: Literal["reference", "exact"] = "reference",
    ) -> None:
        self.device = device
        self.precision: Precision = precision
        self.notes: list[str] = []
        self._side_inputs, self._is_flat = network.side_inputs, network.dimensions == 2
        seed_torch()
        if thread_count():
            torch.set_num_threads(thread_count())
        with _translated_errors():
            self._module = module.to(device)
        self._work_per_voxel: float | None = None

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """As ``backend.Predictor`` says."""
        with _translated_errors(), torch.inference_mode():
            extra = [_tensor(side[name]).to(self.device) for name in self._side_inputs]
            batch = _tensor(patch[:, 0] if self._is_flat else patch)[None].to(self.device)
            watch = _WorkWatch(self._expected_work(batch, extra), on_progress)
            answer = watch.run(lambda: self._module(batch, *extra))
            if not isinstance(answer, Tensor) or answer.dim() != batch.dim():
                raise MedDLError("E406", "network gives no activations", "one volume of channels is needed")
            found = (answer[0].unsqueeze(1) if self._is_flat else answer[0]).float().permute(1, 2, 3, 0).cpu()
            if blend is not None:
                found = found * torch.from_numpy(weights(patch.shape[1:], blend))[..., None]
            return cast(Floats, found.contiguous().numpy())

    def _expected_work(self, batch: Tensor, extra: list[Tensor]) -> float:
        voxels = math.prod(batch.shape[2:])
        if self._work_per_voxel is None:
            if voxels <= PROBE_EDGE**3:
                return math.inf
            self._work_per_voxel = self._probed_work(batch[:, :, *[slice(PROBE_EDGE)] * (batch.dim() - 2)], extra)
        return self._work_per_voxel * voxels

    def _probed_work(self, probe: Tensor, extra: list[Tensor]) -> float:
        watch = _WorkWatch(math.inf, lambda fraction: None)
        try:
            watch.run(lambda: self._module(probe, *extra))
        except REFUSALS:  # a network for one size only, as some transformers are, tells no progress within a patch
            return math.inf
        return watch.done / math.prod(probe.shape[2:]) or math.inf


class _WorkWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts multiply-adds of the convolutions that run inside it, in TorchScript as in eager mode."""

    def __init__(self, expected: float, on_progress: OnProgress) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.done = 0.0
        self._raised: BaseException | None = None
        self._expected, self._on_progress = expected, on_progress

    def run(self, forward: Callable[[], Any]) -> Tensor:
        """What ``forward`` returns, or the very error that an operation or ``on_progress`` raised inside it."""
        try:
            with self:
                return cast(Tensor, forward())
        except RuntimeError:
            # TorchScript turns whatever is raised inside it into a RuntimeError without a cause or a word of it.
            if self._raised is not None:
                raise self._raised from None
            raise

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            answer = operation(*args, **(kwargs or {}))
            self._count(operation, args, answer)
        except BaseException as exc:
            self._raised = exc
            raise
        return answer

    def _count(self, operation: Any, args: Any, answer: Any) -> None:
        name = operation.overloadpacket.__name__
        if name in _CONVOLUTIONS:
            weight = args[1]
            is_transposed = name.startswith("conv_transpose") or (name in _GENERAL and bool(args[6]))
            places = args[0] if is_transposed else answer
            self.done += places.numel() / places.shape[1] * weight.numel()
            self._on_progress(min(1.0, self.done / self._expected))


def _tensor(values: Floats) -> Tensor:
    """Of the array's own memory where that can be had."""
    return torch.from_numpy(np.require(values, np.float32, ["C", "W"]))


def give_back_memory() -> None:
    """Return to the device what torch keeps of its memory for later."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as exc:
        raise MedDLError("E502", "not enough GPU memory", "", "choose device cpu or a region", detail=str(exc)) from exc
    except MemoryError as exc:
        raise MedDLError("E502", "not enough memory", "", "choose a region") from exc
    except REFUSALS as exc:
        raise _meaning_of(str(exc)) from exc


_MEMORY_SIGNS = ("bad_alloc", "out of memory", "status_alloc_failed")
_DEVICE_SIGNS = ("CUDA", "CUDNN", "CUBLAS", "MPS", "unable to find an engine")
"""The last is what torch says of a card that cuDNN has no algorithm for, mostly since it is too old."""


def _meaning_of(text: str) -> MedDLError:
    low = text.lower()
    if any(sign in low for sign in _MEMORY_SIGNS) or ("alloc" in low and "memory" in low):
        return MedDLError("E502", "not enough memory", "", "choose a region", detail=text)
    if any(sign in text for sign in _DEVICE_SIGNS):
        return MedDLError("E504", "device stopped working", "", "choose device cpu", detail=text)
    return MedDLError("E406", "network does not take this image", "sizes or channels do not fit", detail=text)

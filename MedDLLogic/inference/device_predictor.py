"""One network on a graphics card: float32 or half precision, as a CUDA graph where that is possible.

Batches go in and activations come out as tensors of the device; ``predict`` is the same for callers that hold arrays.

What makes numbers the same again from run to run: cuDNN takes deterministic algorithms alone and picks them by its
rules, never by timing them (``benchmark``), and TF32 is off. A GPU may still add up in another order when the batch
has another size, so labels of two batch sizes, or of two devices, agree to Dice 0.999 and not to the bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from ..errors import MedDLError
from ..job import Backend, Precision
from .backend import Floats, OnProgress
from .device import seed_torch
from .device_copies import device_errors, free_bytes, on_device
from .torch_backend import _translated_errors, give_back_memory
from .windows import weights

if TYPE_CHECKING:
    from ..models.card import Blend, Network

MOST_PATCHES = 4
"""Patches at once: more only takes memory, since one of 128^3 already keeps a GPU busy."""

SHARE_OF_FREE = 0.6
"""Of the free memory, for patches: what torch caches falls into pieces, and planes are decoded beside them."""

EAGER_CALLS = 2
"""Calls of one shape before it is captured: they choose algorithms and compile, which a capture does not allow."""

_NO_HALF_3D = "not supported on MPS"
"""What torch says on Apple's GPUs of a layer that they do not have in half precision, as transposed convolutions."""


class DeviceNetwork(Protocol):
    """What the engine on a device asks of a network, or of several that are averaged."""

    device: str

    @property
    def precision(self) -> Precision:
        """In which numbers it computes now."""

    def running(self) -> AbstractContextManager[None]:
        """Everything that is computed for a run is computed inside it."""

    def forward(self, patches: Tensor, side: Mapping[str, Tensor]) -> Tensor:
        """(n, k, j, i, channel) activations of (n, channel, k, j, i) float32 patches, valid until the next call."""

    def patches_at_once(self) -> int:
        """How many patches fit into free memory, known after a first call with one patch."""

    def rest(self) -> None:
        """Give back what memory was taken beside the networks themselves."""


class DevicePredictor:
    """A torch module as ``backend.Predictor`` and ``DeviceNetwork``.

    Parameters
    ----------
    module : in evaluation mode; it is moved to the device and laid out anew, so nobody else should use it.
    device : ``"cuda:0"``, ``"mps"``, ``"cpu"``; one that is there.
    precision : ``"reference"`` is eager float32, one patch at a time; ``"exact"`` is float32 in batches and as a
        CUDA graph; ``"fast"`` is autocast to ``half_type(device)``, channels last, in batches and as a CUDA graph.
        It reads ``"exact"`` once the device refused half precision.

    Attributes
    ----------
    notes : what was not done as planned, and why, for the run's record; each once.

    Raises
    ------
    MedDLError : E502, E504 when the module does not go to the device.
    """

    backend: Backend = "torch"

    def __init__(
        self, module: nn.Module, network: Network, device: str, precision: Literal["reference", "exact", "fast"]
    ) -> None:
        self.device, self.notes = device, list[str]()
        self.precision: Precision = precision
        self._side_inputs, self._is_flat = network.side_inputs, network.dimensions == 2
        self._is_cuda = device.startswith("cuda")
        self._half = half_type(device) if precision == "fast" else None
        self._layout = self._channels_last() if precision == "fast" and device != "mps" else torch.contiguous_format
        self._captures = self._is_cuda and precision != "reference"
        self._calls: Counter[tuple[int, ...]] = Counter()
        self._graphs: dict[tuple[int, ...], _Graph] = {}
        self._patch_bytes: int | None = None
        seed_torch()
        with _translated_errors():
            self._module = module.to(device)
            self._lay_out(self._module)
            self._stream = _stream_of(device) if self._is_cuda else None

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """As ``backend.Predictor`` says; progress is told at the end, since a GPU takes a patch in one go."""
        return predict_array(self, patch, side, on_progress, blend)

    @contextmanager
    def running(self) -> Iterator[None]:
        """No gradients, no TF32, deterministic algorithms, and on a GPU this network's own stream."""
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(_same_numbers_each_time())
            if self._stream is not None:
                stack.enter_context(_on_stream(self._stream, self.device))
            yield

    def forward(self, patches: Tensor, side: Mapping[str, Tensor]) -> Tensor:
        """(n, k, j, i, channel) activations of (n, channel, k, j, i) patches, both on the device.

        In half precision they come as such. The tensor is valid until the next call. To be called within ``running``.

        Parameters
        ----------
        side : further inputs by name, each (1, m) float32 on the device.

        Raises
        ------
        MedDLError : E406 for patches that the network does not take, E502, E504 from the device.
        """
        shape = tuple(patches.shape)
        with _translated_errors():
            inputs = [patches, *(side[name].expand(len(patches), -1) for name in self._side_inputs)]
            if shape not in self._graphs and self._captures and self._calls[shape] >= EAGER_CALLS:
                self._capture(shape, inputs)
            if shape in self._graphs:
                return self._graphs[shape].run(inputs)
            self._calls[shape] += 1
            return self._measured(inputs) if self._is_cuda and self._patch_bytes is None else self._eager(inputs)

    def patches_at_once(self) -> int:
        """Patches that fit into the GPU's free memory, up to ``MOST_PATCHES``; 1 elsewhere, and for ``"reference"``."""
        free = free_bytes(self.device)
        if free is None or self._patch_bytes is None or self.precision == "reference":
            return 1
        return batch_size(free, self._patch_bytes)

    def rest(self) -> None:
        """Let the captured graphs go, with the memory that each holds for itself, and what torch keeps for later."""
        self._graphs.clear()
        self._calls.clear()
        give_back_memory()

    def _eager(self, inputs: list[Tensor]) -> Tensor:
        try:
            answer = self._computed(inputs)
        except RuntimeError as exc:
            if self._half is None or _NO_HALF_3D not in str(exc):
                raise
            self._half, self.precision = None, "exact"
            self._note("computed in float32: a layer of the network has no half precision on this device")
            answer = self._computed(inputs)
        return answer

    def _computed(self, inputs: list[Tensor]) -> Tensor:
        patches, *side = inputs
        voxels = patches[:, :, 0] if self._is_flat else patches
        with self._autocast():
            answer = self._module(voxels.contiguous(memory_format=self._layout), *side)
        if self._is_flat and isinstance(answer, Tensor):
            answer = answer.unsqueeze(2)
        if not isinstance(answer, Tensor) or answer.shape[2:] != patches.shape[2:] or len(answer) != len(patches):
            raise MedDLError("E406", "network gives no activations of its input's size", "sizes do not fit")
        return answer.permute(0, 2, 3, 4, 1)

    def _measured(self, inputs: list[Tensor]) -> Tensor:
        """The answer; what one patch takes is learned on the way.

        Where an earlier stage of the run took more, its peak counts: too much, never too little.
        """
        before = torch.cuda.memory_allocated(self.device)
        answer = self._eager(inputs)
        taken = torch.cuda.max_memory_allocated(self.device) - before
        self._patch_bytes = max(1, taken // len(inputs[0]))
        return answer

    def _capture(self, shape: tuple[int, ...], inputs: list[Tensor]) -> None:
        try:
            self._graphs[shape] = _Graph(self._computed, inputs, self._stream)
        except RuntimeError as exc:  # a layer that asks the CPU, or too little memory for what a graph keeps
            self._captures = False
            why = "too little memory" if isinstance(exc, torch.OutOfMemoryError) else type(exc).__name__
            self._note(f"run without a CUDA graph: {why}")

    def _autocast(self) -> AbstractContextManager[object]:
        if self._half is None:
            return nullcontext()
        # Without the cache of cast weights, whose memory a captured graph would not own.
        return torch.autocast(self.device.split(":", maxsplit=1)[0], dtype=self._half, cache_enabled=False)

    def _channels_last(self) -> torch.memory_format:
        return torch.channels_last if self._is_flat else torch.channels_last_3d

    def _lay_out(self, module: nn.Module) -> None:
        """One by one: ``Module.to`` would refuse a layer of planes inside a network of volumes."""
        if self._layout is torch.contiguous_format:
            return
        for parameter in module.parameters():
            if parameter.dim() == (4 if self._is_flat else 5):
                parameter.data = parameter.data.contiguous(memory_format=self._layout)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def predict_array(
    network: DeviceNetwork, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None
) -> Floats:
    """(k, j, i, channel) float32 activations of a (channel, k, j, i) array, as ``backend.Predictor.predict`` says."""
    device = network.device
    with network.running(), device_errors():
        inputs = {name: on_device(values, device) for name, values in side.items()}
        answer = network.forward(on_device(patch[None], device), inputs)[0].float()
        if blend is not None:
            answer = answer * on_device(weights(patch.shape[1:], blend), device)[..., None]
        found = cast(Floats, answer.cpu().contiguous().numpy())
    on_progress(1.0)
    return found


def half_type(device: str) -> torch.dtype:
    """What ``"fast"`` computes in: bfloat16, and float16 on Apple's GPUs and on cards that would only emulate bfloat16."""
    if device == "mps":
        return torch.float16
    if not device.startswith("cuda"):
        return torch.bfloat16
    with torch.cuda.device(device):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def batch_size(free: int, patch_bytes: int) -> int:
    """Patches of that many bytes that fit into ``SHARE_OF_FREE``, 1 to ``MOST_PATCHES``."""
    return max(1, min(MOST_PATCHES, int(free * SHARE_OF_FREE) // max(1, patch_bytes)))


class _Graph:
    """The kernels of one call, recorded once and replayed with other inputs of the same shapes."""

    def __init__(self, compute: Computation, inputs: list[Tensor], stream: torch.cuda.Stream | None) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph = torch.cuda.CUDAGraph()
        # "thread_local": what another thread does with the card meanwhile is no reason to fail.
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._answer = compute(self._inputs)

    def run(self, inputs: list[Tensor]) -> Tensor:
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._answer


class Computation(Protocol):
    """What a graph records."""

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """The answer to a patch and its side inputs."""


@cache
def _stream_of(device: str) -> torch.cuda.Stream:
    """One for all networks of a device: no graph can be captured on the default one."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def _same_numbers_each_time() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def _on_stream(stream: torch.cuda.Stream, device: str) -> Iterator[None]:
    """A stream in step with the one around it."""
    with torch.cuda.device(device):
        around = torch.cuda.current_stream(device)
        stream.wait_stream(around)
        try:
            with torch.cuda.stream(stream):
                yield
        finally:
            around.wait_stream(stream)

"""A torch module as an ONNX graph, compared with the module itself before anybody uses it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import MedDLError
from .backend import Floats, Predictor
from .torch_backend import REFUSALS, TorchPredictor

if TYPE_CHECKING:
    from ..models.card import Network

    Shape = tuple[int, int, int]

OPSET = 17
MOST_ERROR = 1e-3
"""Largest difference to torch's activations that is allowed, as a share of their range."""

PROBES: tuple[tuple[int, int, int], tuple[int, int, int]] = ((64, 64, 64), (96, 64, 128))
"""Volumes that a network for any size is tried on: multiples of what networks divide their input by."""

_SIDE_LENGTHS = {"spacing_ijk_mm": 3, "box_ijij": 4}
_SPATIAL = ("k", "j", "i")

PredictorOf = Callable[[bytes], Predictor]


class NotExportableError(Exception):
    """The network cannot become a graph that gives what it gives; the text says why, in a few words."""


@dataclass(frozen=True)
class Exported:
    """A graph, and the largest difference that was found: a share of the range of torch's activations."""

    graph: bytes
    error: float


def export_for(module: nn.Module, network: Network, channels: int, shape: Shape, predictor_of: PredictorOf) -> Exported:
    """The graph for patches of that shape.

    Parameters
    ----------
    module : in evaluation mode, on the CPU.
    predictor_of : runs a graph, to be compared with the module.

    Raises
    ------
    NotExportableError : as it says.
    """
    graph = _exported(module, network, channels, shape, is_dynamic=False)
    return Exported(graph, _require_alike(module, network, channels, (shape,), predictor_of(graph)))


def export_for_any(module: nn.Module, network: Network, channels: int, predictor_of: PredictorOf) -> Exported:
    """The graph for volumes of any shape that the network takes; compared on two of them."""
    graph = _exported(module, network, channels, PROBES[0], is_dynamic=True)
    return Exported(graph, _require_alike(module, network, channels, PROBES, predictor_of(graph)))


def channels_of(module: nn.Module, otherwise: int) -> int:
    """Channels of the image that the network takes: as it says itself, else as its first convolution does."""
    said = getattr(module, "channels_in", None)
    if isinstance(said, int):
        return said
    for parameter in module.parameters():
        if parameter.dim() in (4, 5):
            return int(parameter.shape[1])
    return otherwise


def _exported(module: nn.Module, network: Network, channels: int, shape: Shape, *, is_dynamic: bool) -> bytes:
    patch, side = probe(network, channels, shape)
    is_flat = network.dimensions == 2
    image = torch.from_numpy(patch[:, 0] if is_flat else patch)[None]
    arguments = (image, *(torch.from_numpy(side[name]) for name in network.side_inputs))
    axes = {2 + number: axis for number, axis in enumerate(_SPATIAL[1:] if is_flat else _SPATIAL)}
    file = io.BytesIO()
    _require_one_answer(module, arguments)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing and of the exporter's age: the result is compared
        try:
            torch.onnx.export(
                module,
                arguments,
                file,  # type: ignore[arg-type] # its older exporter takes files too
                dynamo=False,
                opset_version=OPSET,
                input_names=["image", *network.side_inputs],
                output_names=["activations"],
                dynamic_axes={"image": axes, "activations": axes} if is_dynamic else None,
            )
        except MemoryError:
            raise
        except Exception as exc:  # the exporter raises whatever a layer that it does not know makes of its rules
            raise NotExportableError(f"torch cannot export it: {type(exc).__name__}") from exc
    return file.getvalue()


def _require_one_answer(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
    with torch.inference_mode():
        try:
            answer = module(*arguments)
        except REFUSALS as exc:
            raise NotExportableError(f"it does not take a patch of {tuple(arguments[0].shape[2:])}") from exc
    if not isinstance(answer, Tensor):
        raise NotExportableError("it gives more than one volume")


def _require_alike(
    module: nn.Module, network: Network, channels: int, shapes: tuple[Shape, ...], predictor: Predictor
) -> float:
    reference = TorchPredictor(module, network)
    worst = 0.0
    for shape in shapes:
        patch, side = probe(network, channels, shape)
        expected = reference.predict(patch, side, lambda part: None)
        try:
            found = predictor.predict(patch, side, lambda part: None)
        except MedDLError as exc:
            if exc.code == "E502":
                raise
            raise NotExportableError(f"its graph does not run: {exc.code}") from exc
        worst = max(worst, relative_error(expected, found))
        if not worst <= MOST_ERROR:  # not a number counts too
            raise NotExportableError(f"its graph differs by {worst:.1e} of the range")
    return worst


def probe(network: Network, channels: int, shape: Shape) -> tuple[Floats, Mapping[str, Floats]]:
    """Random voxels (channel, k, j, i) of mean 0 and deviation 1, the same each time, and side inputs of ones."""
    random = np.random.default_rng(0)
    patch = random.standard_normal((channels, *shape), dtype=np.float32)
    return patch, {name: np.ones((1, _SIDE_LENGTHS[name]), dtype=np.float32) for name in network.side_inputs}


def relative_error(expected: Floats, found: Floats) -> float:
    """Largest difference as a share of the range of what was expected; infinite for another shape."""
    if expected.shape != found.shape:
        return float("inf")
    extent: Any = np.ptp(expected)
    return float(np.abs(expected - found).max() / max(float(extent), 1e-30))

"""One network on the engine that was chosen: from its graph in the cache, else from its weights by way of torch."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from ..errors import MedDLError
from ..job import Backend, Precision
from ..models.card import NetworkStage, Tiling
from ..models.loaders import load_graph, load_network, require_trust
from ..models.registry import FoundCard
from ..models.store import is_trusted, weights_file
from . import graphs
from .backend import Predictor
from .graphs import GraphKey

if TYPE_CHECKING:
    from torch import nn

    from .onnx_backend import OnnxPredictor
    from .openvino_backend import GraphOf, OpenVinoPredictor

Way = tuple[Backend, Precision]
Shape = tuple[int, int, int]

_SAMPLE_SHAPE: Shape = (64, 64, 64)
"""A graph for one shape shows that there can be one for every shape of its own."""


def load_predictor(
    found: FoundCard, stage: NetworkStage, device: str, way: Way, tiling: Tiling | None, *, is_free: bool
) -> Predictor:
    """The stage's network, of its first weights alone, on the device.

    Where a network cannot become a graph torch computes it, and the predictor's ``notes`` say so.

    Parameters
    ----------
    is_free : nobody asked for that backend by name.

    Raises
    ------
    MedDLError : as ``warm.Networks.ready``.
    """
    backend, precision = way
    if stage.network.format == "onnx":
        return _load_own_graph(found, stage, device, way, tiling, is_free=is_free)
    if backend == "torch":
        return _load_on_torch(found, stage, device, precision)
    require_trust(stage, model=found.card.name, is_trusted=is_trusted(found, stage.weights.sha256))
    weights_file(found, stage)  # a run needs what the card names, also where its graph would do
    try:
        graph_of = _graph_of(found, stage, tiling)
        predictor = _on_graph(graph_of, stage, way)
        if tiling is not None and tiling.patch_kji is not None:
            predictor.compile(tiling.patch_kji, tiling.blend)
    except _NoGraphError as exc:
        return _instead(found, stage, f"computed by torch, which is slower: {exc}")
    except MedDLError as exc:
        if exc.code != "E407":
            raise
        return _instead(found, stage, f"computed by torch, which is slower: {exc.what}")
    return predictor


class _NoGraphError(Exception):
    """The network cannot become a graph; the text says why."""


class _GraphsByShape:
    """Graphs of a network that needs one for each shape."""

    def __init__(self, found: FoundCard, stage: NetworkStage) -> None:
        self._found, self._stage = found, stage
        self._last: tuple[Shape, bytes] | None = None

    def __call__(self, shape: Shape) -> bytes:
        if self._last is None or self._last[0] != shape:
            try:
                self._last = (shape, _graph(self._found, self._stage, shape))
            except _NoGraphError as exc:
                hint = "choose backend torch"
                raise MedDLError("E407", "network cannot become a graph", str(exc), hint) from exc
        return self._last[1]


def _graph_of(found: FoundCard, stage: NetworkStage, tiling: Tiling | None) -> GraphOf:
    patch = None if tiling is None else tiling.patch_kji
    try:
        content = _graph(found, stage, patch)
    except _NoGraphError:
        if patch is not None:
            raise
        _graph(found, stage, _SAMPLE_SHAPE)
        return _GraphsByShape(found, stage)
    return lambda shape: content


def _graph(found: FoundCard, stage: NetworkStage, shape: Shape | None) -> bytes:
    """From the cache, or made now and put there."""
    key = GraphKey(stage.weights.sha256, stage.network, shape)
    content = graphs.read_graph(key)
    if content is not None:
        return content
    why = graphs.refusal(key)
    if why:
        raise _NoGraphError(why)
    from .graph_export import NotExportableError, channels_of, export_for, export_for_any

    module = _module(found, stage)
    channels = channels_of(module, len(stage.inputs))

    def predictor_of(graph: bytes) -> Predictor:
        return _on_graph(lambda _shape: graph, stage, ("openvino", "exact"))

    try:
        if shape is None:
            made = export_for_any(module, stage.network, channels, predictor_of)
        else:
            made = export_for(module, stage.network, channels, shape, predictor_of)
    except NotExportableError as exc:
        graphs.keep_refusal(key, str(exc))
        raise _NoGraphError(str(exc)) from exc
    gc.collect()  # torch leaves its frames in cycles, and with them the activations that were compared
    graphs.keep_graph(key, made.graph, made.error)
    return made.graph


def _on_graph(graph_of: GraphOf, stage: NetworkStage, way: Way) -> OpenVinoPredictor | OnnxPredictor:
    backend, precision = way
    if backend == "onnxruntime":
        from .onnx_backend import OnnxPredictor

        return OnnxPredictor(graph_of, stage.network)
    from .openvino_backend import OpenVinoPredictor

    return OpenVinoPredictor(graph_of, stage.network, cast(Literal["exact", "fast"], precision))


def _load_own_graph(
    found: FoundCard, stage: NetworkStage, device: str, way: Way, tiling: Tiling | None, *, is_free: bool
) -> Predictor:
    """A model that is a graph itself; one that OpenVINO does not take, and need not, goes to ONNX Runtime."""
    content = load_graph(stage, weights_file(found, stage), model=found.card.name)
    notes = []
    if way[0] == "openvino":
        from .openvino_backend import read_graph

        try:
            read_graph(content)
        except MedDLError:
            if not is_free:
                raise
            way = "onnxruntime", "exact"
            notes.append("computed by ONNX Runtime, which is slower: OpenVINO does not know one of its layers")
    predictor = _on_graph(lambda _shape: content, stage, way)
    predictor.notes += notes
    if tiling is not None and tiling.patch_kji is not None:
        predictor.compile(tiling.patch_kji, tiling.blend)
    if device != "cpu":
        predictor.notes.append("computed on the CPU: the model is an ONNX graph")
    return predictor


def _load_on_torch(found: FoundCard, stage: NetworkStage, device: str, precision: Precision) -> Predictor:
    module = _module(found, stage)
    if device == "cpu":
        from .torch_backend import TorchPredictor

        return TorchPredictor(module, stage.network, device, cast(Literal["reference", "exact"], precision))
    from .device_predictor import DevicePredictor

    kind = cast(Literal["reference", "exact", "fast"], precision)
    return DevicePredictor(module, stage.network, device, kind)


def _instead(found: FoundCard, stage: NetworkStage, note: str) -> Predictor:
    from .torch_backend import TorchPredictor

    predictor = TorchPredictor(_module(found, stage), stage.network, "cpu", "exact")
    predictor.notes.append(note)
    return predictor


def _module(found: FoundCard, stage: NetworkStage) -> nn.Module:
    path, trusted = weights_file(found, stage), is_trusted(found, stage.weights.sha256)
    return load_network(replace(stage, ensemble=()), path, model=found.card.name, is_trusted=trusted)

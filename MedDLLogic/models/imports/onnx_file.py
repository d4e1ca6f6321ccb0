"""An ONNX file as a card: the graph is read as data, its weights must lie in the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import MedDLError
from ..card import Network
from ..content import content_of
from .draft import Draft, drafted
from .foreign import Foreign
from .tree import ModelTree

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

MAX_ONNX_BYTES = 1 << 31
"""Protocol buffers hold no more."""

_DOMAINS = {"", "ai.onnx"}
_FLOAT32, _EXTERNAL = 1, 1
_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_LABELS = {"ArgMax", "TopK"}
_FILE_NAME = "network.onnx"


@dataclass(frozen=True)
class Graph:
    """What an ONNX graph takes and gives: sizes of its one image input and output.

    ``shape`` is k, j, i, or j, i for a network of planes; None where it takes any size.
    """

    channels_in: int
    channels_out: int
    shape: tuple[int | None, ...]
    activated_by: str


class OnnxReader:
    """Knows ONNX files."""

    format = "onnx"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether one of the files is the only one of its kind, or the only one, and ONNX by its first bytes."""
        name = tree.only(".onnx")
        return bool(name) and content_of(tree.content(name)) == "onnx"

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The network with a card that assumes what the graph does not say."""
        content = tree.content(tree.only(".onnx"), MAX_ONNX_BYTES)
        graph = describe(content)
        network = Network("onnx", dimensions=2 if len(graph.shape) == 2 else 3)
        draft = Draft(
            network, _FILE_NAME, content, graph.channels_in, graph.channels_out, graph.shape, graph.activated_by
        )
        return drafted(draft, name, "ONNX")


def describe(content: bytes) -> Graph:
    """Sizes of the graph's image input and output.

    Raises
    ------
    MedDLError : E406 when damaged, E407 for a graph that MedDL cannot run (named), E408 for one that keeps weights in
        other files.
    """
    model = _parsed(content)
    _require_known_version(model)
    nodes = [node for graph in _graphs(model) for node in graph]
    if not model.graph.node:
        raise MedDLError("E406", "ONNX file damaged", "it holds no network")
    _require_no_other_files(model, nodes)
    _require_known_operators(model, nodes)
    return _described(model)


def _described(model: ModelProto) -> Graph:
    given = {tensor.name for tensor in model.graph.initializer}
    image = _one([value for value in model.graph.input if value.name not in given], "input")
    result = _one(list(model.graph.output), "output")
    taken = _sizes(image, "input")
    last = next((node.op_type for node in model.graph.node if result.name in node.output), "")
    if last in _LABELS:
        raise MedDLError("E407", "ONNX network ends in labels", last, "export it without its last step")
    made = _sizes_made(model, result, len(taken))
    if taken[0] not in (None, 1):
        raise MedDLError("E407", "ONNX network takes several images at once", f"{taken[0]}", "export it for one")
    if taken[1] is None or made[1] is None:
        raise MedDLError(
            "E407", "ONNX network does not say its number of channels", "", "export it with fixed channels"
        )
    if any(a is not None and b is not None and a != b for a, b in zip(taken[2:], made[2:], strict=True)):
        raise MedDLError("E407", "ONNX network gives another size than it takes", f"{taken[2:]} to {made[2:]}")
    return Graph(taken[1], made[1], taken[2:], _ACTIVATIONS.get(last, ""))


def _parsed(content: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        # From bytes, so no other file is ever opened.
        return onnx.load_model_from_string(content)
    except (DecodeError, ValueError, RuntimeError) as exc:
        raise MedDLError("E406", "ONNX file damaged", detail=str(exc)) from exc


def _require_known_version(model: ModelProto) -> None:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    opset = max((used.version for used in model.opset_import if used.domain in _DOMAINS), default=0)
    if model.ir_version > onnx.IR_VERSION or not 1 <= opset <= newest:
        why = f"layout {model.ir_version}, operators {opset}"
        raise MedDLError("E407", "version of the ONNX file", why, f"up to {onnx.IR_VERSION} and {newest}")


def _graphs(model: ModelProto) -> Iterator[list[NodeProto]]:
    """The nodes of the graph, of all graphs inside it, and of its own functions."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        nodes = list(waiting.pop().node)
        yield nodes
        for node in nodes:
            for attribute in node.attribute:
                inner: list[GraphProto] = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
                waiting.extend(inner)


def _require_no_other_files(model: ModelProto, nodes: list[NodeProto]) -> None:
    tensors: list[TensorProto] = [*model.graph.initializer]
    sparse = [*model.graph.sparse_initializer]
    for node in nodes:
        for attribute in node.attribute:
            tensors += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
            sparse += [*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else [])]
            sparse += [*attribute.sparse_tensors]
            for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                tensors += graph.initializer
                sparse += graph.sparse_initializer
    tensors += [tensor for one in sparse for tensor in (one.values, one.indices)]
    if any(tensor.data_location == _EXTERNAL or tensor.external_data for tensor in tensors):
        raise MedDLError("E408", "ONNX file keeps weights in other files", "", "save it as one file")


def _require_known_operators(model: ModelProto, nodes: list[NodeProto]) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes:
        if node.domain not in _DOMAINS and (node.domain, node.op_type) not in own:
            raise MedDLError("E407", "ONNX operator not known", f"{node.domain}.{node.op_type}"[:60])


def _one(values: list[ValueInfoProto], what: str) -> ValueInfoProto:
    if len(values) != 1:
        names = ", ".join(value.name for value in values)[:60]
        raise MedDLError("E407", f"ONNX network needs one {what}", f"it has {len(values)}: {names}")
    return values[0]


def _sizes(value: ValueInfoProto, what: str) -> tuple[int | None, ...]:
    tensor = value.type.tensor_type
    if tensor.elem_type != _FLOAT32:
        raise MedDLError("E407", f"{what} of the ONNX network is not float32", value.name[:40])
    sizes = tuple(size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim)
    if len(sizes) not in (4, 5):
        raise MedDLError(
            "E407", f"{what} of the ONNX network has {len(sizes)} axes", "4 or 5 are expected: n, c, k, j, i"
        )
    return sizes


def _sizes_made(model: ModelProto, result: ValueInfoProto, axes: int) -> tuple[int | None, ...]:
    """As the file says; where it does not say the channels, as ONNX itself works them out."""
    sizes = _sizes(result, "output") if result.type.tensor_type.HasField("shape") else ()
    if not sizes or sizes[1] is None:
        import onnx

        try:
            inferred = onnx.shape_inference.infer_shapes(model)
        except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as exc:
            raise MedDLError("E406", "ONNX file damaged", "its sizes do not fit", detail=str(exc)) from exc
        sizes = _sizes(inferred.graph.output[0], "output")
    if len(sizes) != axes:
        raise MedDLError("E407", "ONNX network gives no image", f"{axes} axes in, {len(sizes)} out")
    return sizes


READER = OnnxReader()

"""The OpenVINO engine: one graph on the CPU, in float32 or bfloat16."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from ..errors import MedDLError
from ..job import Backend, Precision
from .backend import Floats, OnProgress
from .polling import Pace
from .precision import has_wide_vectors, thread_count

if TYPE_CHECKING:
    import openvino

    from ..models.card import Blend, Network

MOST_COMPILED = 2
"""Graphs kept compiled for their shape: each holds the memory of a whole run. Patches have one shape; volumes, many."""

_TELEMETRY = "openvino_telemetry"
_HINTS: dict[str, str] = {"exact": "f32", "fast": "bf16"}

GraphOf = Callable[[tuple[int, int, int]], bytes]
"""The ONNX graph for a patch of that shape."""


class OpenVinoPredictor:
    """An ONNX graph as ``backend.Predictor``.

    Each shape and blend is compiled once: channels go last and weights are multiplied inside the graph. Labels are
    the same to the byte for any number of threads (``norms.steady``).

    Parameters
    ----------
    graph_of : gives the graph.
    precision : ``"exact"`` computes in float32, ``"fast"`` in bfloat16.

    Raises
    ------
    MedDLError : E407 for a graph that OpenVINO cannot run, once it is given one to compile.
    """

    device = "cpu"
    backend: Backend = "openvino"

    def __init__(self, graph_of: GraphOf, network: Network, precision: Literal["exact", "fast"]) -> None:
        self.precision: Precision = precision
        self.notes: list[str] = []
        self._graph_of, self._side_inputs = graph_of, network.side_inputs
        self._is_flat = network.dimensions == 2
        self._compiled: dict[tuple[Any, ...], openvino.InferRequest] = {}
        self._pace = Pace()
        self._given: list[Floats] = []

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """As ``backend.Predictor`` says; the array is OpenVINO's own memory."""
        k, j, i = patch.shape[1:]
        with _translated_errors():
            request = self._request((len(patch), k, j, i), blend)
            self._set_inputs(request, patch, side)
            request.start_async()
            self._pace.wait(lambda s: bool(request.wait_for(round(s * 1000))), lambda: _cancel(request), on_progress)
            request.wait()  # raises what went wrong
            found = request.get_output_tensor(0).data[0]
        return cast(Floats, found[None] if self._is_flat else found)

    def compile(self, shape_kji: tuple[int, int, int], blend: Blend | None) -> None:
        """Make the network ready for patches of that shape, as else the first call does; E407 when that cannot be."""
        channels = read_graph(self._graph_of(shape_kji)).input(0).partial_shape[1]
        if channels.is_dynamic:
            raise MedDLError("E407", "network does not say its number of channels")
        with _translated_errors():
            self._request((channels.get_length(), *shape_kji), blend)

    def _request(self, shape: tuple[int, int, int, int], blend: Blend | None) -> openvino.InferRequest:
        key = (shape, blend)
        request = self._compiled.pop(key, None) or self._made(shape, blend)
        self._compiled[key] = request
        for oldest in list(self._compiled)[:-MOST_COMPILED]:
            del self._compiled[oldest]
        return request

    def _made(self, shape: tuple[int, int, int, int], blend: Blend | None) -> openvino.InferRequest:
        from . import openvino_graph, openvino_narrow

        channels, k, j, i = shape
        model = read_graph(self._graph_of((k, j, i)))
        taken = (1, channels, j, i) if self._is_flat else (1, *shape)
        try:
            factors = openvino_graph.prepare(model, taken, blend, cast(Literal["exact", "fast"], self.precision))
            if has_wide_vectors():
                openvino_narrow.widen(model)
        except RuntimeError as exc:
            raise _not_taken(str(exc)) from exc
        hints = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "PERFORMANCE_HINT": "LATENCY",
            # Several workers of one machine would all be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        threads = {"INFERENCE_NUM_THREADS": thread_count()} if thread_count() else {}
        try:
            request = _core().compile_model(model, "CPU", hints | threads).create_infer_request()
            if factors is not None:
                request.set_input_tensor(len(model.inputs) - 1, import_openvino().Tensor(factors))
        except RuntimeError as exc:
            raise _meaning_of(
                str(exc), MedDLError("E407", "OpenVINO cannot run this network", detail=str(exc))
            ) from exc
        return cast("openvino.InferRequest", request)

    def _set_inputs(self, request: openvino.InferRequest, patch: Floats, side: Mapping[str, Floats]) -> None:
        from openvino import Tensor

        inputs = [patch[:, 0] if self._is_flat else patch, *(side[name] for name in self._side_inputs)]
        # OpenVINO takes no array that it could not write to, and an image's voxels are such.
        image, *others = (np.require(values, np.float32, ["C", "W"]) for values in inputs)
        given = [image[None], *others]
        self._given = given  # not copied, so nobody may let them go
        for number, values in enumerate(given):
            request.set_input_tensor(number, Tensor(values, shared_memory=True))


def import_openvino() -> Any:
    """The package ``openvino``, so imported that it tells nobody of it.

    Its telemetry would start a process that reports each import to a server, and leave an identification in the home
    folder, unless its user had opted out before; without that package OpenVINO does the same and tells nothing.
    """
    if "openvino" not in sys.modules:
        absent = object()
        before: Any = sys.modules.get(_TELEMETRY, absent)
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # Python's own way to say that there is none
        try:
            import openvino
        finally:
            del sys.modules[_TELEMETRY]
            if before is not absent:
                sys.modules[_TELEMETRY] = before
        return openvino
    return sys.modules["openvino"]


def read_graph(content: bytes) -> openvino.Model:
    """The graph of an ONNX file's bytes; E407 when OpenVINO does not know what is in it."""
    try:
        return cast("openvino.Model", _core().read_model(content))
    except RuntimeError as exc:
        raise MedDLError("E407", "OpenVINO cannot read this network", detail=str(exc)) from exc


@cache
def capabilities() -> frozenset[str]:
    """What the processor can do in OpenVINO's words, such as ``BF16``."""
    return frozenset(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


@cache
def _core() -> Any:
    return import_openvino().Core()


def _cancel(request: openvino.InferRequest) -> None:
    request.cancel()
    try:
        request.wait()
    except RuntimeError:  # says that it was cancelled, which is known
        return


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except MemoryError as exc:
        raise MedDLError("E502", "not enough memory", "", "choose a region") from exc
    except RuntimeError as exc:
        raise _meaning_of(str(exc), MedDLError("E504", "OpenVINO stopped working", detail=str(exc))) from exc


def _meaning_of(text: str, other: MedDLError) -> MedDLError:
    # "failed to map segment": a part of OpenVINO itself found no room when it was loaded.
    is_full = "alloc" in text.lower() and "memory" in text.lower()
    if is_full or "bad_alloc" in text or "failed to map segment" in text:
        return MedDLError("E502", "not enough memory", "", "choose a region", detail=text)
    return other


def _not_taken(text: str) -> MedDLError:
    refusal = MedDLError("E406", "network does not take this image", "sizes or channels do not fit", detail=text)
    return _meaning_of(text, refusal)

"""ONNX Runtime on the CPU: one graph, in float32."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import MedDLError
from ..job import Backend, Precision
from .backend import Floats, OnProgress
from .openvino_backend import GraphOf
from .polling import Pace
from .precision import thread_count
from .windows import weights

if TYPE_CHECKING:
    import onnxruntime

    from ..models.card import Blend, Network

_ERRORS_ALONE = 3


class OnnxPredictor:
    """An ONNX graph as ``backend.Predictor``.

    Raises
    ------
    MedDLError : E407 for a graph that ONNX Runtime cannot run, once it is given one.
    """

    device = "cpu"
    backend: Backend = "onnxruntime"
    precision: Precision = "exact"

    def __init__(self, graph_of: GraphOf, network: Network) -> None:
        self.notes: list[str] = []
        self._graph_of, self._side_inputs = graph_of, network.side_inputs
        self._is_flat = network.dimensions == 2
        self._session: tuple[bytes, onnxruntime.InferenceSession] | None = None
        self._pace = Pace()
        self._answer: Floats = np.empty(0, dtype=np.float32)

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """As ``backend.Predictor`` says."""
        k, j, i = patch.shape[1:]
        session = self._session_for(self._graph_of((k, j, i)))
        image = np.ascontiguousarray(patch[:, 0] if self._is_flat else patch, dtype=np.float32)[None]
        values = [image, *(np.ascontiguousarray(side[name], dtype=np.float32) for name in self._side_inputs)]
        names = [given.name for given in session.get_inputs()]
        found = np.moveaxis(_run(session, dict(zip(names, values, strict=True)), self._pace, on_progress)[0], 0, -1)
        found = found[None] if self._is_flat else found
        if self._answer.shape != found.shape:
            self._answer = np.empty(found.shape, dtype=np.float32)
        if blend is None:
            self._answer[...] = found
        else:
            np.multiply(found, weights((k, j, i), blend)[..., None], out=self._answer)
        return self._answer

    def compile(self, shape_kji: tuple[int, int, int], blend: Blend | None) -> None:  # noqa: ARG002 - as OpenVINO's
        """Open the graph for patches of that shape, as else the first call does; E407 when that cannot be."""
        self._session_for(self._graph_of(shape_kji))

    def _session_for(self, graph: bytes) -> onnxruntime.InferenceSession:
        if self._session is None or self._session[0] is not graph:
            self._session = (graph, _opened(graph))
        return self._session[1]


class _Running(threading.Thread):
    """One call of a session, in a thread: it answers to nothing until it ends."""

    def __init__(self, session: onnxruntime.InferenceSession, inputs: Mapping[str, Floats], options: Any) -> None:
        super().__init__(name="onnxruntime", daemon=True)
        self._session, self._inputs, self._options = session, inputs, options
        self.found: list[Any] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self.found = self._session.run(None, dict(self._inputs), self._options)
        except Exception as exc:  # noqa: BLE001 - of the library's own types, told where it was called from
            self.failure = exc

    def has_ended(self, within_s: float) -> bool:
        self.join(within_s)
        return not self.is_alive()


def _opened(graph: bytes) -> onnxruntime.InferenceSession:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    options.intra_op_num_threads = thread_count()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a core that waits is free for others
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise MedDLError("E407", "ONNX Runtime cannot run this network", detail=str(exc)) from exc


def _run(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, Floats], pace: Pace, on_progress: OnProgress
) -> Floats:
    import onnxruntime

    options = onnxruntime.RunOptions()
    running = _Running(session, inputs, options)
    running.start()

    def cancel() -> None:
        options.terminate = True
        running.join()

    pace.wait(running.has_ended, cancel, on_progress)
    if running.failure is not None:
        raise _meaning_of(str(running.failure)) from running.failure
    return cast(Floats, running.found[0])


def _meaning_of(text: str) -> MedDLError:
    if "bad_alloc" in text or "Failed to allocate" in text:
        return MedDLError("E502", "not enough memory", "", "choose a region", detail=text)
    return MedDLError("E406", "network does not take this image", "sizes or channels do not fit", detail=text)

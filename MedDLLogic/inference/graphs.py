"""Exported graphs in the cache folder: made once a model, known by what they were made from, checked when read."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..disk import disk_errors
from ..errors import MedDLError
from ..io.write import write_bytes, write_text
from ..models.card import Network
from ..records import canonical_sha256, parse_json, to_json_text
from ..storage import graphs_folder

EXPORTER = 1
"""To be raised when ``graph_export`` makes graphs in another way: then all are made anew."""

MAX_RECORD_BYTES = 1 << 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GraphKey:
    """What a graph was made from.

    Parameters
    ----------
    shape_kji : of the patches that it takes; None for any.
    """

    weights_sha256: str
    network: Network
    shape_kji: tuple[int, int, int] | None
    exporter: int = EXPORTER

    @property
    def path(self) -> Path:
        """Where its graph lies, if it was made."""
        return graphs_folder() / self.weights_sha256 / f"{canonical_sha256(self)[:32]}.onnx"


@dataclass(frozen=True)
class GraphRecord:
    """What lies beside a graph, or instead of one.

    Parameters
    ----------
    sha256, size_bytes : of the graph; empty and 0 where there is none.
    error : largest difference to torch's activations on a probe, as a share of their range.
    refused : why there is no graph.
    torch : version that refused; another one may not.
    """

    sha256: str = ""
    size_bytes: int = 0
    error: float = 0.0
    refused: str = ""
    torch: str = ""
    schema_version: Literal[1] = 1


def read_graph(key: GraphKey) -> bytes | None:
    """The graph, or None when it is not there or not what was written: then it is to be made."""
    record = _record(key)
    if record is None or not record.sha256:
        return None
    try:
        with key.path.open("rb") as file:
            content = file.read(record.size_bytes + 1)
    except OSError:  # its record came first, or somebody removed it
        return None
    if hashlib.sha256(content).hexdigest() != record.sha256:
        _log.warning("a graph in the cache is damaged and is made anew")
        return None
    return content


def refusal(key: GraphKey) -> str:
    """Why the network could not become a graph when that was tried with this torch; empty when it was not."""
    record = _record(key)
    return record.refused if record is not None and record.torch == _torch_version() else ""


def keep_graph(key: GraphKey, content: bytes, error: float) -> None:
    """Put a graph into the cache; a cache that cannot be written to costs a line in the log."""
    record = GraphRecord(hashlib.sha256(content).hexdigest(), len(content), error)
    _keep(key, record, content)


def keep_refusal(key: GraphKey, why: str) -> None:
    """Remember that the network cannot become a graph."""
    _keep(key, GraphRecord(refused=why, torch=_torch_version()), b"")


def _keep(key: GraphKey, record: GraphRecord, content: bytes) -> None:
    try:
        with disk_errors():
            key.path.parent.mkdir(parents=True, exist_ok=True)
        if content:
            write_bytes(key.path, content)
        write_text(_record_file(key), to_json_text(record))
    except MedDLError as exc:
        _log.warning("the network's graph is not kept for later runs (%s)", exc.code)


def _record(key: GraphKey) -> GraphRecord | None:
    try:
        with _record_file(key).open("rb") as file:
            return parse_json(GraphRecord, file.read(MAX_RECORD_BYTES))
    except (OSError, MedDLError):  # none, or none that can be read
        return None


def _record_file(key: GraphKey) -> Path:
    return key.path.with_suffix(".json")


def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""

"""A model of bioimage.io as a card: ``rdf.yaml`` in the layouts 0.4 and 0.5, with ONNX, TorchScript or plain weights.

What its description asks for and MedDL does not do is refused by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ...errors import MedDLError
from ..card import ANY, InputSpec, License, ModelCard, Network, NetworkStage, Tiling
from ..loaders import WRAPPERS, fill
from .bioimageio_steps import decode_of, recipe_of
from .bioimageio_tensors import Tensor, tensors_of
from .draft import PATCH_KJI, PATCH_OF_PLANE_KJI, segments_of, weights_of
from .foreign import Foreign
from .onnx_file import describe
from .tables import read_table
from .tensors import read_state, safetensors_bytes
from .tree import ModelTree
from .weights_file import network_named

FILE_NAMES = ("rdf.yaml", "bioimageio.yaml")
MOST_ALIASES = 64
MIN_OVERLAP, MAX_OVERLAP = 0.25, 0.75
_KINDS = ("onnx", "torchscript", "pytorch_state_dict")
_MONAI = "monai.networks.nets"


@dataclass(frozen=True)
class _Chosen:
    """Weights that MedDL can run, with the name for their file."""

    network: Network
    file_name: str
    content: bytes


class BioimageReader:
    """Knows models of bioimage.io."""

    format = "bioimage.io"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether there is a description with the name that bioimage.io gives it."""
        return bool(tree.called(*FILE_NAMES))

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The model as it is described.

        Raises
        ------
        MedDLError : E401 for a description that is not valid, E404 for weights that are not those it names, E405 where
            its network is Python code, E407 for what MedDL does not do, by its name.
        """
        path = tree.called(*FILE_NAMES)[0]
        files = tree.below(path.rpartition("/")[0])
        table = read_table(files, PurePosixPath(path).name, most_aliases=MOST_ALIASES)
        if table.get("type") != "model":
            raise MedDLError("E407", "bioimage.io description is of no model", str(table.get("type"))[:40])
        given, made = tensors_of(table)
        chosen = _chosen(files, table, 2 if len(given.shape) == 2 else 3)
        _require_same_channels(chosen, given, made)
        return _foreign(table, name, given, made, chosen)


def _foreign(table: Mapping[str, Any], name: str, given: Tensor, made: Tensor, chosen: _Chosen) -> Foreign:
    recipe, step_notes = recipe_of(given)
    decode, classes, decode_notes = decode_of(made)
    ids = [channel for channel in decode.channels if channel]
    roles = ["image"] if given.channels == 1 else [f"image-{n + 1}" for n in range(given.channels)]
    stage = NetworkStage(
        name="network", inputs=tuple(roles), recipe=recipe, network=chosen.network,
        weights=weights_of(chosen.file_name, chosen.content), decode=decode, tiling=_tiling(given, made),
    )  # fmt: skip
    card = ModelCard(
        name=name,
        version=_text(table.get("version"), "1"),
        title=_text(table.get("name"), name),
        description=_text(table.get("description"), "A model of bioimage.io."),
        task="segment",
        anatomy=(),
        inputs=tuple(InputSpec(role, ANY, given.channel_name(n), in_patient=False) for n, role in enumerate(roles)),
        stages=(stage,),
        segments=segments_of(ids, classes, each_its_layer=decode.rule == "threshold"),
        license=License(_text(table.get("license"), "NOASSERTION"), "the model, says its description"),
        citation=_citations(table.get("cite")),
        intended_use="Not stated beyond its description. Research use only.",
        limits=("Never tried on an image by MedDL.",),
    )
    axes = "The axes of an image are taken as its file stores them, and its spacing as it is. Edit recipe."
    return Foreign(card, {chosen.file_name: chosen.content}, (*_trust(chosen, name), axes, *step_notes, *decode_notes))


def _trust(chosen: _Chosen, name: str) -> tuple[str, ...]:
    is_program = chosen.network.format == "torchscript"
    return (f"It is a program, and runs only after: meddl models trust {name}",) if is_program else ()


def _chosen(files: ModelTree, table: Mapping[str, Any], dimensions: int) -> _Chosen:
    """The first kind of weights that MedDL can run; when there is none, why."""
    offered = table.get("weights")
    if not isinstance(offered, dict) or not offered:
        raise MedDLError("E401", "bioimage.io description", "it names no weights")
    refusals = []
    for kind in _KINDS:
        entry = offered.get(kind)
        if isinstance(entry, dict):
            try:
                return _weights(files, kind, entry, dimensions)
            except MedDLError as exc:
                refusals.append(exc)
    if refusals:
        raise refusals[0]
    raise MedDLError(
        "E407", "kind of weights", ", ".join(map(str, offered))[:80], f"one of {', '.join(_KINDS)} is needed"
    )


def _weights(files: ModelTree, kind: str, entry: Mapping[str, Any], dimensions: int) -> _Chosen:
    content = _verified(files, entry)
    if kind == "onnx":
        return _Chosen(Network("onnx", dimensions=2 if dimensions == 2 else 3), "network.onnx", content)
    if kind == "torchscript":
        return _Chosen(Network("torchscript", dimensions=2 if dimensions == 2 else 3), "network.ts", content)
    network = _network(entry)
    state = read_state(content, *WRAPPERS)
    fill(network, state)
    return _Chosen(
        replace(network, dimensions=2 if dimensions == 2 else 3), "weights.safetensors", safetensors_bytes(state)
    )


def _verified(files: ModelTree, entry: Mapping[str, Any]) -> bytes:
    source = _text(entry.get("source"), "")
    if "://" in source:
        raise MedDLError("E403", "weights lie elsewhere", "at an address", "download the model with its weights")
    content = files.content(str(PurePosixPath(source)))
    sha256 = entry.get("sha256")
    if sha256 is not None and sha256 != hashlib.sha256(content).hexdigest():
        raise MedDLError("E404", "weights differ from the description", PurePosixPath(source).name[:40])
    return content


def _network(entry: Mapping[str, Any]) -> Network:
    """A network of MONAI's by name; 0.4 writes it in one text, 0.5 in two."""
    architecture = entry.get("architecture")
    if isinstance(architecture, dict):
        module, called = _text(architecture.get("import_from"), ""), _text(architecture.get("callable"), "")
        arguments = architecture.get("kwargs") or {}
    else:
        module, _, called = _text(architecture, "").rpartition(".")
        arguments = entry.get("kwargs") or {}
    if module != _MONAI or not isinstance(arguments, dict):
        raise MedDLError("E405", "its network is Python code", called[-40:], "export it to ONNX")
    return network_named(f"monai.{called}", arguments)


def _require_same_channels(chosen: _Chosen, given: Tensor, made: Tensor) -> None:
    if chosen.network.format != "onnx":
        return
    graph = describe(chosen.content)
    said, found = (given.channels, made.channels), (graph.channels_in, graph.channels_out)
    if said != found or len(given.shape) != len(graph.shape):
        raise MedDLError("E406", "network and description differ", f"channels in, out {found}, described {said}")


def _tiling(given: Tensor, made: Tensor) -> Tiling:
    wanted = (PATCH_OF_PLANE_KJI if len(given.shape) == 2 else PATCH_KJI)[-len(given.shape) :]
    patch = [size.near(target) for size, target in zip(given.shape, wanted, strict=True)]
    share = max((2 * halo / size for halo, size in zip(made.halo, patch, strict=True)), default=0.0)
    k, j, i = [1, *patch][-3:]
    return Tiling((k, j, i), overlap=min(max(MIN_OVERLAP, share), MAX_OVERLAP))


def _citations(cited: Any) -> tuple[str, ...]:
    entries: Sequence[Any] = cited if isinstance(cited, list) else []
    said = [
        [_text(entry.get(key), "") for key in ("text", "doi", "url")] for entry in entries if isinstance(entry, dict)
    ]
    return tuple(" ".join(part for part in parts if part) for parts in said)


def _text(value: Any, default: str) -> str:
    """The value as one line of text, the default where it is none."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return default
    return " ".join(str(value).split())[:1000] or default


READER = BioimageReader()

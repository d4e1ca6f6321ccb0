"""A model taken out of MedDL: its card with the weights as safetensors, in a folder or a zip, for another MedDL."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..disk import disk_errors, flush
from ..errors import MedDLError
from ..io.write import PARTIAL_PREFIX, sweep_partials, write_bytes
from ..records import to_json_text
from ..scratch import ScratchFolder
from .card import LocalFile, ModelCard, NetworkStage, Weights
from .loaders import WRAPPERS, read_verified
from .registry import FoundCard
from .store import weights_path

Files = Mapping[str, bytes]

LICENSE_NAME = "LICENSE.txt"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that an archive can say: the same model gives the same bytes."""

_NAMES = {"onnx": "network.onnx", "torchscript": "network.ts"}


def card_files(found: FoundCard) -> Files:
    """The card as it is to be added elsewhere, with its files: name in the export -> content.

    Weights of another format than safetensors become that; programs and graphs stay as they are.

    Raises
    ------
    MedDLError : E101 for a card that runs other cards, E403 for weights that are not here, E404 for damaged ones.
    """
    if found.card.used_cards:
        why = f"it runs {', '.join(found.card.used_cards)}"[:80]
        raise MedDLError("E101", "a chain of models is not exported as one", why, "export these by name")
    files: dict[str, bytes] = {}
    stages = tuple(_exported(found, stage, files) for stage in found.card.network_stages)
    card = replace(found.card, stages=stages)
    return {f"{card.name}.json": (to_json_text(card) + "\n").encode(), **files, **_license_of(found)}


def write_export(files: Files, target: Path) -> None:
    """The files as a new folder, or as a zip where the target ends so; whole, or not there.

    Raises
    ------
    MedDLError : E101 when the target is there, E501, E503, E505 from writing.
    """
    if target.exists() or target.is_symlink():
        raise MedDLError("E101", "export not written", "something of that name is there", "choose another name")
    with disk_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
    sweep_partials(target.parent)
    if target.suffix.lower() == ".zip":
        write_bytes(target, _zipped(files))
        return
    with disk_errors(), ScratchFolder(target.parent, PARTIAL_PREFIX) as working:
        whole = working / target.name
        for name, content in files.items():
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
        whole.rename(target)
        flush(target.parent)


def weights_content(found: FoundCard, weights: Weights) -> bytes:
    """The file's bytes, with the SHA-256 that the card names; E403, E404."""
    return read_verified(weights_path(found, weights), weights, found.card.name)


def _exported(found: FoundCard, stage: NetworkStage, files: dict[str, bytes]) -> NetworkStage:
    """The stage as the exported card has it; its files are added to those of the stages before."""
    moved = [_moved(found.card, stage, weights, weights_content(found, weights), files) for weights in stage.members]
    is_table = stage.network.format == "state_dict"
    network = replace(stage.network, format="safetensors") if is_table else stage.network
    return replace(stage, network=network, weights=moved[0], ensemble=tuple(moved[1:]))


def _moved(card: ModelCard, stage: NetworkStage, weights: Weights, content: bytes, files: dict[str, bytes]) -> Weights:
    if stage.network.format == "state_dict":
        content = _as_safetensors(content)
    path = f"{card.name}/{_file_name(stage, weights)}"
    if path in files and files[path] != content:
        stem, dot, ending = path.rpartition(".")
        path = f"{stem}-{len(files) + 1}{dot}{ending}"
    files[path] = content
    return Weights(LocalFile(path), hashlib.sha256(content).hexdigest(), len(content))


def _file_name(stage: NetworkStage, weights: Weights) -> str:
    """A name of the user's own is kept, so that a model comes back as it went."""
    source = weights.source
    if isinstance(source, LocalFile) and stage.network.format != "state_dict":
        return PurePosixPath(source.path).name
    return _NAMES.get(stage.network.format, "weights.safetensors")


def _as_safetensors(content: bytes) -> bytes:
    from .imports.tensors import read_state, safetensors_bytes

    return safetensors_bytes(read_state(content, *WRAPPERS))


def _license_of(found: FoundCard) -> Files:
    """The license texts that came with downloaded weights, which have to go where these go."""
    texts = []
    for stage in found.card.network_stages:
        for weights in stage.members:
            path = weights_path(found, weights).with_name(LICENSE_NAME)
            if not isinstance(weights.source, LocalFile) and path.is_file():
                texts.append(path.read_bytes())
    return {f"{found.card.name}/{LICENSE_NAME}": b"\n\n".join(dict.fromkeys(texts))} if texts else {}


def _zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
    return buffer.getvalue()

"""Any model a user has, read as data: the readers of all formats, asked one after the other."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import MedDLError
from ..card import ModelCard, Origin, require_card_name
from ..content import in_words
from .foreign import Foreign, Reader
from .tree import Fingerprint, ModelTree, open_tree

# Those that say most of a model come first. Each module has its reader as READER and is imported when it is asked.
READERS = ("card_files", "nnunet", "auto3dseg", "monai_bundle", "bioimageio", "onnx_file", "torchscript_file")

_MAX_NAME = 60


def import_model(
    source: str | Path,
    name: str = "",
    *,
    network: str = "",
    parameters: Mapping[str, Any] | None = None,
    url: str = "",
) -> Foreign:
    """The model in a file, a zip archive or a folder, as a card with its files; nothing in it is run.

    Parameters
    ----------
    name : of the card; without it that of the file or folder.
    network, parameters : for weights alone, the network that they fill and what it is made with, as JSON values.
    url : where the file was fetched, for the card's record.

    Raises
    ------
    MedDLError : E403 nothing there, E407 no reader knows it (what it is, is named), E408 not safe to read, and
        whatever the reader of its format refuses.
    """
    tree = open_tree(Path(source))
    read = Fingerprint()
    watched = tree.watched(read.add)
    if network:
        from .weights_file import FORMAT, network_named, read_weights

        foreign = read_weights(watched, name or name_from(tree.title), network_named(network, parameters or {}))
        return _with_origin(foreign, FORMAT, read, url)
    reader = _reader_of(tree)
    foreign = reader.read(watched, _name(name, reader, tree))
    return foreign if reader.format == "card" else _with_origin(foreign, reader.format, read, url)


def name_from(text: str) -> str:
    """A card's name made of any text: lower-case letters, digits and ``-``."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in kept.split("-") if part)[:_MAX_NAME].strip("-") or "model"


def _name(name: str, reader: Reader, tree: ModelTree) -> str:
    if name:
        return require_card_name(name)
    if reader.format != "card":
        return name_from(tree.title)
    from .card_files import name_in

    return name_in(tree)


def _reader_of(tree: ModelTree) -> Reader:
    if not tree.names:
        raise MedDLError("E407", "no model here", "the folder is empty")
    for reader in _readers():
        if reader.recognizes(tree):
            return reader
    from .weights_file import found_weights

    raise found_weights(tree) or MedDLError(
        "E407", "model format not known", _in_words(tree), "see: meddl models add -h"
    )


def _readers() -> Iterator[Reader]:
    for module in READERS:
        yield importlib.import_module(f".{module}", __package__).READER


def _in_words(tree: ModelTree) -> str:
    """What lies there: the kind of the one file, else how many files of which endings."""
    if len(tree.names) == 1:
        return f"found a file that is {in_words(tree.content(tree.names[0]))}"
    endings = Counter(PurePosixPath(name).suffix.lower()[:10] or "no ending" for name in tree.names)
    return "found files: " + ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))


def _with_origin(foreign: Foreign, format_name: str, read: Fingerprint, url: str) -> Foreign:
    known: ModelCard = foreign.card
    origin = Origin(format_name, read.sha256(), url)
    return replace(foreign, card=replace(known, origin=known.origin or origin))

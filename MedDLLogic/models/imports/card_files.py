"""A card that MedDL wrote, with its files: what ``meddl models export`` makes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ...errors import MedDLError
from ...records import parse_json
from ..card import LocalFile, ModelCard, Weights
from ..registry import MAX_CARD_BYTES
from .foreign import Foreign
from .tree import ModelTree

_MARKS = (b'"schema_version"', b'"stages"', b'"segments"')


class CardReader:
    """Knows cards."""

    format = "card"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether one JSON file lies at the top and has a card's keys."""
        files = tree.unwrapped()
        name = _card_name(files)
        return bool(name) and all(mark in files.content(name, MAX_CARD_BYTES) for mark in _MARKS)

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The card as it is, under another name where one is wanted, and the files it names beside it.

        Raises
        ------
        MedDLError : E401 for a card that is not valid, E403, E404 for a file that is not there or not what it names.
        """
        inside = tree.unwrapped()
        card = _card(inside)
        files = {}
        for weights in (weights for stage in card.network_stages for weights in stage.members):
            if isinstance(weights.source, LocalFile):
                files[weights.source.path] = _content(inside, weights, weights.source.path)
        return Foreign(replace(card, name=name), files)


def name_in(tree: ModelTree) -> str:
    """The name that the card itself has; E401 when it is not valid."""
    return _card(tree.unwrapped()).name


def _card(tree: ModelTree) -> ModelCard:
    return parse_json(ModelCard, tree.content(_card_name(tree), MAX_CARD_BYTES), code="E401")


def _card_name(tree: ModelTree) -> str:
    found = [name for name in tree.names if name.lower().endswith(".json") and "/" not in name]
    return found[0] if len(found) == 1 else ""


def _content(tree: ModelTree, weights: Weights, path: str) -> bytes:
    if path not in tree.names:
        short = path.rpartition("/")[2][:40]
        raise MedDLError("E403", "file of the model not there", short, "add the folder that holds card and weights")
    content = tree.content(path, weights.size_bytes)
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise MedDLError("E404", "weights differ from the card", path.rpartition("/")[2][:40])
    return content


READER = CardReader()

"""What a reader of another tool's models gives: a card, and the files that the card names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..card import ModelCard
from .tree import ModelTree


@dataclass(frozen=True)
class Foreign:
    """A model of another tool, read as data.

    Parameters
    ----------
    card : its weights are ``LocalFile`` beside the card, named as in ``files``.
    files : file name -> content.
    notes : what the card cannot say of the model or had to assume, one sentence each, for the user to read.
    """

    card: ModelCard
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """Knows one format."""

    format: str

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether the files are of this format, by their names and first bytes alone."""

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The model, to be called ``name``; E401, E405, E406, E407, E408 for what cannot be taken, by its name."""

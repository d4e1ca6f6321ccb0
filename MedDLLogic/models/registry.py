"""Which cards there are: those that ship in Resources, and the user's own in a folder or by path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import MedDLError
from ..records import canonical_sha256, parse_json
from ..resources import resource_path
from ..storage import models_folder
from .card import ModelCard

MAX_CARD_BYTES = 4_000_000


@dataclass(frozen=True)
class FoundCard:
    """A card, where it lies, and whether it ships with MedDL."""

    card: ModelCard
    folder: Path
    is_shipped: bool

    @property
    def sha256(self) -> str:
        """SHA-256 of the card's canonical JSON and, in order, that of each card it runs."""
        whole = [canonical_sha256(found.card) for found in with_used_cards(self)]
        return whole[0] if len(whole) == 1 else canonical_sha256(whole)


def list_cards() -> tuple[FoundCard, ...]:
    """All cards by name, shipped ones first; E401 names a user's card that is not valid."""
    shipped = [read_card(path, is_shipped=True) for path in sorted(resource_path("Models").glob("*.json"))]
    own = [read_card(path) for path in sorted(models_folder().glob("*.json"))]
    _require_no_shadowing(shipped, own)
    return (*shipped, *own)


def find_card(name_or_path: str) -> FoundCard:
    """The card of that name, or in that ``.json`` file; E403 when there is none."""
    if name_or_path.endswith(".json"):
        return read_card(Path(name_or_path))
    for found in list_cards():
        if found.card.name == name_or_path:
            return found
    raise MedDLError("E403", "no model of this name", name_or_path[:40], "see: meddl models list")


def with_used_cards(found: FoundCard) -> Iterator[FoundCard]:
    """The card and every card that its stages run, each once, users first; E401 for a circle."""
    seen: dict[str, FoundCard] = {}
    waiting: list[tuple[FoundCard, tuple[str, ...]]] = [(found, ())]
    while waiting:
        current, above = waiting.pop(0)
        if current.card.name in above:
            raise MedDLError("E401", "cards run each other in a circle", current.card.name)
        seen.setdefault(current.card.name, current)
        waiting.extend((used_card(current, name), (*above, current.card.name)) for name in current.card.used_cards)
    yield from seen.values()


def used_card(found: FoundCard, name: str) -> FoundCard:
    """The card ``name`` as ``found`` means it: beside it when there, else by name."""
    beside = found.folder / f"{name}.json"
    return read_card(beside, is_shipped=found.is_shipped) if beside.is_file() else find_card(name)


def read_card(path: Path, *, is_shipped: bool = False) -> FoundCard:
    """The card in a JSON file; E403 when there is no such file, E401 when it is not valid."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CARD_BYTES + 1)
    except OSError as exc:
        raise MedDLError("E403", "model card not readable", type(exc).__name__) from exc
    if len(text) > MAX_CARD_BYTES:
        raise MedDLError("E401", "model card too large", f"over {MAX_CARD_BYTES} bytes")
    card = parse_json(ModelCard, text, code="E401")
    return FoundCard(card, path.resolve().parent, is_shipped)


def _require_no_shadowing(shipped: list[FoundCard], own: list[FoundCard]) -> None:
    names = [found.card.name for found in (*shipped, *own)]
    for name in names:
        if names.count(name) > 1:
            raise MedDLError("E401", "two cards of one name", name, "rename your own card")

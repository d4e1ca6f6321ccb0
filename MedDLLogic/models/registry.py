"""Which cards there are: those that ship in Resources, and the user's own in a folder or by path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..errors import MedDLError
from ..records import canonical_sha256, parse_json
from ..resources import resource_path
from ..storage import models_folder
from .card import ModelCard, require_card_name

MAX_CARD_BYTES = 4_000_000
MAX_CARDS_DEEP = 16


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


def list_cards(on_broken: Callable[[MedDLError], None] | None = None) -> tuple[FoundCard, ...]:
    """All cards by name, shipped ones first.

    Parameters
    ----------
    on_broken : told of each card of the user's that is not valid or named like a shipped one, and
        left out; without it such a card is an error.

    Raises
    ------
    MedDLError : E401 as said.
    """
    shipped = [_named_card(path, is_shipped=True) for path in sorted(resource_path("Models").glob("*.json"))]
    names = {found.card.name for found in shipped}
    own = []
    for path in sorted(models_folder().glob("*.json")):
        try:
            own.append(_own_card(path, names))
        except MedDLError as exc:
            if on_broken is None:
                raise
            on_broken(exc)
    return (*shipped, *own)


def find_card(name_or_path: str) -> FoundCard:
    """The card of that name, shipped ones first, or in that ``.json`` file; E403 when there is none."""
    if name_or_path.lower().endswith(".json"):
        return read_card(Path(name_or_path))
    if Path(name_or_path).name == name_or_path:
        for folder, is_shipped in ((resource_path("Models"), True), (models_folder(), False)):
            path = folder / f"{name_or_path}.json"
            if path.is_file():
                return _named_card(path, is_shipped=is_shipped)
    names = [path.stem for folder in (resource_path("Models"), models_folder()) for path in folder.glob("*.json")]
    close = get_close_matches(name_or_path, names, n=1)
    hint = f"did you mean {close[0]}?" if close else "see: meddl models list"
    raise MedDLError("E403", "no model of this name", Path(name_or_path).name[:40], hint)


def with_used_cards(found: FoundCard) -> Iterator[FoundCard]:
    """The card and every card that its stages run, each once, users first; E401 for a circle."""
    seen: dict[tuple[Path, str], FoundCard] = {}
    _collect(found, (), seen)
    yield from seen.values()


def used_card(found: FoundCard, name: str) -> FoundCard:
    """The card ``name`` as ``found`` means it: beside it when there, else by name."""
    beside = found.folder / f"{require_card_name(name)}.json"
    return _named_card(beside, is_shipped=found.is_shipped) if beside.is_file() else find_card(name)


def read_card(path: Path, *, is_shipped: bool = False) -> FoundCard:
    """The card in a JSON file; E403 when there is no such file, E401 when it is not valid."""
    if not path.is_file():  # a pipe or device may never end
        raise MedDLError("E403", "model card not readable", "no such file")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CARD_BYTES + 1)
    except OSError as exc:
        raise MedDLError("E403", "model card not readable", type(exc).__name__) from exc
    if len(text) > MAX_CARD_BYTES:
        raise MedDLError("E401", "model card too large", f"over {MAX_CARD_BYTES} bytes")
    card = parse_json(ModelCard, text, code="E401")
    return FoundCard(card, path.resolve().parent, is_shipped)


def _named_card(path: Path, *, is_shipped: bool) -> FoundCard:
    """The card in a file of a folder of cards; E401 unless it is called like the file, so that a name finds it."""
    found = read_card(path, is_shipped=is_shipped)
    if found.card.name != path.stem:
        raise MedDLError("E401", "card is not named like its file", path.stem[:40])
    return found


def _own_card(path: Path, shipped_names: set[str]) -> FoundCard:
    try:
        found = _named_card(path, is_shipped=False)
    except MedDLError as exc:
        raise MedDLError(exc.code, f"your model card {path.stem[:40]}", exc.why or exc.what, exc.hint) from exc
    if found.card.name in shipped_names:
        raise MedDLError("E401", "two cards of one name", found.card.name, "rename your own card")
    return found


def _collect(found: FoundCard, above: tuple[str, ...], seen: dict[tuple[Path, str], FoundCard]) -> None:
    """Each card is entered once, so a card cannot make this long by running others many times over."""
    if found.card.name in above:
        raise MedDLError("E401", "cards run each other in a circle", found.card.name)
    if len(above) >= MAX_CARDS_DEEP:
        raise MedDLError("E401", "cards run each other too deeply", found.card.name)
    key = (found.folder, found.card.name)
    if key in seen:
        return
    seen[key] = found
    for name in dict.fromkeys(found.card.used_cards):
        _collect(used_card(found, name), (*above, found.card.name), seen)

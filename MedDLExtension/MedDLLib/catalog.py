"""The models there are, as the panel needs them: read from disk when a card changed, and not at every click."""

from __future__ import annotations

from pathlib import Path

from MedDLLogic.errors import MedDLError
from MedDLLogic.job import Computing
from MedDLLogic.models.card import LocalFile
from MedDLLogic.models.registry import FoundCard, list_cards, with_used_cards
from MedDLLogic.models.store import download_bytes, missing_weights
from MedDLLogic.resources import resource_path
from MedDLLogic.storage import models_folder
from MedDLLogic.tasks.history import LOAD, WRITE, recall
from MedDLLogic.tasks.plan import can_mirror, quality_has_effect

from .models_presenter import Listed, Needs

Stamp = tuple[tuple[Path, int, int], ...]


class Catalog:
    """Every card that can be used, and a line for each that cannot.

    listed, broken : as ``refresh`` found them last.
    """

    def __init__(self) -> None:
        self.listed: tuple[Listed, ...] = ()
        self.broken: tuple[str, ...] = ()
        self._found: dict[str, FoundCard] = {}
        self._needs: dict[str, Needs] = {}
        self._stamp: Stamp | None = None

    def refresh(self) -> None:
        """Read the cards, if one came, went or changed since.

        Raises
        ------
        MedDLError : E401 for a card that ships with MedDL and is not valid.
        """
        stamp = _stamp()
        if stamp == self._stamp:
            return
        broken: list[MedDLError] = []
        found = {item.card.name: item for item in list_cards(broken.append)}
        models: list[Listed] = []
        for item in found.values():
            try:
                parts = tuple(part.card for part in with_used_cards(item))
                models.append(Listed(item.card, parts, quality_has_effect(item), can_mirror(item)))
            except MedDLError as error:
                broken.append(MedDLError(error.code, f"your model card {item.card.name[:40]}", error.why or error.what))
        self.listed, self._found, self._stamp = tuple(models), found, stamp
        self.broken = tuple(map(str, broken))
        self.renew()

    def find(self, name: str) -> FoundCard | None:
        """The card of that name, None where there is none that can be used."""
        return self._found.get(name)

    def listed_as(self, name: str) -> Listed | None:
        """The same as the panel lists it."""
        return next((model for model in self.listed if model.card.name == name), None)

    def renew(self) -> None:
        """Weights came or went, or a run ended: what models need is looked up anew when it is asked for."""
        self._needs.clear()

    def needs(self, name: str) -> Needs:
        """What that model asks for, as it was when it was looked up last."""
        found = self._found.get(name)
        if found is None:
            return Needs()
        if name not in self._needs:
            self._needs[name] = _needs_of(found)
        return self._needs[name]


def _needs_of(found: FoundCard) -> Needs:
    missing = missing_weights(found)
    lost = {weights.sha256 for weights in missing if isinstance(weights.source, LocalFile)}
    parts = [part.card for part in with_used_cards(found)]
    names = [p.name for p in parts if any(stage.weights.sha256 in lost for stage in p.network_stages)]
    return Needs(download_bytes(missing), tuple(names), _took_s(found))


def _took_s(found: FoundCard) -> float | None:
    """How long the last run took from image to result, everything loaded."""
    past = recall(found.sha256, Computing())
    if not past:
        return None
    stages = [times for name, times in past[-1].stages.items() if name != WRITE]
    return sum(seconds for times in stages for part, seconds in times.parts.items() if part != LOAD)


def _stamp() -> Stamp:
    """Path, time of change and size of each card's file."""
    paths = [path for folder in (resource_path("Models"), models_folder()) for path in sorted(folder.glob("*.json"))]
    facts = [(path, path.stat()) for path in paths]
    return tuple((path, fact.st_mtime_ns, fact.st_size) for path, fact in facts)

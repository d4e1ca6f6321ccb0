"""Networks that stay loaded from one run of a process to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models.card import NetworkStage
from ..models.registry import FoundCard
from ..models.store import is_trusted, weights_file
from ..records import canonical_sha256

if TYPE_CHECKING:
    from .torch_backend import TorchPredictor

MOST_NETWORKS = 4
"""How many a process keeps that does one job after the other."""

_Key = tuple[str, str, str]


class Networks:
    """Loads networks and keeps the ``most`` of them that were used last, each ready on its device.

    To be used by one thread. What is kept is what the weights' SHA-256 and the card's words on the network say,
    so a network serves every card that names the same.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._kept: dict[_Key, TorchPredictor] = {}

    def ready(self, found: FoundCard, stage: NetworkStage, device: str) -> TorchPredictor:
        """The stage's network on the device, loaded now or kept from before.

        Raises
        ------
        MedDLError : E403 when weights are not here, what loading raises, E502 and E504 from the device.
        """
        key = (stage.weights.sha256, canonical_sha256(stage.network), device)
        predictor = self._kept.pop(key, None) or _load(found, stage, device)
        self._kept[key] = predictor
        for oldest in list(self._kept)[: max(0, len(self._kept) - self._most)]:
            del self._kept[oldest]
        return predictor

    def rest(self) -> None:
        """Give back the memory that the last run took beside the networks: other programs draw with it."""
        if self._kept:
            from .torch_backend import give_back_memory

            give_back_memory()

    def drop(self) -> int:
        """Let all networks go, with their memory; returns how many went."""
        count = len(self._kept)
        self._kept.clear()
        if count:
            from .torch_backend import give_back_memory

            give_back_memory()
        return count


def _load(found: FoundCard, stage: NetworkStage, device: str) -> TorchPredictor:
    from ..models.loaders import load_network
    from .torch_backend import TorchPredictor

    path = weights_file(found, stage)
    trusted = is_trusted(found, stage.weights.sha256)
    return TorchPredictor(load_network(stage, path, model=found.card.name, is_trusted=trusted), stage.network, device)

"""Networks that stay loaded from one run of a process to the next."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from ..models.card import NetworkStage, Tiling
from ..models.registry import FoundCard
from ..records import canonical_sha256
from .backend import Predictor
from .precision import Choice, resolve

if TYPE_CHECKING:
    from .device_predictor import DevicePredictor

MOST_NETWORKS = 4
"""How many a process keeps that does one job after the other."""

_log = logging.getLogger(__name__)
_Key = tuple[Any, ...]


class Networks:
    """Loads networks and keeps the ``most`` of them that were used last, each ready on its device.

    To be used by one thread. What is kept is what the weights' SHA-256, the card's words on the network and the way
    of computing say, so a network serves every card that names the same. An ensemble counts as one.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._kept: dict[_Key, Predictor] = {}
        self._notes: dict[_Key, tuple[str, ...]] = {}

    def ready(
        self,
        found: FoundCard,
        stage: NetworkStage,
        device: str,
        choice: Choice | None = None,
        tiling: Tiling | None = None,
        *,
        on_note: Callable[[str], None] = _log.warning,
    ) -> Predictor:
        """The stage's network, ensemble or mirrored network on the device, loaded now or kept from before.

        Parameters
        ----------
        tiling : how volumes will be cut: graphs are made for its patch. Without one torch computes on the CPU too, for
            what goes through the network then are not volumes.
        on_note : told, each time, what is not done as planned and why.

        Raises
        ------
        MedDLError : E403 when weights are not here, what loading raises, E502 and E504 from the device.
        """
        asked = choice or Choice()
        way = resolve(asked, found, stage, device)
        if tiling is None and device == "cpu" and stage.network.format != "onnx":
            if asked.precision == "fast":
                on_note("computed in float32: not what a volume goes through")
            way = "torch", "exact" if way[1] == "fast" else way[1]
        members = stage.members[: asked.members or None]
        axes = tiling.mirror_axes if tiling is not None and asked.mirroring else ()
        patch = tiling.patch_kji if tiling is not None else None
        weights = tuple(member.sha256 for member in members)
        key = (weights, canonical_sha256(stage.network), device, way, asked.backend, patch, axes, asked.with_variance)
        predictor = self._kept.pop(key, None)
        if predictor is None:
            from .loading import load_predictor

            single_stages = [replace(stage, weights=own, ensemble=()) for own in members]
            is_free = asked.backend == "auto"
            singles = [load_predictor(found, one, device, way, tiling, is_free=is_free) for one in single_stages]
            self._notes[key] = tuple(dict.fromkeys(note for single in singles for note in _notes_of(single)))
            predictor = _averaged(singles, axes, stage, with_variance=asked.with_variance)
        self._kept[key] = predictor
        for note in self._notes[key]:
            on_note(note)
        for oldest in list(self._kept)[: max(0, len(self._kept) - self._most)]:
            del self._kept[oldest], self._notes[oldest]
        return predictor

    def rest(self) -> None:
        """Give back the memory that the last run took beside the networks: other programs draw with it."""
        for predictor in self._kept.values():
            if hasattr(predictor, "rest"):
                predictor.rest()
        if self._kept:
            _give_back_memory()

    def drop(self) -> int:
        """Let all networks go, with their memory; returns how many went."""
        count = len(self._kept)
        self._kept.clear()
        self._notes.clear()
        if count:
            _give_back_memory()
        return count


def _averaged(
    singles: list[Predictor], axes: tuple[str, ...], stage: NetworkStage, *, with_variance: bool
) -> Predictor:
    if len(singles) == 1 and not axes and not with_variance:
        return singles[0]
    activation: Literal["softmax", "sigmoid"] = "sigmoid" if stage.decode.rule == "threshold" else "softmax"
    if all(hasattr(single, "forward") for single in singles):  # they compute with tensors of a device
        from .device_averaged import DeviceAveraged

        on_device = cast(list["DevicePredictor"], singles)
        return DeviceAveraged(on_device, axes, with_variance=with_variance, activation=activation)
    from .averaged import Averaged

    return Averaged(singles, axes, with_variance=with_variance, activation=activation)


def _notes_of(predictor: Predictor) -> list[str]:
    return cast(list[str], getattr(predictor, "notes", []))


def _give_back_memory() -> None:
    if "torch" in sys.modules:  # networks on other engines hold none of its memory, and it takes seconds to import
        from .torch_backend import give_back_memory

        give_back_memory()

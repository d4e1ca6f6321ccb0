"""What happens when somebody presses Apply, or a script asks for the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Emit, Event, Failed, Finished
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.registry import find_card, list_cards, with_used_cards
from MedDLLogic.models.store import download_bytes, missing_weights

from .blocking import run_to_end
from .launch import Launch, launch_in_slicer
from .presenter import Needs
from .run import Outcome, SceneRun


class Backstage:
    """Runs models on volumes of a scene, in a worker process."""

    def cards(self) -> tuple[ModelCard, ...]:
        """The models there are; a card of the user's own that is not valid is told in the log and left out."""
        return tuple(found.card for found in list_cards(_log))

    def needs(self, card: ModelCard) -> Needs:
        """What a first run of the model downloads, and the terms of the model and all models it runs."""
        found = find_card(card.name)
        licenses = dict.fromkeys(part.card.license.expression for part in with_used_cards(found))
        return Needs(download_bytes(missing_weights(found)), tuple(licenses))

    def prepare(self, inputs: Mapping[str, Any], card: ModelCard, device: str) -> SceneRun:
        """Hand the volumes over; see ``SceneRun`` for the errors."""
        keep_in = Path(slicer.app.defaultScenePath)
        return SceneRun(slicer.mrmlScene, inputs, find_card(card.name), keep_in=keep_in, device=device)

    def fetch_launch(self, card: ModelCard) -> Launch:
        """The command that downloads the model; whoever starts it has the user's yes."""
        return launch_in_slicer("MedDLLib.fetch", "model", card.name)

    def run_launch(self, run: SceneRun) -> Launch:
        """The command that carries out a run."""
        return launch_in_slicer("MedDLLogic.jobs.worker", str(run.folder))

    def segment(
        self, volumes: Any, model: str, *, device: str = "auto", on_event: Emit = lambda event: None
    ) -> Outcome:
        """Run a model on volume nodes and wait until its result is in the scene.

        Parameters
        ----------
        volumes : a volume node, or role of the card -> volume node.

        Raises
        ------
        MedDLError : whatever the run refuses or fails with.
        """
        card = find_card(model).card
        run = self.prepare(_by_role(volumes, card), card, device)
        try:
            _require_finished(run_to_end(self.run_launch(run), on_event))
            return run.collect()
        finally:
            run.discard()


def _log(error: MedDLError) -> None:
    logging.getLogger(__name__).warning("%s", error)


def _require_finished(ending: Event) -> None:
    if isinstance(ending, Failed):
        raise MedDLError(ending.code, ending.message)
    if not isinstance(ending, Finished):
        raise MedDLError("E602", "cancelled")


def _by_role(volumes: Any, card: ModelCard) -> Mapping[str, Any]:
    inputs = volumes if isinstance(volumes, Mapping) else {card.roles[0]: volumes}
    if set(inputs) != set(card.roles):
        raise MedDLError("E331", "these are not the model's inputs", f"needed: {', '.join(card.roles)}")
    return inputs

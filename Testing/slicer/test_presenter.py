"""What the panel says at each moment; no Qt, no scene, no worker."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from MedDLLogic.events import Cancelled, Failed, Progress, Warned
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.registry import find_card

from .conftest import EXTENSION


@pytest.fixture
def presenter(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXTENSION))
    for name in [name for name in sys.modules if name.startswith("MedDLLib")]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("MedDLLib.presenter")


@pytest.fixture
def card() -> ModelCard:
    return find_card("brain-t1").card


@pytest.fixture
def ready(presenter: ModuleType, card: ModelCard):  # type: ignore[no-untyped-def]
    return presenter.Presenter().chosen(card, {"t1": True}, presenter.Needs(10_252_582, ("MIT",)))


def test_nothing_chosen_asks_for_a_model(presenter: ModuleType) -> None:
    view = presenter.Presenter().view()
    assert (view.status, view.apply_enabled) == ("Choose a model.", False)


def test_without_a_volume_the_model_says_which_one_it_wants(presenter: ModuleType, card: ModelCard) -> None:
    view = presenter.Presenter().chosen(card, {"t1": False}, presenter.Needs()).view()
    assert view.status == "Choose a volume: T1-weighted head MRI, whole head, any orientation and spacing."
    assert view.apply_enabled is False


def test_a_download_is_named_before_it_happens(ready) -> None:  # type: ignore[no-untyped-def]
    assert ready.view().apply_text == "Download 10 MB and apply"
    assert ready.view().facts == "MR · Brain · license MIT · 10 MB to download once"


def test_the_intended_use_is_in_the_tool_tip(ready, card: ModelCard) -> None:  # type: ignore[no-untyped-def]
    assert card.intended_use in ready.view().model_tool_tip


def test_progress_without_a_fraction_shows_a_busy_bar(ready) -> None:  # type: ignore[no-untyped-def]
    view = ready.started().view()
    assert (view.progress, view.progress_text, view.apply_text) == (-1, "Downloading", "Cancel")


def test_progress_tells_stage_percentage_and_time_left(ready) -> None:  # type: ignore[no-untyped-def]
    view = ready.started().told(Progress("case", "extract the brain", 0.421, 200.0)).view()
    assert (view.progress, view.progress_text) == (42, "Extract the brain: about 3 min left")


def test_inputs_are_locked_during_a_run(ready) -> None:  # type: ignore[no-untyped-def]
    assert [ready.view().inputs_enabled, ready.started().view().inputs_enabled] == [True, False]


def test_a_volume_that_goes_during_a_run_does_not_hide_how_the_run_ends(
    ready, presenter: ModuleType, card: ModelCard
) -> None:  # type: ignore[no-untyped-def]
    running = ready.started().chosen(card, {"t1": False}, presenter.Needs())
    failed = running.told(Failed("case", "E604", "MEDDL-E604: gone")).chosen(card, {"t1": False}, presenter.Needs())
    assert (running.state, failed.view().status, failed.view().apply_enabled) == ("running", "MEDDL-E604: gone", False)


def test_cancel_can_be_pressed_once(ready) -> None:  # type: ignore[no-untyped-def]
    view = ready.started().cancelling().view()
    assert (view.status, view.apply_enabled) == ("Cancelling…", False)


def test_after_a_cancel_apply_is_there_again(ready) -> None:  # type: ignore[no-untyped-def]
    view = ready.started().cancelling().told(Cancelled("case")).view()
    assert (view.status, view.apply_enabled, view.progress) == ("Cancelled.", True, None)


def test_a_failure_stays_until_something_else_is_chosen(ready, presenter: ModuleType, card: ModelCard) -> None:  # type: ignore[no-untyped-def]
    failed = ready.started().told(Failed("case", "E502", "MEDDL-E502: not enough memory"))
    assert failed.chosen(card, {"t1": True}, presenter.Needs()).view().status == "MEDDL-E502: not enough memory"
    assert failed.chosen(card, {"t1": False}, presenter.Needs()).view().tone == "hint"


def test_warnings_are_kept_in_order(ready) -> None:  # type: ignore[no-untyped-def]
    told = ready.started().told(Warned("case", "E325", "tilt")).told(Warned("case", "E324", "uneven"))
    assert told.view().warnings == ("tilt", "uneven")


def test_a_new_run_forgets_the_last_one(ready, presenter: ModuleType) -> None:  # type: ignore[no-untyped-def]
    done = ready.started().done("Done.", [presenter.Row("Brain", (1, 2, 3), "1613 ml")])
    assert [len(done.view().rows), len(done.started().view().rows)] == [1, 0]


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (42.0, "42 s"), (89.0, "89 s"), (150.0, "2 min")])
def test_time_is_told_as_people_say_it(presenter: ModuleType, seconds: float, words: str) -> None:
    assert presenter.in_words(seconds) == words


def test_the_presenter_needs_neither_qt_nor_slicer() -> None:
    text = Path(EXTENSION, "MedDLLib", "presenter.py").read_text(encoding="utf-8")
    assert "import qt" not in text and "import slicer" not in text

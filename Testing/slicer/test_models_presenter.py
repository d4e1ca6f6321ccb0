"""What the section Model says at each moment; no Qt."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from MedDLLogic.models.card import License, ModelCard, Performance
from MedDLLogic.models.registry import find_card, list_cards

from .ours import ours

HOSTILE = "<img src='https://example.org/x.png'>"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return ours(monkeypatch, "models_presenter")


@pytest.fixture
def models(module: ModuleType) -> Any:
    """The models that ship, the first one chosen."""
    listed = tuple(module.Listed(found.card, (found.card,)) for found in list_cards() if found.is_shipped)
    return module.Models().read(listed, ()).chose("brain-t1", module.Needs())


def shown(models: Any) -> list[str]:
    return [item.name for item in models.view().items if item.is_shown]


def details(module: ModuleType, card: ModelCard, **needs: Any) -> str:
    return str(module.details_of(module.Listed(card, (card,)), module.Needs(**needs)))


@pytest.fixture
def card() -> ModelCard:
    return find_card("brain-t1").card


@pytest.mark.parametrize("words", ["EXTRACTION", "stripped mr", "gray matter", "cerebrospinal", "tissue-t1"])
def test_a_search_looks_into_title_organ_modality_segments_and_name(models: Any, words: str) -> None:
    assert 0 < len(shown(models.searched(words))) < len(shown(models))


def test_every_word_must_match(models: Any) -> None:
    assert shown(models.searched("brain kidney")) == []
    assert models.searched("brain kidney").view().search.text.startswith("No model matches")


def test_a_search_tells_how_many_match(models: Any) -> None:
    found = models.searched("gray")
    assert found.view().search.text == f"{len(shown(found))} of {len(shown(models))} models"
    assert models.searched("  ").view().search.text == ""


def test_the_chosen_model_stays_chosen_when_the_search_hides_it(models: Any) -> None:
    view = models.searched("stripped").view()
    assert (view.chosen, "Brain" in view.facts) == ("brain-t1", True)


def test_two_lines_tell_the_facts(module: ModuleType, card: ModelCard) -> None:
    facts = module.facts_of(module.Listed(card, (card,)), module.Needs(10_252_582, took_s=41.0))
    assert facts == "MR · Brain\nlicense MIT · accuracy not measured · about 41 s here · 10 MB to download once"


def test_the_terms_of_all_parts_are_told(module: ModuleType, card: ModelCard) -> None:
    other = replace(card, name="other", license=License("Apache-2.0", "weights"))
    assert "license MIT, Apache-2.0" in module.facts_of(module.Listed(card, (card, other)), module.Needs())


def test_measured_accuracy_is_told_with_its_data(module: ModuleType, card: ModelCard) -> None:
    figures = (Performance("Dice", 0.92, "20 heads", "gray", "paper"), Performance("Dice", 0.9, "20 heads", "white"))
    measured = replace(card, performance=figures)
    assert "Dice 0.9 to 0.92" in module.facts_of(module.Listed(measured, (measured,)), module.Needs())
    assert "Dice 0.92 for gray, on 20 heads (paper)" in details(module, measured)


@pytest.mark.parametrize("what", ["Intended use", "Limits", "Measured", "License", "Citation", "Time here", "Organs"])
def test_details_tell_everything_of_the_card(module: ModuleType, card: ModelCard, what: str) -> None:
    assert f"<b>{what}</b>" in details(module, card)


def test_details_are_made_when_somebody_wants_them(models: Any) -> None:
    assert (models.view().details, bool(models.opened(is_open=True).view().details)) == ("", True)


@pytest.mark.parametrize("field", ["title", "description", "intended_use"])
def test_nothing_of_a_card_is_taken_for_markup(module: ModuleType, card: ModelCard, field: str) -> None:
    assert "<img" not in details(module, replace(card, **{field: HOSTILE}))


def test_an_address_of_the_terms_can_be_clicked_on_and_a_program_cannot(module: ModuleType, card: ModelCard) -> None:
    assert '<a href="https://pypi.org/' in details(module, card)
    hostile = replace(card, license=License("MIT", "all", "javascript:alert(1)"))
    assert "<a " not in details(module, hostile)


def test_get_is_there_while_weights_are_missing(models: Any, module: ModuleType) -> None:
    get = models.chose("brain-t1", module.Needs(10_252_582)).view().get
    assert (get.visible, get.text, get.enabled) == (True, "Get 10 MB", True)
    assert models.view().get.visible is False


def test_a_download_shows_its_progress_and_can_be_cancelled_once(models: Any, module: ModuleType) -> None:
    getting = models.chose("brain-t1", module.Needs(10_252_582)).asked_for_download().told(0.4)
    assert (getting.view().get_progress, getting.view().get_cancel.enabled, getting.view().get.visible) == (
        40,
        True,
        False,
    )
    assert (getting.stopping().view().get_progress, getting.stopping().view().get_cancel.enabled) == (-1, False)


def test_another_model_waits_for_the_download(models: Any, module: ModuleType) -> None:
    getting = models.chose("brain-t1", module.Needs(10)).asked_for_download().chose("tissue-t1", module.Needs(20))
    assert (getting.view().get.visible, getting.view().get.enabled) == (True, False)
    assert getting.view().get_line.text == "Downloading Brain extraction from T1 MRI"


def test_a_download_that_failed_is_told_until_another_model_is_chosen(models: Any, module: ModuleType) -> None:
    failed = models.asked_for_download().got_nothing("MEDDL-E506: download did not work")
    assert failed.view().get_line == module.Line("MEDDL-E506: download did not work", "error")
    assert failed.chose("tissue-t1", module.Needs()).view().get_line.text == ""


def test_a_weights_file_of_the_users_that_is_gone_is_told(models: Any, module: ModuleType) -> None:
    line = models.chose("brain-t1", module.Needs(lost=("brain-t1",))).view().get_line
    assert line.tone == "warning" and "brain-t1" in line.text


def test_broken_cards_are_told_one_line_each(models: Any) -> None:
    broken = models.read((), ("MEDDL-E401: your model card a", "MEDDL-E401: your model card b")).view().broken
    assert (broken.text.count("\n"), broken.tone) == (1, "warning")

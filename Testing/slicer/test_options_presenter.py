"""What the section Options says at each moment; no Qt, no machine."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from MedDLLogic.job import Computing

from .ours import ours


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return ours(monkeypatch, "options_presenter")


def why_not(options: Any) -> dict[str, str]:
    return {option.value: option.why_not for option in options}


def test_before_the_machine_is_known_nothing_is_refused(module: ModuleType) -> None:
    assert set(why_not(module.device_options(None, "auto")).values()) == {""}


def test_a_machine_without_cards_says_why_they_cannot_be_chosen(module: ModuleType) -> None:
    options = why_not(module.device_options(module.Devices(), "auto"))
    assert options["cuda"].startswith("No NVIDIA") and options["mps"].startswith("This is no Mac")
    assert options["auto"] == options["cpu"] == ""


def test_one_card_is_called_by_its_name(module: ModuleType) -> None:
    options = module.device_options(module.Devices(("NVIDIA GeForce RTX 4090",)), "auto")
    assert "NVIDIA GeForce RTX 4090" in [option.text for option in options]


def test_several_cards_are_counted(module: ModuleType) -> None:
    options = module.device_options(module.Devices(("A", "B")), "auto")
    assert [option.value for option in options] == ["auto", "cpu", "cuda", "cuda:1", "mps"]


def test_a_device_of_another_machine_is_listed_and_refused(module: ModuleType) -> None:
    assert module.device_problem(module.Devices(("A",)), "cuda:7") == "This machine does not have it."


def test_quality_says_why_it_has_no_effect(module: ModuleType) -> None:
    whole = module.options_view(Computing(), None, module.Chosen(is_there=True)).quality_control
    assert whole.enabled is False and "whole image" in whole.tool_tip
    pieces = module.Chosen(is_there=True, has_quality=True)
    assert module.options_view(Computing(), None, pieces).quality_control.enabled is True


def test_mirroring_is_not_offered_for_a_model_that_never_saw_a_mirrored_image(module: ModuleType) -> None:
    wanted = Computing(mirroring=True)
    views = [module.options_view(wanted, None, module.Chosen(is_there=True, can_mirror=can)) for can in (False, True)]
    assert [view.is_mirroring for view in views] == [view.mirror_control.enabled for view in views] == [False, True]
    assert "not trained" in views[0].mirror_control.tool_tip


def test_nothing_can_be_chosen_before_there_is_a_model(module: ModuleType) -> None:
    view = module.options_view(Computing(), None, module.Chosen())
    assert not any((view.quality_control.enabled, view.precision_control.enabled, view.mirror_control.enabled))

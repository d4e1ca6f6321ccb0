"""What the section Images says of the chosen volumes; no Qt, no scene."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.registry import read_card
from MedDLLogic.scene.facts import VolumeFacts
from Testing.small_models import make_unet_card, own_home

from .ours import ours

__all__ = ["own_home"]
GRID = Geometry((160, 256, 255), np.diag([1.0, 1.0, 1.2, 1.0]))


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return ours(monkeypatch, "inputs_presenter")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    return read_card(make_unet_card(tmp_path_factory.mktemp("cards"))).card


def seen(module: ModuleType, node_id: str = "v1", transform_name: str = "", **more: Any) -> Any:
    return module.Seen(VolumeFacts(node_id, **({"world": GRID, "modality": "MR"} | more)), transform_name)


def row(module: ModuleType, card: ModelCard, **by_role: Any) -> Any:
    """What stands below the last of these roles."""
    view = module.Inputs(card, card.name, by_role).view()
    return next(row.check for row in view.rows if row.role == list(by_role)[-1])


def missing(module: ModuleType, card: ModelCard | None, model: str = "", **by_role: Any) -> str:
    return str(module.Inputs(card, model, by_role).view().missing)


def test_a_volume_is_told_by_its_grid(module: ModuleType, two: ModelCard) -> None:
    line = row(module, two, first=seen(module))
    assert (line.text, line.tone) == ("255 x 256 x 160 voxels, 1 x 1 x 1.2 mm, MR", "done")


def test_its_transform_is_named(module: ModuleType, two: ModelCard) -> None:
    line = row(module, two, first=seen(module, transform="linear", transform_name="Tilt"))
    assert line.text.endswith("under the transform Tilt")


def test_another_modality_is_warned_of(module: ModuleType, two: ModelCard) -> None:
    line = row(module, two, first=seen(module, modality="CT"))
    assert (line.tone, "The model wants MR, the volume says CT." in line.text) == ("warning", True)


def test_a_volume_that_cannot_be_used_says_why_and_so_does_the_run(module: ModuleType, two: ModelCard) -> None:
    empty = seen(module, world=None, refusal=MedDLError("E301", "the volume is empty"))
    assert row(module, two, first=empty) == module.Line("MEDDL-E301: the volume is empty", "error")
    assert missing(module, two, first=empty, second=seen(module)) == "MEDDL-E301: the volume is empty"


def test_a_picture_has_no_millimetres(module: ModuleType, two: ModelCard) -> None:
    flat = seen(module, world=Geometry((1, 8, 8), np.eye(4), UNKNOWN))
    assert row(module, two, first=flat).text.startswith("MEDDL-E330")


def test_a_second_volume_is_compared_with_the_first(module: ModuleType, two: ModelCard) -> None:
    coarse = seen(module, "v2", world=Geometry((80, 128, 128), np.diag([2.0, 2.0, 2.4, 1.0])))
    assert "will be resampled" in row(module, two, first=seen(module), second=coarse).text


def test_volumes_of_different_frames_of_reference_are_refused_with_what_to_do(
    module: ModuleType, two: ModelCard
) -> None:
    inputs = {"first": seen(module, frame_of_reference="1.2"), "second": seen(module, "v2", frame_of_reference="3.4")}
    view = module.Inputs(two, two.name, inputs).view()
    assert view.missing.endswith("register them, or tick that they fit.") and view.asks_for_yes


def test_a_tick_lets_volumes_of_different_frames_of_reference_run(module: ModuleType, two: ModelCard) -> None:
    inputs = {"first": seen(module, frame_of_reference="1.2"), "second": seen(module, "v2", frame_of_reference="3.4")}
    assert module.Inputs(two, two.name, inputs, allow_other_frame=True).view().missing == ""


def test_the_first_volume_that_is_missing_is_asked_for(module: ModuleType, two: ModelCard) -> None:
    assert missing(module, two, first=seen(module)) == "Choose a volume: a phantom."
    assert missing(module, two, first=seen(module), second=seen(module, "v2")) == ""


def test_without_a_model_one_is_asked_for(module: ModuleType) -> None:
    assert missing(module, None) == "Choose a model."
    assert missing(module, None, "theirs") == "The model theirs is not on this machine; choose another one."


def test_a_region_without_extent_keeps_the_run_from_starting(module: ModuleType, two: ModelCard) -> None:
    both = {"first": seen(module), "second": seen(module, "v2")}
    view = module.Inputs(two, "two", both, roi_problem="MEDDL-E102: empty").view()
    assert (view.missing, view.roi.tone) == ("MEDDL-E102: empty", "error")


def test_what_a_run_cannot_keep_of_the_region_is_warned_of(module: ModuleType, two: ModelCard) -> None:
    view = module.Inputs(two, "two", {}, roi_warnings=("The region is turned.",)).view()
    assert (view.roi.text, view.roi.tone) == ("The region is turned.", "warning")

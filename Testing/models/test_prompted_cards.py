"""Cards of models that draw what boxes hold."""

import json

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import InputSpec, ModelCard
from MedDLLogic.records import from_json, to_json

from ..prompted_model import make_box_card
from ..small_models import make_bright_card, segment_json


@pytest.fixture
def card(tmp_path):
    return json.loads(make_box_card(tmp_path).read_text(encoding="utf-8"))


def test_a_card_for_boxes_survives_its_json(card):
    read = from_json(ModelCard, card)
    assert read.prompted_stage is read.stages[0] and from_json(ModelCard, to_json(read)) == read


def test_a_card_without_boxes_has_no_prompted_stage(tmp_path):
    assert from_json(ModelCard, json.loads(make_bright_card(tmp_path).read_text())).prompted_stage is None


@pytest.mark.parametrize(
    "change",
    [
        {"network": {"format": "torchscript"}},
        {"network": {"format": "torchscript", "dimensions": 2, "side_inputs": ["spacing_ijk_mm"]}},
        {"decode": {"rule": "argmax", "activation": "softmax", "channels": ["", "object"]}},
        {"decode": {"rule": "threshold", "channels": ["", "object"]}},
        {"postprocess": [{"kind": "largest_component"}]},
        {"tiling": {}},
        {"prompts": {"plane": [], "decoder": {"format": "torchscript", "dimensions": 2}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_stage_that_could_not_draw_boxes_is_refused(card, change):
    card["stages"][0] |= change
    with pytest.raises(MedDLError) as caught:
        from_json(ModelCard, card, code="E401")
    assert caught.value.code == "E401"


def test_boxes_go_with_a_single_segment(card):
    card["segments"].append(segment_json("other", 2))
    with pytest.raises(MedDLError):
        from_json(ModelCard, card)


@pytest.mark.parametrize(("wanted", "said", "is_fine"), [("any", "US", True), ("MR", "US", False), ("MR", "", True)])
def test_an_input_of_any_kind_takes_every_image(wanted, said, is_fine):
    assert InputSpec("image", wanted, "").takes(said) is is_fine

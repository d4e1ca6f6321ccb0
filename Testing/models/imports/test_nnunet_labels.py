"""dataset.json to inputs and segments; names of structures to SNOMED CT where they are known letter by letter."""

import json

import pytest
from pydicom.sr._concepts_dict import concepts

from MedDLLogic.errors import MedDLError
from MedDLLogic.labels import LabelTable
from MedDLLogic.models.imports.json_fields import read_fields
from MedDLLogic.models.imports.nnunet_labels import inputs_of, labels_of
from MedDLLogic.models.imports.terminology import terminology_of
from MedDLLogic.resources import resource_path

from .nnunet_files import LABELS, REGIONS, dataset_json


def dataset(**changes):
    return read_fields(json.dumps(dataset_json() | changes), "dataset.json")


def labels(values, **more):
    return labels_of(dataset(labels=values, **more))


def test_labels_come_in_the_order_of_their_numbers():
    found = labels({"kidney": 2, "background": 0, "liver": 1})
    assert found.channels == ("", "liver", "kidney") and [s.value for s in found.segments] == [1, 2]


def test_no_channel_stands_for_what_was_ignored_in_training():
    assert labels(LABELS | {"ignore": 3}).channels == ("", "liver", "kidney_left")


def test_regions_come_in_the_order_of_the_file_without_a_background():
    found = labels(REGIONS, regions_class_order=[1, 2])
    assert found.are_regions and found.channels == ("whole", "core")
    assert LabelTable(found.segments).layer_count == 2


def test_a_list_of_one_number_is_a_label():
    assert not labels({"background": 0, "liver": [1]}).are_regions


@pytest.mark.parametrize(
    "values",
    [{"background": 0}, {"liver": 1}, {"background": 1, "liver": 0}, {"background": 0, "a": 1, "b": 3}],
)
def test_labels_that_cannot_be_are_refused(values):
    with pytest.raises(MedDLError) as caught:
        labels(values)
    assert caught.value.code == "E401"


def test_regions_without_an_order_are_refused():
    with pytest.raises(MedDLError) as caught:
        labels(REGIONS)
    assert caught.value.code == "E401"


def test_names_of_any_letters_become_ids():
    found = labels({"background": 0, "left kidney (L)": 1, "Leber ä": 2, "???": 3})
    assert found.channels == ("", "left-kidney--L", "Leber", "label-3")
    assert found.segments[1].name == "Leber ä"


def test_each_channel_is_an_input_and_only_ct_is_known_as_such():
    specs = inputs_of(dataset(channel_names={"0": "CT", "1": "T2 flair"}))
    assert [(spec.role, spec.modality) for spec in specs] == [("CT", "CT"), ("T2-flair", "")]


@pytest.mark.parametrize("channels", [{"1": "CT"}, {"0": 5}, ["CT"]])
def test_channels_that_cannot_be_are_refused(channels):
    with pytest.raises(MedDLError) as caught:
        inputs_of(dataset(channel_names=channels))
    assert caught.value.code == "E401"


def test_sides_are_modifiers_unless_the_structure_has_a_code_of_its_own():
    kidney, atrium = terminology_of("kidney_left"), terminology_of("heart_atrium_left")
    assert (kidney.type.value, kidney.type_modifier.meaning) == ("64033007", "Left")
    assert atrium.type.value == "82471001" and atrium.type_modifier is None


@pytest.mark.parametrize("name", ["", "_left", "Liver", "liver_tumour", "livers"])
def test_a_name_that_is_not_in_the_table_has_no_code(name):
    assert terminology_of(name) is None


def test_every_code_of_the_table_is_in_dicoms_lists_too():
    known = {code for codes in concepts["SCT"].values() for code in codes}
    table = json.loads(resource_path("Terminologies", "structures.json").read_text(encoding="utf-8"))
    assert table["structures"] and {code for code, _ in table["structures"].values()} <= known

from __future__ import annotations

import json

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.job import Box, CardRef, InputRef, Job, OutputPolicy, require_case_id
from MedDLLogic.recipe import Orient, Recipe
from MedDLLogic.records import from_json, parse_json, to_json

SEGMENT = {"task": "segment", "inputs": {"t1": InputRef(path="head.nii.gz")}, "card": CardRef("brain")}


def refused(make):
    with pytest.raises(MedDLError) as caught:
        make()
    return caught.value.code == "E102"


def test_a_job_survives_its_json():
    job = Job(
        **SEGMENT,
        roi=Box((-1, -2, -3), (1, 2, 3)),
        nan_fill=0.0,
        output=OutputPolicy("out", ("segmentation", "scene"), "skip"),
    )
    assert parse_json(Job, json.dumps(to_json(job)), code="E102") == job


def test_a_job_with_a_recipe_survives_its_json():
    job = Job("preprocess", {"image": InputRef(handle="ab12")}, recipe=Recipe((Orient("RAS"),)))
    assert from_json(Job, to_json(job), code="E102") == job


@pytest.mark.parametrize(
    "wrong",
    [
        {"inputs": {}},
        {"card": None},
        {"recipe": Recipe(())},
        {"task": "preprocess"},
        {"case": "../case"},
        {"inputs": {"../t1": InputRef(path="head.nii.gz")}},
        {"inputs": {"": InputRef(path="head.nii.gz")}},
        {"nan_fill": float("nan")},
        {"seed": -1},
        {"seed": 2**63},
        {"output": OutputPolicy(products=("volume",))},
        {"task": "preprocess", "card": None, "recipe": Recipe(()), "output": OutputPolicy(products=("scene",))},
    ],
)
def test_a_job_that_cannot_be_is_refused(wrong):
    assert refused(lambda: Job(**SEGMENT | wrong))


@pytest.mark.parametrize("wrong", [{}, {"path": "a", "handle": "b"}, {"path": "/d/\udcff.nii"}])
def test_an_input_is_a_path_that_can_be_written_or_a_handle(wrong):
    assert refused(lambda: InputRef(**wrong))


@pytest.mark.parametrize("top", [(1, 1, 0), (1, 1, -1), (1, 1, float("nan")), (1, 1, float("inf"))])
def test_a_box_without_an_inside_is_refused(top):
    assert refused(lambda: Box((0, 0, 0), top))


@pytest.mark.parametrize(
    "case", ["", ".", "..", ".hidden", "-rf", "a/b", "a\\b", "a b", "é", "a\n", "NUL", "com1.x", "a.", "x" * 65, "a:b"]
)
def test_a_case_id_that_no_folder_can_have_is_refused(case):
    assert refused(lambda: require_case_id(case))


@pytest.mark.parametrize("case", ["case-0a1b2c3d", "sub-01_ses-2", "A.b", "7", "x" * 64, "console"])
def test_a_case_id_that_every_folder_can_have_is_taken(case):
    assert require_case_id(case) == case


@pytest.mark.parametrize(
    ("key", "value"),
    [("device", 1), ("seed", 1.5), ("roi", [1]), ("inputs", []), ("schema_version", 2), ("colour", "red")],
)
def test_a_job_file_with_a_wrong_key_or_value_is_refused(key, value):
    assert refused(lambda: from_json(Job, to_json(Job(**SEGMENT)) | {key: value}, code="E102"))


@pytest.mark.parametrize("products", [(), ("scene", "scene")])
def test_products_are_named_and_each_once(products):
    assert refused(lambda: OutputPolicy(products=products))

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.recipe import Recipe
from MedDLLogic.records import canonical_sha256, from_json, parse_json, to_json, to_json_text


@dataclass(frozen=True)
class Round:
    kind: ClassVar[str] = "round"
    radius: float


@dataclass(frozen=True)
class Square:
    kind: ClassVar[str] = "square"
    side: float
    corners: int = 4


@dataclass(frozen=True)
class Plate:
    name: str
    shape: Round | Square
    size: tuple[int, int] = (1, 1)
    marks: tuple[float, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    grade: Literal["a", "b", 1] = "a"
    is_hot: bool = False
    weight: float | None = None
    extra: bool | int | float | str = 0
    inner: tuple[Plate, ...] = ()


GOOD = {"name": "p", "shape": {"kind": "round", "radius": 2}}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
plates = st.builds(
    Plate,
    texts,
    st.builds(Round, numbers) | st.builds(Square, numbers, st.integers()),
    st.tuples(st.integers(), st.integers()),
    st.lists(numbers).map(tuple),
    st.dictionaries(texts, texts),
    st.sampled_from(["a", "b", 1]),
    st.booleans(),
    st.none() | numbers,
    st.booleans() | st.integers() | texts,
)


def why_refused(value):
    with pytest.raises(MedDLError) as caught:
        from_json(Plate, value, code="E102")
    assert caught.value.code == "E102"
    return caught.value.why


@given(plates)
def test_every_record_survives_its_json_text(plate):
    assert parse_json(Plate, to_json_text(plate)) == plate


@given(plates)
def test_equal_records_have_equal_hashes_whatever_the_order_of_keys(plate):
    turned = dict(reversed(list(to_json(plate).items())))
    assert canonical_sha256(from_json(Plate, turned)) == canonical_sha256(plate)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"colour": 1}, "colour: no such key"),
        ({"shape": {"kind": "round", "radius": 1, "side": 2}}, "shape.side: no such key"),
        ({"shape": {"kind": "round"}}, "shape.radius: missing"),
        ({"shape": {"radius": 1}}, "shape.kind: one of round, square is expected"),
        ({"shape": {"kind": "oval"}}, "shape.kind: one of round, square is expected"),
        ({"shape": {"kind": ["round"]}}, "shape.kind: one of round, square is expected"),
        ({"shape": {"kind": "round", "radius": "1"}}, "shape.radius: a number is expected"),
        ({"shape": {"kind": "round", "radius": True}}, "shape.radius: a number is expected"),
        ({"shape": 3}, "shape: value of another type is expected"),
        ({"name": None}, "name: text is expected"),
        ({"size": [1]}, "size: a list of 2 is expected"),
        ({"size": "12"}, "size: a list is expected"),
        ({"size": [1, 2.0]}, "size[1]: a whole number is expected"),
        ({"size": [1, True]}, "size[1]: a whole number is expected"),
        ({"marks": [1, float("nan")]}, "marks[1]: a finite number is expected"),
        ({"marks": [1, 10**400]}, "marks[1]: a finite number is expected"),
        ({"notes": {"a": 1}}, "notes.a: text is expected"),
        ({"notes": []}, "notes: an object is expected"),
        ({"grade": "c"}, "grade: one of a, b, 1 is expected"),
        ({"grade": True}, "grade: one of a, b, 1 is expected"),
        ({"grade": 1.0}, "grade: one of a, b, 1 is expected"),
        ({"grade": []}, "grade: one of a, b, 1 is expected"),
        ({"is_hot": 1}, "is_hot: true or false is expected"),
        ({"weight": "5"}, "weight: a number is expected"),
        ({"extra": None}, "extra: value of another type is expected"),
        ({"extra": [1]}, "extra: value of another type is expected"),
        ({"name": "\ud800"}, "name: text with half a surrogate pair cannot be written as UTF-8"),
        ({"inner": [GOOD, {"name": "q"}]}, "inner[1].shape: missing"),
    ],
)
def test_a_record_with_something_wrong_is_refused_and_the_place_is_named(wrong, where):
    assert why_refused(GOOD | wrong) == where


def test_a_record_that_is_no_object_is_refused():
    assert why_refused([GOOD]) == "document: an object is expected"


def test_a_missing_key_without_default_is_refused():
    assert why_refused({"name": "p"}) == "shape: missing"


def test_a_record_read_by_itself_must_not_say_that_it_is_of_another_kind():
    assert from_json(Round, {"kind": "round", "radius": 1}) == from_json(Round, {"radius": 1}) == Round(1.0)
    with pytest.raises(MedDLError):
        from_json(Round, {"kind": "square", "radius": 1})


def test_a_record_in_itself_without_end_is_refused():
    nested = GOOD
    for _ in range(60):
        nested = GOOD | {"inner": [nested]}
    assert "nested too deeply" in why_refused(nested)


@pytest.mark.parametrize(
    "text",
    [
        '{"radius": 1, "radius": 2}',
        '{"radius": NaN}',
        '{"radius": -Infinity}',
        '{"radius": 1e999}',
        '{"radius": 1',
        "",
        "null",
        b"\xff\xfe{}",
        "[" * 100_000,
        '{"radius": ' + "9" * 5000 + "}",
    ],
)
def test_a_text_that_is_no_strict_json_of_the_record_is_refused(text):
    with pytest.raises(MedDLError) as caught:
        parse_json(Round, text, code="E401")
    assert caught.value.code == "E401"


def test_what_a_record_itself_refuses_has_the_code_of_its_document():
    with pytest.raises(MedDLError) as caught:
        from_json(Recipe, {"steps": [{"kind": "orient", "codes": "XYZ"}]}, code="E401")
    assert (caught.value.code, caught.value.why[:9]) == ("E401", "steps[0]:")


def test_a_field_that_json_cannot_hold_is_our_own_defect():
    with pytest.raises(MedDLError) as caught:
        from_json(dataclass(type("Odd", (), {"__annotations__": {"a": bytes}})), {"a": "x"})
    assert caught.value.code == "E901"


def test_a_value_without_json_form_is_our_own_defect():
    with pytest.raises(MedDLError) as caught:
        to_json({"a": object()})
    assert caught.value.code == "E901"


def test_json_text_is_plain_json():
    assert json.loads(to_json_text(Plate("é", Round(1)), indent=None))["name"] == "é"

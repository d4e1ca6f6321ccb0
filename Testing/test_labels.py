from __future__ import annotations

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.labels import LabelTable, Segment

BRAIN = {"id": "brain", "name": "Brain", "value": 1, "color": (200, 150, 100)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "white matter"},
        {"id": "hirn-ä"},
        {"id": "../brain"},
        {"name": " "},
        {"value": 0},
        {"value": 65536},
        {"color": (0, 0, 256)},
        {"color": (0, 0)},
        {"layer": -1},
    ],
)
def test_a_segment_that_cannot_be_is_refused(wrong):
    with pytest.raises(MedDLError) as caught:
        Segment(**BRAIN | wrong)
    assert caught.value.code == "E402"


def test_two_segments_of_one_id_are_refused():
    with pytest.raises(MedDLError) as caught:
        LabelTable((Segment(**BRAIN), Segment(**BRAIN | {"value": 2})))
    assert caught.value.code == "E402"


def test_two_segments_of_one_value_need_two_layers():
    with pytest.raises(MedDLError):
        LabelTable((Segment(**BRAIN), Segment(**BRAIN | {"id": "other"})))
    table = LabelTable((Segment(**BRAIN), Segment(**BRAIN | {"id": "other", "layer": 1})))
    assert table.layer_count == 2


def test_a_table_finds_its_segments_in_order_and_by_id():
    table = LabelTable((Segment(**BRAIN | {"id": "b", "value": 9}), Segment(**BRAIN | {"id": "a", "value": 5})))
    assert [segment.id for segment in table] == ["b", "a"]
    assert (table.by_id("a").value, len(table)) == (5, 2)


def test_a_segment_that_is_not_there_is_an_error():
    with pytest.raises(MedDLError) as caught:
        LabelTable((Segment(**BRAIN),)).by_id("heart")
    assert caught.value.code == "E402"


def test_an_empty_table_needs_no_layer():
    assert LabelTable(()).layer_count == 0

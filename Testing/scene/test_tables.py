import math

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.result import Measurement
from MedDLLogic.scene.tables import push_measurements


def test_a_column_is_a_quantity_with_its_unit(a_scene, a_measured_result):
    node = push_measurements(a_scene, a_measured_result, name="numbers")
    columns = [node.GetColumnName(column) for column in range(node.GetNumberOfColumns())]
    assert columns == ["Segment", "Volume [ml]", "Mean intensity"]
    assert node.GetColumnUnitLabel("Volume [ml]") == "ml"


def test_a_row_is_a_segment(a_scene, a_measured_result):
    table = push_measurements(a_scene, a_measured_result, name="numbers").GetTable()
    assert table.GetValue(1, 0).ToString() == a_measured_result.table.segments[1].name
    assert [table.GetValue(row, 1).ToDouble() for row in (0, 1)] == [12.5, 0.25]


def test_what_was_not_measured_is_no_number(a_scene, a_measured_result):
    table = push_measurements(a_scene, a_measured_result, name="numbers").GetTable()
    assert math.isnan(table.GetValue(1, 2).ToDouble())


@pytest.mark.parametrize("segment_id", ["nobody", "layer0_value1"])
def test_measurements_of_nothing_and_twice_are_refused(a_scene, a_result, segment_id):
    twice = (Measurement("layer0_value1", "volume", 1.0, "ml"), Measurement(segment_id, "volume", 2.0, "ml"))
    nodes = a_scene.GetNumberOfNodes()
    with pytest.raises(MedDLError, match="E402"):
        push_measurements(a_scene, a_result([1], measurements=twice), name="numbers")
    assert a_scene.GetNumberOfNodes() == nodes

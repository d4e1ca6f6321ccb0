"""Results made ready in any thread, and what of them is known before the scene has them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry
from MedDLLogic.labels import Code, LabelTable, Segment, Terminology
from MedDLLogic.result import Result
from MedDLLogic.scene.prepare import prepare_push
from MedDLLogic.scene.segmentations import push_segmentation, read_segmentation
from MedDLLogic.scene.segments import voxel_counts

STRAIGHT = Geometry((6, 8, 10), np.diag([1.0, 1.0, 2.0, 1.0]))


def ring():
    """A ring in planes 2 and 3, whose centroid lies in its hole."""
    layer = np.zeros((6, 8, 10), np.uint8)
    layer[2:4, 1:6, 1:6] = 1
    layer[2:4, 2:5, 2:5] = 0
    return Result(STRAIGHT, (layer,), LabelTable((Segment("ring", "ring", 1, (1, 2, 3)),)))


@pytest.mark.parametrize("values", [[[1, 5, 9]], [[1, 300, 65535]], [[1, -2, 3]], [[4], [-300], [65535, 1]]])
def test_voxels_are_counted_before_the_push(a_result, values):
    result = a_result(*values)
    expected = {segment.id: int(result.mask_of(segment.id).sum()) for segment in result.table}
    assert prepare_push(result).voxel_counts == expected


def test_a_result_prepared_in_another_thread_is_pushed_and_read_back(a_scene, a_result):
    result = a_result([3, 1, 2], [1, 300])
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(prepare_push, result).result()
    _, layers, table = read_segmentation(push_segmentation(a_scene, prepared, name="seg"))
    assert table == result.table
    assert all(np.array_equal(found, layer) for found, layer in zip(layers, result.layers, strict=True))


def test_a_prepared_result_serves_one_push(a_scene, a_result):
    prepared = prepare_push(a_result([1]))
    push_segmentation(a_scene, prepared, name="seg")
    with pytest.raises(MedDLError, match="E901"):
        push_segmentation(a_scene, prepared, name="seg")


def test_a_push_that_was_refused_leaves_the_prepared_result_usable(a_scene, a_volume_node, a_result):
    prepared = prepare_push(a_result([1], geometry=STRAIGHT))
    with pytest.raises(MedDLError, match="E332"):
        push_segmentation(a_scene, prepared, name="seg", reference_node=a_volume_node)
    assert voxel_counts(push_segmentation(a_scene, prepared, name="seg")) == prepared.voxel_counts


def test_a_stray_label_is_refused_before_the_push(an_oblique_grid):
    layer = np.full(an_oblique_grid.shape_kji, 7, np.uint8)
    with pytest.raises(MedDLError, match=r"E402.*\[7\]"):
        prepare_push(Result(an_oblique_grid, (layer,), LabelTable((Segment("a", "a", 1, (0, 0, 0)),))))


def test_a_text_that_no_file_can_hold_is_refused_before_the_push(an_oblique_grid):
    code = Code("SCT", "1", "a~b")
    table = LabelTable((Segment("a", "a", 1, (0, 0, 0), Terminology(code, code)),))
    with pytest.raises(MedDLError, match="E402"):
        prepare_push(Result(an_oblique_grid, (np.ones(an_oblique_grid.shape_kji, np.uint8),), table))


def test_the_center_of_a_ring_lies_in_the_ring():
    result = ring()
    i, j, k = np.round(STRAIGHT.ijk_of([prepare_push(result).centers_lps_mm["ring"]])[0]).astype(int)
    assert result.layers[0][k, j, i] == 1


def test_the_center_of_a_box_is_its_middle():
    layer = np.zeros((6, 8, 10), np.uint8)
    layer[1:4, 2:5, 3:8] = 1
    result = Result(STRAIGHT, (layer,), LabelTable((Segment("box", "box", 1, (1, 2, 3)),)))
    assert prepare_push(result).centers_lps_mm["box"] == (5.0, 3.0, 4.0)


def test_an_absent_segment_has_no_center(a_result):
    assert prepare_push(a_result([1, -2])).centers_lps_mm["layer0_value2"] is None

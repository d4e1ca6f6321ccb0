"""What of a segmentation is shown, and where its segments are."""

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result
from MedDLLogic.scene.arrays import voxels_of
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.display import (
    is_shown_3d,
    jump_to,
    segment_center_ras,
    segment_visible,
    set_segment_visible,
    show_3d,
)
from MedDLLogic.scene.files import read_segmentation_file, write_segmentation
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.segmentations import push_segmentation
from MedDLLogic.scene.segments import LABELMAP
from MedDLLogic.scene.volumes import push_volume

GRID = Geometry((6, 8, 10), np.diag([1.0, 1.0, 2.0, 1.0]))


@pytest.fixture
def boxes(a_scene):
    """Segments "small", around i 5, j 3, k 2, "large" and the empty "absent", on a straight grid at the origin."""
    layer = np.zeros(GRID.shape_kji, np.uint8)
    layer[1:4, 2:5, 4:7] = 1
    layer[4:, :, :] = 2
    names = ("small", "large", "absent")
    table = LabelTable(tuple(Segment(name, name, n + 1, (1, 2, 3)) for n, name in enumerate(names)))
    volume = push_volume(a_scene, Image(np.zeros((1, *GRID.shape_kji)), GRID), "v")
    return push_segmentation(a_scene, Result(GRID, (layer,), table), name="s", reference_node=volume)


def test_segments_are_hidden_and_shown_one_by_one(boxes):
    set_segment_visible(boxes, "small", on=False)
    assert (segment_visible(boxes, "small"), segment_visible(boxes, "large")) == (False, True)
    set_segment_visible(boxes, "small", on=True)
    assert segment_visible(boxes, "small")


def test_showing_a_segment_shows_a_hidden_segmentation(boxes):
    boxes.GetDisplayNode().SetVisibility(False)
    assert not segment_visible(boxes, "small")
    set_segment_visible(boxes, "small", on=True)
    assert segment_visible(boxes, "small")


def test_surfaces_are_made_shown_and_removed(boxes):
    assert not is_shown_3d(boxes)
    show_3d(boxes, on=True)
    surface = boxes.GetSegmentation().GetSegment("small").GetRepresentation("Closed surface")
    assert is_shown_3d(boxes) and surface.GetNumberOfPoints() > 8
    show_3d(boxes, on=False)
    assert not is_shown_3d(boxes)


def test_nothing_is_not_shown_in_3d(a_scene):
    with pytest.raises(MedDLError, match="E301"):
        show_3d(a_scene.AddNode(slicer.vtkMRMLSegmentationNode()), on=True)


def test_the_center_of_a_segment_is_a_point_of_the_world(boxes, under):
    assert segment_center_ras(boxes, "small") == (-5.0, -3.0, 4.0)
    under(boxes, np.diag([2.0, 1.0, 1.0, 1.0]))
    assert segment_center_ras(boxes, "small") == (-10.0, -3.0, 4.0)


def test_an_absent_segment_has_no_center(boxes):
    assert segment_center_ras(boxes, "absent") is None


def labels_of(node):
    return voxels_of(node.GetSegmentation().GetNthSegment(0).GetRepresentation(LABELMAP))


def test_the_center_follows_a_user_who_erased_it(boxes):
    labels_of(boxes)[1:4, 2:5, 4:6] = 0
    assert segment_center_ras(boxes, "small") == (-6.0, -3.0, 4.0)


def test_the_center_of_an_erased_segment_is_gone(boxes):
    labels_of(boxes)[:] = 0
    assert segment_center_ras(boxes, "small") is None


def test_the_center_is_right_after_saving_and_loading(boxes, tmp_path):
    path = tmp_path / "s.seg.nrrd"
    write_segmentation(boxes, path)
    assert segment_center_ras(read_segmentation_file(new_scene(), path), "small") == (-5.0, -3.0, 4.0)


def test_every_slice_view_jumps_to_a_point(a_scene):
    views = [a_scene.AddNode(slicer.vtkMRMLSliceNode()) for _ in range(3)]
    for view, normal in zip(views, ([0, 0, 1], [1, 0, 0], [0, 1, 0]), strict=True):
        along = [0, 1, 0] if normal[0] else [1, 0, 0]
        view.SetSliceToRASByNTP(*normal, *along, 0, 0, 0, 0)
    jump_to(a_scene, (10.0, 20.0, 30.0))
    assert [round(view.GetSliceOffset(), 3) for view in views] == [30.0, 10.0, 20.0]


@pytest.mark.parametrize("act", [segment_visible, segment_center_ras, lambda n, i: set_segment_visible(n, i, on=True)])
def test_unknown_segments_and_other_nodes_are_refused(boxes, a_volume_node, act):
    with pytest.raises(MedDLError, match="E402"):
        act(boxes, "none")
    with pytest.raises(MedDLError, match="E310"):
        act(a_volume_node, "small")

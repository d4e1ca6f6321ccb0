"""Regions of interest against where the scene itself says points lie."""

import numpy as np
import pytest
from vtkmodules.vtkCommonTransforms import vtkThinPlateSplineTransform

from MedDLLogic.errors import MedDLError
from MedDLLogic.scene.arrays import vtk_matrix
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.roi import roi_box, roi_warnings

TURNED = np.array([[0.6, -0.8, 0, 10], [0.8, 0.6, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1.0]])


@pytest.fixture
def a_roi(a_scene):
    """4 x 6 x 8 mm around R 10, A 20, S 30."""
    node = a_scene.AddNode(slicer.vtkMRMLMarkupsROINode())
    node.SetCenter([10, 20, 30])
    node.SetSize([4, 6, 8])
    return node


def test_a_region_is_a_box_in_lps(a_roi):
    box = roi_box(a_roi)
    assert box.min_lps_mm == (-12, -23, 26) and box.max_lps_mm == (-8, -17, 34)
    assert roi_warnings(a_roi) == ()


def test_a_turned_region_gives_the_box_around_it_and_says_so(a_roi):
    a_roi.SetAndObserveObjectToNodeMatrix(vtk_matrix(TURNED))
    corners = np.array([[x, y, z, 1.0] for x in (-2, 2) for y in (-3, 3) for z in (-4, 4)]) @ TURNED.T
    box = roi_box(a_roi)
    assert np.allclose(box.min_lps_mm, (-corners[:, 0].max(), -corners[:, 1].max(), 26))
    assert np.allclose(box.max_lps_mm, (-corners[:, 0].min(), -corners[:, 1].min(), 34))
    assert "turned" in roi_warnings(a_roi)[0]


def test_a_region_turned_by_right_angles_is_not_called_turned(a_roi, under):
    under(a_roi, np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert roi_warnings(a_roi) == ()


def test_parent_transforms_count(a_roi, under):
    under(under(a_roi, np.diag([2.0, 1, 1, 1])), np.array([[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    box = roi_box(a_roi)
    assert np.allclose(box.min_lps_mm, (-29, -23, 26)) and np.allclose(box.max_lps_mm, (-21, -17, 34))


def test_a_region_under_a_bending_transform_is_told_to_be_approximate(a_scene, a_roi):
    transform = a_scene.AddNode(slicer.vtkMRMLTransformNode())
    transform.SetAndObserveTransformToParent(vtkThinPlateSplineTransform())
    a_roi.SetAndObserveTransformNodeID(transform.GetID())
    assert "approximate" in roi_warnings(a_roi)[0]


def test_a_region_of_the_inside_out_kind_is_told(a_roi):
    a_roi.SetInsideOut(True)
    assert "inside out" in roi_warnings(a_roi)[0]


def test_a_box_around_points_is_a_region_too(a_scene):
    node = a_scene.AddNode(slicer.vtkMRMLMarkupsROINode())
    node.SetROIType(node.ROITypeBoundingBox)
    for point in ([0, 0, 0], [10, 5, 7], [3, 9, 1]):
        node.AddControlPoint(point)
    box = roi_box(node)
    assert np.allclose(box.min_lps_mm, (-10, -9, 0)) and np.allclose(box.max_lps_mm, (0, 0, 7))


@pytest.mark.parametrize("size", [[0, 0, 0], [4, 0, 4]])
def test_an_empty_region_is_refused(a_roi, size):
    a_roi.SetSize(size)
    with pytest.raises(MedDLError, match="E102"):
        roi_box(a_roi)


def test_a_region_that_nobody_drew_is_refused(a_scene):
    with pytest.raises(MedDLError, match="E102"):
        roi_box(a_scene.AddNode(slicer.vtkMRMLMarkupsROINode()))


def test_other_nodes_are_no_regions(a_volume_node):
    for node in (a_volume_node, None):
        with pytest.raises(MedDLError, match="E310"):
            roi_box(node)

"""Non-linear parent transforms, against what calculus says."""

import numpy as np
import pytest
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonTransforms import vtkThinPlateSplineTransform

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.result import Measurement
from MedDLLogic.scene.arrays import vtk_matrix
from MedDLLogic.scene.measured import measured_in_world, measuring_in_world, segment_volumes_mm3
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.steps import finished
from MedDLLogic.scene.transforms import sampling_volume_factors
from MedDLLogic.scene.volumes import push_volume, read_volume

AFFINE = np.array([[1.2, 0.1, 0.0], [0.0, 0.9, -0.2], [0.1, 0.0, 1.3]])
SHIFT = np.array([3.0, -4.0, 5.0])
RAS_LPS = np.diag([-1.0, -1.0, 1.0])


@pytest.fixture
def a_grid():
    return Geometry((20, 24, 28), np.array([[-1.0, 0, 0, 14], [0, -1, 0, 12], [0, 0, 1.5, -15], [0, 0, 0, 1]]))


@pytest.fixture
def a_volume_under(a_scene, a_grid):
    def make(to_parent, kind="vtkMRMLTransformNode"):
        node = push_volume(a_scene, Image(np.zeros((1, 20, 24, 28), np.uint8), a_grid), "T1")
        transform = a_scene.AddNode(getattr(slicer, kind)())
        transform.SetAndObserveTransformToParent(to_parent)
        node.SetAndObserveTransformNodeID(transform.GetID())
        return node

    return make


def thin_plates(move):
    """The thin-plate spline through ``move``d points of a cube; it is exact where ``move`` is affine."""
    source, target = vtkPoints(), vtkPoints()
    for point in np.stack(np.meshgrid([-40, 0, 40.0], [-40, 0, 40.0], [-40, 0, 40.0]), axis=-1).reshape(-1, 3):
        source.InsertNextPoint(point)
        target.InsertNextPoint(move(point))
    spline = vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    return spline


def displacements(move, *, spacing_mm=2.0, kind=slicer.vtkOrientedGridTransform):
    """A displacement field, sampled from -40 to 40 mm."""
    axis = np.arange(-40, 40 + spacing_mm, spacing_mm)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    field = vtkImageData()
    field.SetDimensions(len(axis), len(axis), len(axis))
    field.SetSpacing(spacing_mm, spacing_mm, spacing_mm)
    field.SetOrigin(-40, -40, -40)
    field.GetPointData().SetScalars(numpy_to_vtk(np.apply_along_axis(move, 1, points) - points, deep=True))
    grid = kind()
    grid.SetDisplacementGridData(field)
    grid.SetInterpolationModeToCubic()
    return grid


def b_spline(move):
    """B-spline coefficients that are displacements: exact where these are affine."""
    axis = np.arange(-60, 61, 10.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    field = vtkImageData()
    field.SetDimensions(len(axis), len(axis), len(axis))
    field.SetSpacing(10, 10, 10)
    field.SetOrigin(-60, -60, -60)
    field.GetPointData().SetScalars(numpy_to_vtk(np.apply_along_axis(move, 1, points) - points, deep=True))
    spline = slicer.vtkOrientedBSplineTransform()
    spline.SetCoefficientData(field)
    return spline


def factors_of(node, grid):
    """(k, j, i) volume factors."""
    factors = finished(sampling_volume_factors(node, grid))
    return np.array([factors.plane(k) for k in range(grid.shape_kji[0])])


def affine(point):
    return AFFINE @ point + SHIFT


def swelling(point):
    """x stretched the more the further along it: determinant 1.1 + 0.02 x."""
    return point + np.array([0.1 * point[0] + 0.01 * point[0] ** 2, 0.0, 0.0])


@pytest.mark.parametrize("warp", [thin_plates, displacements, b_spline])
def test_the_tangent_of_an_affine_warp_is_that_affine_map(a_volume_under, warp):
    volume = read_volume(a_volume_under(warp(affine)))
    assert not volume.is_linear
    assert np.allclose(volume.lps_to_world[:3, :3], RAS_LPS @ AFFINE @ RAS_LPS, atol=1e-6)
    assert np.allclose(volume.lps_to_world[:3, 3], RAS_LPS @ SHIFT, atol=1e-5)


def test_the_tangent_moves_the_middle_of_the_volume_as_the_transform_does(a_volume_under, a_grid):
    node = a_volume_under(displacements(swelling))
    world_ras = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(RAS_LPS @ a_grid.center_lps_mm, world_ras)
    tangent = read_volume(node).lps_to_world
    assert np.allclose(tangent[:3, :3] @ a_grid.center_lps_mm + tangent[:3, 3], RAS_LPS @ world_ras, atol=1e-9)


def test_a_non_linear_transform_is_told(a_volume_under):
    assert "not linear" in read_volume(a_volume_under(thin_plates(affine))).warnings[0]


@pytest.mark.parametrize("warp", [thin_plates, displacements, b_spline])
def test_volume_factors_of_an_affine_warp_are_its_determinant(a_volume_under, a_grid, warp):
    factors = factors_of(a_volume_under(warp(affine)), a_grid)
    assert factors.shape == a_grid.shape_kji
    assert np.allclose(factors, np.linalg.det(AFFINE), rtol=1e-6)


def test_volume_factors_follow_a_transform_that_swells(a_volume_under, a_grid):
    factors = factors_of(a_volume_under(displacements(swelling)), a_grid)
    x_ras_mm = -a_grid.lps_of([[i, 0, 0] for i in range(28)])[:, 0]
    assert np.allclose(factors, 1.1 + 0.02 * x_ras_mm, atol=1e-3)


def test_factors_between_samples_are_interpolated(a_volume_under, a_grid, monkeypatch):
    monkeypatch.setattr("MedDLLogic.scene.transforms.MAX_SAMPLES", 5)
    factors = factors_of(a_volume_under(displacements(swelling)), a_grid)
    x_ras_mm = -a_grid.lps_of([[i, 0, 0] for i in range(28)])[:, 0]
    assert np.allclose(factors, 1.1 + 0.02 * x_ras_mm, atol=1e-3)


def test_segment_volumes_are_integrals_of_the_jacobian(a_volume_under, a_result, a_grid):
    result = a_result([1, 2], geometry=a_grid)
    volumes = segment_volumes_mm3(a_volume_under(displacements(swelling)), result)
    x_ras_mm = -a_grid.lps_of(np.argwhere(result.layers[0] == 2)[:, ::-1])[:, 0]
    expected_mm3 = (1.1 + 0.02 * x_ras_mm).sum() * a_grid.voxel_volume_mm3
    assert volumes["layer0_value2"] == pytest.approx((expected_mm3, len(x_ras_mm) * 1.5), rel=1e-4)


def test_an_inverted_transform_shrinks_what_it_swelled(a_scene, a_volume_under, a_grid):
    node = a_volume_under(displacements(affine))
    node.GetParentTransformNode().Inverse()
    factors = factors_of(node, a_grid)
    assert np.allclose(factors, 1 / np.linalg.det(AFFINE), rtol=1e-4)


def test_a_warp_below_a_linear_transform_counts_both(a_volume_under, a_grid, under):
    node = a_volume_under(thin_plates(affine))
    under(node.GetParentTransformNode(), np.diag([2.0, 2.0, 2.0, 1.0]))
    factors = factors_of(node, a_grid)
    assert np.allclose(factors, 8 * np.linalg.det(AFFINE), rtol=1e-6)


def test_an_empty_warp_changes_nothing(a_scene, a_grid):
    node = push_volume(a_scene, Image(np.zeros((1, 20, 24, 28), np.uint8), a_grid), "T1")
    node.SetAndObserveTransformNodeID(a_scene.AddNode(slicer.vtkMRMLBSplineTransformNode()).GetID())
    assert np.allclose(read_volume(node).lps_to_world, np.eye(4))


def measured(a_result, grid):
    return a_result([1, 2], geometry=grid, measurements=(Measurement("layer0_value2", "volume", 1.0, "ml"),))


def test_measuring_in_steps_gives_what_measuring_at_once_gives(a_volume_under, a_result, a_grid):
    node, result = a_volume_under(displacements(swelling)), measured(a_result, a_grid)

    def counted():
        returned = yield from measuring_in_world(result, node)
        found.append(returned)

    found = []
    assert sum(1 for _ in counted()) > a_grid.shape_kji[0]
    assert found[0].measurements == measured_in_world(result, node).measurements


def test_there_is_no_step_without_a_bending_transform(a_scene, a_result, a_grid):
    node = push_volume(a_scene, Image(np.zeros((1, 20, 24, 28), np.uint8), a_grid), "T1")
    result = measured(a_result, a_grid)
    assert list(measuring_in_world(result, node)) == []
    assert measured_in_world(result, node) is result


@pytest.mark.parametrize("nested", [False, True])
def test_a_transform_that_changes_between_steps_is_told(a_volume_under, a_result, a_grid, under, nested):
    node = a_volume_under(displacements(swelling))
    outer = under(node.GetParentTransformNode(), np.diag([2.0, 2.0, 2.0, 1.0]))
    steps = measuring_in_world(measured(a_result, a_grid), node)
    next(steps)
    if nested:
        outer.SetMatrixTransformToParent(vtk_matrix(np.eye(4)))
    else:
        node.GetParentTransformNode().SetAndObserveTransformToParent(thin_plates(affine))
    with pytest.raises(MedDLError, match="E604"):
        finished(steps)


def test_a_volume_put_elsewhere_between_steps_is_told(a_volume_under, a_result, a_grid):
    node = a_volume_under(displacements(swelling))
    steps = measuring_in_world(measured(a_result, a_grid), node)
    next(steps)
    node.SetAndObserveTransformNodeID(None)
    with pytest.raises(MedDLError, match="E604"):
        finished(steps)

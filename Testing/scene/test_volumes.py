from dataclasses import replace

import numpy as np
import pytest
from vtkmodules.vtkCommonDataModel import vtkImageData

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.scene.arrays import ras_matrix, vtk_matrix
from MedDLLogic.scene.measured import segment_volumes_mm3
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.segmentations import push_segmentation
from MedDLLogic.scene.segments import LABELMAP
from MedDLLogic.scene.volumes import find_volume, push_volume, read_volume


def turn_about_x(degrees):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[1, 0, 0, 0], [0, cos, -sin, 0], [0, sin, cos, 0], [0, 0, 0, 1]])


ROTATED_AND_SCALED = turn_about_x(40) @ np.diag([1.5, 0.8, 1.1, 1.0]) + np.array([[0, 0, 0, 7.0]] * 3 + [[0] * 4])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", ">i2"])
def test_a_pushed_image_is_read_back_as_it_was(a_scene, an_oblique_grid, dtype):
    voxels = np.arange(480).reshape(1, 6, 8, 10).astype(dtype)
    found = read_volume(push_volume(a_scene, Image(voxels, an_oblique_grid), "T1")).image
    assert np.array_equal(found.voxels, voxels)
    assert found.voxels.dtype == voxels.dtype.newbyteorder("=")
    assert found.geometry.is_same_grid(an_oblique_grid, 1e-9)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("bool", "uint8"), ("float16", "float32"), ("int8", "int16"), ("int64", "float64"), ("longdouble", "float64")],
)
def test_voxels_that_no_scene_file_can_hold_are_stored_as_others(a_scene, an_oblique_grid, dtype, stored):
    node = push_volume(a_scene, Image(np.ones((1, 6, 8, 10), dtype), an_oblique_grid), "T1")
    assert read_volume(node).image.voxels.dtype == stored


def test_a_read_volume_does_not_share_memory_with_the_scene(a_volume_node):
    volume = read_volume(a_volume_node)
    a_volume_node.GetImageData().GetPointData().GetScalars().Fill(0)
    assert volume.image.voxels.max() == 479


def test_a_volume_without_transform_lies_in_the_world_as_it_is(a_volume_node):
    volume = read_volume(a_volume_node)
    assert volume.lps_to_world is None
    assert volume.world_geometry is volume.image.geometry


def world_ras_of(node, ijk_to_ras, ijk):
    """Where the scene itself puts a voxel."""
    local = ijk_to_ras.MultiplyPoint((*ijk, 1.0))[:3]
    world = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(local, world)
    return np.array(world)


CORNERS_IJK = [(0, 0, 0), (9, 0, 0), (0, 7, 0), (0, 0, 5), (9, 7, 5), (3, 2, 1)]


@pytest.mark.parametrize("nested", [False, True])
def test_the_world_grid_is_where_the_scene_shows_the_voxels(a_volume_node, under, nested):
    transform = under(a_volume_node, ROTATED_AND_SCALED)
    if nested:
        under(transform, turn_about_x(-75) @ np.diag([1, -1, 2, 1]))
    volume = read_volume(a_volume_node)
    shown = [world_ras_of(a_volume_node, ras_matrix(volume.image.geometry), ijk) for ijk in CORNERS_IJK]
    assert np.allclose(volume.world_geometry.lps_of(CORNERS_IJK), np.array(shown) * [-1, -1, 1], atol=1e-9)


def test_a_segmentation_overlays_its_transformed_volume(a_scene, a_volume_node, a_result, under):
    under(under(a_volume_node, ROTATED_AND_SCALED), turn_about_x(10))
    node = push_segmentation(a_scene, a_result([1]), name="seg", reference_node=a_volume_node)
    image_to_ras = vtk_matrix(np.eye(4))
    node.GetSegmentation().GetNthSegment(0).GetRepresentation(LABELMAP).GetImageToWorldMatrix(image_to_ras)
    for ijk in CORNERS_IJK:
        volume = world_ras_of(a_volume_node, ras_matrix(read_volume(a_volume_node).image.geometry), ijk)
        assert np.abs(world_ras_of(node, image_to_ras, ijk) - volume).max() < 1e-3


def test_bounds_of_a_full_segmentation_are_those_of_its_volume(a_scene, a_volume_node, a_result, under):
    under(a_volume_node, np.diag([2.0, 3.0, 0.5, 1.0]))
    result = a_result([1])
    full = replace(result, layers=(np.ones(result.geometry.shape_kji, np.uint8),))
    node = push_segmentation(a_scene, full, name="seg", reference_node=a_volume_node)
    of_volume, of_segmentation = np.zeros(6), np.zeros(6)
    a_volume_node.GetRASBounds(of_volume)
    node.GetRASBounds(of_segmentation)
    assert np.abs(of_volume - of_segmentation).max() < 1e-3


def test_a_head_stored_lying_and_righted_by_a_transform_is_upright(a_scene, under):
    upright = Geometry((4, 5, 6), np.diag([1.0, 1.0, 2.0, 1.0]))
    lying = upright.transformed(turn_about_x(90))
    node = push_volume(a_scene, Image(np.zeros((1, 4, 5, 6), np.int16), lying), "T1")
    under(node, turn_about_x(90))  # in RAS a turn about x goes the other way than in LPS
    volume = read_volume(node)
    assert volume.image.geometry.orientation == "LSA"
    assert volume.world_geometry.is_same_grid(upright, 1e-9)
    assert volume.world_geometry.orientation == "LPS"


def test_world_volumes_follow_a_scaling_transform(a_volume_node, a_result, under):
    under(a_volume_node, np.diag([2.0, 1.0, -3.0, 1.0]))
    for world_mm3, local_mm3 in segment_volumes_mm3(a_volume_node, a_result([1, 5])).values():
        assert world_mm3 == pytest.approx(6 * local_mm3)


def test_volumes_without_transform_count_voxels(a_volume_node, a_result):
    result = a_result([1, -5], [7])
    volumes = segment_volumes_mm3(a_volume_node, result)
    for segment in result.table:
        expected = result.mask_of(segment.id).sum() * result.geometry.voxel_volume_mm3
        assert volumes[segment.id] == pytest.approx((expected, expected))


def test_volumes_of_a_result_on_another_grid_are_refused(a_volume_node, a_result):
    with pytest.raises(MedDLError, match="E332"):
        segment_volumes_mm3(a_volume_node, a_result([1], geometry=Geometry((6, 8, 10), np.eye(4))))


def test_an_unchanged_volume_is_found_again(a_scene, a_volume_node, under):
    under(a_volume_node, ROTATED_AND_SCALED)
    assert find_volume(a_scene, read_volume(a_volume_node)) is a_volume_node


def test_a_volume_that_left_the_scene_is_not_found(a_scene, a_volume_node):
    volume = read_volume(a_volume_node)
    a_scene.RemoveNode(a_volume_node)
    with pytest.raises(MedDLError, match="E604"):
        find_volume(a_scene, volume)


def test_a_volume_given_another_origin_is_not_the_same(a_scene, a_volume_node):
    volume = read_volume(a_volume_node)
    a_volume_node.SetOrigin(0.0, 0.0, 0.01)
    with pytest.raises(MedDLError, match="E604"):
        find_volume(a_scene, volume)


def test_a_volume_put_under_a_transform_is_not_the_same(a_scene, a_volume_node, under):
    volume = read_volume(a_volume_node)
    under(a_volume_node, turn_about_x(1))
    with pytest.raises(MedDLError, match="E604"):
        find_volume(a_scene, volume)


def test_a_node_that_took_over_the_id_is_not_the_volume(a_scene, a_volume_node, an_oblique_grid):
    volume = read_volume(a_volume_node)
    a_scene.Clear(0)
    other = push_volume(a_scene, Image(np.zeros((1, 2, 2, 2)), an_oblique_grid.cropped((0, 0, 0), (2, 2, 2))), "other")
    assert other.GetID() == volume.node_id
    with pytest.raises(MedDLError, match="E604"):
        find_volume(a_scene, volume)


def test_a_color_volume_is_refused(a_scene):
    pixels = vtkImageData()
    pixels.SetDimensions(4, 4, 4)
    pixels.AllocateScalars(3, 3)
    node = a_scene.AddNode(slicer.vtkMRMLVectorVolumeNode())
    node.SetAndObserveImageData(pixels)
    with pytest.raises(MedDLError, match="E310"):
        read_volume(node)


def test_a_volume_node_without_voxels_is_refused(a_scene):
    with pytest.raises(MedDLError, match="E301"):
        read_volume(a_scene.AddNode(slicer.vtkMRMLScalarVolumeNode()))


@pytest.mark.parametrize("kind", ["vtkMRMLSegmentationNode", "vtkMRMLLinearTransformNode", None])
def test_other_nodes_are_no_volumes(a_scene, kind):
    node = a_scene.AddNode(getattr(slicer, kind)()) if kind else None
    with pytest.raises(MedDLError, match="E310"):
        read_volume(node)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 0, 1, 1]), np.diag([1.0, 1, 1, 2]), np.diag([1, 1, np.nan, 1])])
def test_a_transform_that_flattens_space_is_refused(a_volume_node, under, matrix):
    under(a_volume_node, matrix)
    with pytest.raises(MedDLError, match="E307"):
        read_volume(a_volume_node)


def test_a_label_map_is_read_with_a_warning(a_scene, a_volume_node):
    node = a_scene.AddNode(slicer.vtkMRMLLabelMapVolumeNode())
    node.SetAndObserveImageData(a_volume_node.GetImageData())
    assert "label map" in read_volume(node).warnings[0]


def test_a_picture_lies_in_an_unknown_frame(a_scene, a_volume_node):
    storage = a_scene.AddNode(slicer.vtkMRMLVolumeArchetypeStorageNode())
    storage.SetFileName("Röntgen.PNG")
    a_volume_node.SetAndObserveStorageNodeID(storage.GetID())
    assert read_volume(a_volume_node).image.geometry.frame == "unknown"


def test_modality_and_units_come_from_the_dicom_series(a_scene, a_volume_node):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    tree.SetItemAttribute(tree.GetItemByDataNode(a_volume_node), "DICOM.Modality", "CT")
    hounsfield = slicer.vtkCodedEntry()
    hounsfield.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    a_volume_node.SetVoxelValueUnits(hounsfield)
    image = read_volume(a_volume_node).image
    assert (image.modality, image.units) == ("CT", "HU")


def test_several_channels_make_no_volume_node(a_scene, an_oblique_grid):
    image = Image(np.zeros((2, 6, 8, 10)), an_oblique_grid, channel_names=("a", "b"))
    with pytest.raises(MedDLError, match="E310"):
        push_volume(a_scene, image, "two")


def test_a_probability_volume_lies_under_the_transform_of_its_volume(a_scene, a_volume_node, an_oblique_grid, under):
    transform = under(a_volume_node, ROTATED_AND_SCALED)
    image = Image(np.zeros((1, 6, 8, 10), np.float32), an_oblique_grid)
    assert push_volume(a_scene, image, "p", reference_node=a_volume_node).GetParentTransformNode() is transform


def test_a_pushed_picture_stays_without_a_place_in_the_patient(a_scene):
    picture = Image(np.ones((1, 1, 6, 8), np.uint8), Geometry((1, 6, 8), np.eye(4), UNKNOWN))
    assert read_volume(push_volume(a_scene, picture, "x-ray")).image.geometry == picture.geometry

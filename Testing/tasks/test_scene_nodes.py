"""Volume nodes as input: what a parent transform does to orientation, overlay and millilitres."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonTransforms import vtkThinPlateSplineTransform

import MedDLLogic
from MedDLLogic.image import Image
from MedDLLogic.scene.arrays import vtk_matrix
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.segmentations import push_segmentation, read_segmentation
from MedDLLogic.scene.volumes import push_volume

from ..small_models import ball, make_bright_card


def quantity(result, name):
    return next(m.value for m in result.measurements if m.quantity == name)


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def put_under(scene):
    """``put_under(node, linear)``: a parent transform of that 3x3 matrix, in RAS."""

    def put(node, linear):
        matrix = np.eye(4)
        matrix[:3, :3] = linear
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(vtk_matrix(matrix))
        node.SetAndObserveTransformNodeID(transform.GetID())
        return transform

    return put


def test_a_node_gives_what_its_image_gives(scene, bright_card):
    image, inside = ball()
    result = MedDLLogic.segment(push_volume(scene, image, "ball"), model=str(bright_card))
    assert np.array_equal(result.mask_of("bright"), inside)
    assert result.geometry.is_same_grid(image.geometry)


def test_under_a_rotated_and_scaled_parent_the_result_stays_on_the_nodes_own_grid(scene, put_under, bright_card):
    image, inside = ball()
    node = push_volume(scene, image, "ball")
    transform = put_under(node, Rotation.from_euler("xyz", (20, 30, -10), degrees=True).as_matrix() * 1.5)
    result = MedDLLogic.segment(node, model=str(bright_card))
    pushed = push_segmentation(scene, result, name="bright", reference_node=node)
    assert pushed.GetTransformNodeID() == transform.GetID()
    assert np.array_equal(read_segmentation(pushed)[1][0] > 0, inside)
    assert quantity(result, "volume") == pytest.approx(1.5**3 * quantity(result, "local volume"))


def test_a_head_that_a_transform_puts_upright_is_seen_upright(scene, put_under, own_home, tmp_path):
    from MedDLLogic.models.registry import read_card
    from MedDLLogic.models.store import trust

    card = make_bright_card(tmp_path, recipe=[{"kind": "orient", "codes": "RAS"}])
    trust(stage.weights.sha256 for stage in read_card(card).card.network_stages)
    image, _ = ball(shape_kji=(16, 24, 32))
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    node = push_volume(scene, image.with_voxels(image.voxels, image.geometry.transformed(turn)), "turned")
    lying = MedDLLogic.segment(node, model=str(card)).provenance.steps[0].found
    put_under(node, turn[:3, :3])
    upright = MedDLLogic.segment(node, model=str(card)).provenance.steps[0].found
    plain = MedDLLogic.segment(image, model=str(card)).provenance.steps[0].found
    assert upright == plain != lying


def test_under_a_bent_space_millilitres_are_those_of_the_world(scene, bright_card):
    image, _ = ball()
    node = push_volume(scene, image, "ball")
    source, target = vtkPoints(), vtkPoints()
    for point in np.stack(np.meshgrid(*[[-90.0, 0.0, 90.0]] * 3), axis=-1).reshape(-1, 3):
        source.InsertNextPoint(point)
        target.InsertNextPoint(point * (2.0, 1.0, 1.0))
    spline = vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    transform = scene.AddNode(slicer.vtkMRMLTransformNode())
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())
    result = MedDLLogic.segment(node, model=str(bright_card))
    assert quantity(result, "volume") == pytest.approx(2 * quantity(result, "local volume"), rel=1e-3)


def test_channels_on_nodes_of_different_grids_are_brought_together(scene, unet_card):
    image, _ = ball()
    other = Image(ball(shape_kji=(30, 24, 18))[0].voxels, ball(shape_kji=(30, 24, 18))[0].geometry)
    nodes = {"first": push_volume(scene, image, "a"), "second": push_volume(scene, other, "b")}
    result = MedDLLogic.segment(nodes, model=str(unet_card))
    assert result.geometry.is_same_grid(image.geometry)
    assert any("resampled" in text for text in result.provenance.warnings)


def test_something_that_is_no_image_is_refused(bright_card):
    with pytest.raises(MedDLLogic.MedDLError, match="E101"):
        MedDLLogic.segment(42, model=str(bright_card))


def test_what_the_scene_has_to_say_of_a_node_is_told(scene, bright_card):
    image, inside = ball()
    plain = push_volume(scene, image.with_voxels(inside[None].astype(np.int16)), "plain")
    labels = scene.AddNode(slicer.vtkMRMLLabelMapVolumeNode())
    labels.CopyContent(plain)
    told = []
    MedDLLogic.segment(labels, model=str(bright_card), on_event=told.append)
    assert any(event.kind == "warning" and "label map" in event.message for event in told)

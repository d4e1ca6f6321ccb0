"""The real section Images on nodes of the real scene: selectors, live checks, the region of interest."""

from __future__ import annotations

from typing import Any

import pytest
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from MedDLLogic.scene.volumes import push_volume
from Testing.small_models import ball

from .application import Application
from .hands import choose, run, settle, status


@pytest.fixture
def ready(listed_model: str, volume: Any, panel: Application) -> Application:
    """The panel with volume and model chosen."""
    choose(panel, listed_model)
    settle(panel)
    return panel


@pytest.fixture
def roi(ready: Application) -> Any:
    """A region in the middle of the volume, chosen."""
    node = ready.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region")
    node.SetCenter(-10.0, -14.0, 24.0)
    node.SetSize(8.0, 8.0, 8.0)
    ready.child("roiSelector").setCurrentNode(node)
    settle(ready)
    return node


def selectors(panel: Application) -> list[Any]:
    """Those for volumes, in order."""
    further = panel.slicer.util.findChildren(panel.child("furtherInputs"), className="qMRMLNodeComboBox")
    return [panel.child("inputSelector"), *(selector for selector in further if not selector.isHidden())]


def check(panel: Application) -> str:
    return str(panel.child("inputCheck").text)


def put_under(volume: Any, kind: str) -> Any:
    transform = volume.GetScene().AddNewNodeByClass(kind, "Tilt")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_a_volume_that_was_there_before_the_panel_is_chosen(volume: Any, panel: Application) -> None:
    assert panel.child("inputSelector").currentNode() is volume


def test_the_check_tells_grid_and_spacing(ready: Application) -> None:
    assert check(ready) == "✓ 20 x 28 x 24 voxels, 1 x 1 x 2 mm, modality not known"


def test_a_transform_is_told_as_soon_as_the_volume_lies_under_it(ready: Application, volume: Any) -> None:
    put_under(volume, "vtkMRMLLinearTransformNode")
    settle(ready)
    assert check(ready).endswith("under the transform Tilt")


def test_a_transform_that_scales_changes_the_spacing_at_once(ready: Application, volume: Any) -> None:
    twice = vtkMatrix4x4()
    twice.SetElement(0, 0, 2.0)
    put_under(volume, "vtkMRMLLinearTransformNode").SetMatrixTransformToParent(twice)
    settle(ready)
    assert "2 x 1 x 2 mm" in check(ready)


def test_a_bent_space_is_warned_of(ready: Application, volume: Any) -> None:
    put_under(volume, "vtkMRMLBSplineTransformNode")
    settle(ready)
    assert "not linear" in check(ready) and check(ready).startswith("⚠")


def test_another_spacing_is_told_at_once(ready: Application, volume: Any) -> None:
    volume.SetSpacing(3.0, 1.0, 1.0)
    settle(ready)
    assert "3 x 1 x 1 mm" in check(ready)


def test_voxels_that_go_are_told_and_keep_the_run_from_starting(ready: Application, volume: Any) -> None:
    volume.SetAndObserveImageData(None)
    settle(ready)
    assert check(ready).startswith("✗ MEDDL-E301") and ready.child("applyButton").enabled is False


def test_a_volume_that_is_deleted_leaves_the_selector_empty(ready: Application, volume: Any) -> None:
    ready.slicer.mrmlScene.RemoveNode(volume)
    settle(ready)
    assert (ready.child("applyButton").enabled, check(ready)) == (False, "")


def test_the_selector_is_labelled_by_what_the_model_wants(ready: Application) -> None:
    assert (ready.child("inputLabel").text, ready.child("inputSelector").accessibleName) == ("a phantom:", "a phantom:")


def test_a_model_of_two_inputs_waits_for_both_volumes(two_input_model: str, volume: Any, panel: Application) -> None:
    choose(panel, two_input_model)
    second = selectors(panel)[1]
    assert (panel.child("applyButton").enabled, second.currentNode()) == (False, None)
    second.setCurrentNode(volume)
    assert panel.child("applyButton").enabled is True


def test_the_second_volume_is_kept_in_the_scene(two_input_model: str, volume: Any, panel: Application) -> None:
    choose(panel, two_input_model)
    selectors(panel)[1].setCurrentNode(volume)
    choose(panel, "brain-t1")
    choose(panel, two_input_model)
    assert selectors(panel)[1].currentNode() is volume


def test_a_model_of_one_input_has_one_selector(two_input_model: str, volume: Any, panel: Application) -> None:
    choose(panel, two_input_model)
    choose(panel, "brain-t1")
    settle(panel)
    assert len(selectors(panel)) == 1


def test_the_region_counts_in_the_plan(ready: Application, roi: Any) -> None:
    assert ready.widget._panel._presenter.ready.plan.shape_kji == (5, 9, 9)


def test_a_region_that_is_moved_off_the_volume_keeps_the_run_from_starting(ready: Application, roi: Any) -> None:
    roi.SetCenter(500.0, 0.0, 0.0)
    settle(ready)
    assert "region of interest holds no voxel" in ready.child("planLabel").text
    assert ready.child("applyButton").enabled is False


def test_a_region_that_is_turned_is_warned_of(ready: Application, roi: Any) -> None:
    turned = vtkMatrix4x4()
    turned.DeepCopy((0.8, -0.6, 0, 0, 0.6, 0.8, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1))
    transform = ready.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(turned)
    roi.SetAndObserveTransformNodeID(transform.GetID())
    settle(ready)
    assert "turned" in ready.child("roiCheck").text


def test_a_new_region_begins_around_the_volume(ready: Application, volume: Any) -> None:
    ready.child("roiSelector").addNode()
    node = ready.child("roiSelector").currentNode()
    bounds, wanted = [0.0] * 6, [0.0] * 6
    node.GetRASBounds(bounds)
    volume.GetRASBounds(wanted)
    assert bounds == pytest.approx(wanted)


def test_the_region_is_kept_in_the_scene(ready: Application, roi: Any) -> None:
    assert ready.widget.logic.getParameterNode().roi is roi


@pytest.fixture
def strangers(two_input_model: str, volume: Any, panel: Application) -> Application:
    """A model of two inputs, with two volumes of different frames of reference."""
    other = push_volume(panel.slicer.mrmlScene, ball()[0], "Other")
    tree = panel.slicer.mrmlScene.GetSubjectHierarchyNode()
    for node, frame in ((volume, "1.2"), (other, "3.4")):
        tree.SetItemAttribute(tree.GetItemByDataNode(node), "DICOM.FrameOfReferenceUID", frame)
    choose(panel, two_input_model)
    selectors(panel)[0].setCurrentNode(volume)
    selectors(panel)[1].setCurrentNode(other)
    settle(panel)
    return panel


def test_volumes_of_different_frames_of_reference_wait_for_a_tick(strangers: Application) -> None:
    assert strangers.child("applyButton").enabled is False
    assert strangers.child("framesCheck").isHidden() is False
    strangers.child("framesCheck").checked = True
    settle(strangers)
    assert strangers.child("applyButton").enabled is True


def test_a_tick_is_not_for_other_volumes(strangers: Application) -> None:
    strangers.child("framesCheck").checked = True
    third = push_volume(strangers.slicer.mrmlScene, ball()[0], "Third")
    selectors(strangers)[1].setCurrentNode(third)
    settle(strangers)
    assert strangers.child("framesCheck").checked is False


def test_a_run_with_the_tick_is_done(strangers: Application, quick_worker: Any) -> None:
    quick_worker("finish")
    strangers.child("framesCheck").checked = True
    settle(strangers)
    run(strangers)
    assert status(strangers).startswith("Done")

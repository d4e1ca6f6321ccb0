"""What is said of volumes before a run."""

import numpy as np
import pytest
from vtkmodules.util.vtkConstants import VTK_SHORT

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.models.card import InputSpec
from MedDLLogic.scene.facts import VolumeFacts, facts_of_volume, facts_together, fits_model
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.volumes import push_volume, read_volume

GRID = Geometry((6, 8, 10), np.diag([1.0, 1.0, 2.0, 1.0]))
T1 = InputSpec("t1", "MR", "T1-weighted head")


def volume(scene, grid=GRID, **tags):
    node = push_volume(scene, Image(np.zeros((1, *grid.shape_kji), np.int16), grid), "v")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for name, text in tags.items():
        tree.SetItemAttribute(tree.GetItemByDataNode(node), f"DICOM.{name}", text)
    return node


def facts(scene, grid=GRID, **tags):
    return facts_of_volume(volume(scene, grid, **tags))


def test_facts_are_those_of_the_world(a_scene, under):
    node = volume(a_scene, Modality="CT")
    under(node, np.diag([2.0, 1.0, 1.0, 1.0]))
    found = facts_of_volume(node)
    assert found.size_ijk_mm == (20.0, 8.0, 12.0)
    assert (found.scalar_type, found.modality, found.transform) == ("int16", "CT", "linear")


def test_an_oblique_volume_says_by_how_much(a_volume_node, a_scene):
    assert facts_of_volume(a_volume_node).world.oblique_degrees == pytest.approx(39.67, abs=0.01)
    assert facts(a_scene).world.oblique_degrees == 0


def test_a_bent_volume_is_told(a_scene):
    node = volume(a_scene)
    node.SetAndObserveTransformNodeID(a_scene.AddNode(slicer.vtkMRMLBSplineTransformNode()).GetID())
    found = facts_of_volume(node)
    assert found.transform == "non-linear" and "not linear" in found.warnings[0]


def test_no_voxel_is_looked_at(a_scene):
    usage = pytest.importorskip("resource")  # not on Windows
    node = volume(a_scene)
    node.GetImageData().SetDimensions(400, 400, 400)
    node.GetImageData().AllocateScalars(VTK_SHORT, 1)  # 128 MB, no page of which the system gives before it is read
    before = usage.getrusage(usage.RUSAGE_SELF).ru_minflt
    assert facts_of_volume(node).world.shape_kji == (400, 400, 400)
    assert usage.getrusage(usage.RUSAGE_SELF).ru_minflt - before < 60


def flattened(scene, under):
    node = volume(scene)
    under(node, np.diag([1.0, 0, 1, 1]))
    return node


UNUSABLE = {
    "nothing": lambda scene, under: None,
    "a segmentation": lambda scene, under: scene.AddNode(slicer.vtkMRMLSegmentationNode()),
    "no voxels": lambda scene, under: scene.AddNode(slicer.vtkMRMLScalarVolumeNode()),
    "flattened": flattened,
}


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
def test_the_refusal_is_that_of_reading(a_scene, under, make):
    node = make(a_scene, under)
    with pytest.raises(MedDLError) as caught:
        read_volume(node)
    found = facts_of_volume(node)
    assert str(found.refusal) == str(caught.value)
    assert fits_model(found, T1).refusal is found.refusal


def test_a_wrong_modality_is_warned_of(a_scene):
    assert fits_model(facts(a_scene, Modality="MR"), T1).warnings == ()
    assert "the volume says CT" in fits_model(facts(a_scene, Modality="CT"), T1).warnings[0]


def test_a_name_in_the_place_of_a_modality_is_not_told(a_scene):
    assert "Smith" not in fits_model(facts(a_scene, Modality="Smith^John"), T1).warnings[0]


def test_a_picture_does_not_fit_a_model_that_needs_millimetres(a_scene):
    picture = facts(a_scene, Geometry((1, 6, 8), np.eye(4), UNKNOWN))
    assert picture.size_ijk_mm is None
    assert fits_model(picture, T1).refusal.code == "E330"
    assert fits_model(picture, InputSpec("x", "DX", "", in_patient=False)).refusal is None


def test_volumes_on_one_grid_fit_without_a_word(a_scene):
    fit = facts_together({"a": facts(a_scene), "b": facts(a_scene)})
    assert (fit.warnings, fit.refusal, fit.needs_yes) == ((), None, False)


def test_another_grid_will_be_resampled(a_scene):
    fit = facts_together({"a": facts(a_scene), "b": facts(a_scene, GRID.resized((3, 4, 5)))})
    assert "b has another grid" in fit.warnings[0] and fit.refusal is None


def test_another_frame_of_reference_needs_a_yes(a_scene):
    one, other = (facts(a_scene, FrameOfReferenceUID=uid) for uid in ("1.2", "1.3"))
    assert facts_together({"a": one, "b": other}).needs_yes
    assert not facts_together({"a": one, "b": one}).needs_yes


def test_one_volume_in_two_roles_is_told(a_scene):
    found = facts(a_scene)
    assert "same volume" in facts_together({"a": found, "b": found}).warnings[0]


TURN = np.array([[0.6, -0.8, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize(("shift_mm", "apart"), [(9.4, False), (9.6, True)])
def test_volumes_that_do_not_overlap_are_refused(a_scene, shift_mm, apart):
    move = np.eye(4)
    move[0, 3] = shift_mm
    fit = facts_together({"a": facts(a_scene), "b": facts(a_scene, GRID.transformed(move))})
    assert (fit.refusal is not None) == apart


def test_turned_volumes_whose_bounding_boxes_meet_may_be_apart():
    square = Geometry((1, 10, 10), np.eye(4))
    corner = square.transformed(TURN).transformed(np.array([[1, 0, 0, 16.0], [0, 1, 0, 7], [0, 0, 1, 0], [0, 0, 0, 1]]))
    assert corner.lps_of([[0, 9, 0]])[0][0] < 9  # within the square's reach along x
    fit = facts_together({"a": VolumeFacts("1", square), "b": VolumeFacts("2", corner)})
    assert fit.refusal.code == "E331"


def test_a_picture_and_a_volume_do_not_go_together(a_scene):
    picture = facts(a_scene, Geometry((6, 8, 10), np.eye(4), UNKNOWN))
    assert facts_together({"a": facts(a_scene), "b": picture}).refusal.code == "E331"

"""A push that goes wrong leaves nothing; a push that goes right leaves memory that is the scene's own."""

import gc

import numpy as np
import pytest
from vtkmodules.vtkCommonCore import vtkWeakReference

from MedDLLogic.errors import MedDLError
from MedDLLogic.scene import filling, hierarchy, segmentations
from MedDLLogic.scene.arrays import checksums, voxels_of, vtk_matrix
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.prepare import prepare_push
from MedDLLogic.scene.segmentations import push_segmentation, replace_segmentation
from MedDLLogic.scene.segments import LABELMAP, content_of, tag
from MedDLLogic.scene.volumes import push_volume


def state_of(scene):
    """Names and ids of all nodes, and how many items the subject hierarchy has."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return sorted((node.GetID(), node.GetName()) for node in nodes), tree.GetNumberOfItems()


def broken(*args, **kwargs):
    raise RuntimeError


STEPS = [
    (segmentations, "filled"),
    (segmentations, "_outline_upper_layers"),
    (segmentations, "_refer_to"),
    (hierarchy, "place_beside"),
    (segmentations, "require_filled"),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_step_that_fails_leaves_the_scene_as_it_was(a_scene, a_volume_node, a_result, monkeypatch, module, step):
    before = state_of(a_scene)
    monkeypatch.setattr(module, step, broken)
    with pytest.raises(RuntimeError):
        push_segmentation(a_scene, a_result([1, 5]), name="x", reference_node=a_volume_node)
    assert state_of(a_scene) == before


def first_of(node):
    return node.GetSegmentation().GetNthSegment(0)


def labelmap_of(node):
    return first_of(node).GetRepresentation(LABELMAP)


def other_labelmap(node):
    copy = slicer.vtkOrientedImageData()
    copy.DeepCopy(labelmap_of(node))
    first_of(node).AddRepresentation(LABELMAP, copy)


MISTAKES = {
    "one voxel": lambda node: labelmap_of(node).GetPointData().GetScalars().SetValue(479, 77),
    "planes upside down": lambda node: voxels_of(labelmap_of(node)).__setitem__(
        slice(None), voxels_of(labelmap_of(node))[::-1].copy()
    ),
    "exchanged values": lambda node: first_of(node).SetLabelValue(5),
    "another labelmap": other_labelmap,
    "moved": lambda node: labelmap_of(node).SetOrigin(0.0, 0.0, 0.5),
    "renamed": lambda node: first_of(node).SetName("other"),
    "recolored": lambda node: first_of(node).SetColor(1.0, 0.0, 0.0),
    "another meaning": lambda node: first_of(node).SetTag("TerminologyEntry", ""),
    "a segment more": lambda node: node.GetSegmentation().AddEmptySegment("more", "more"),
    "reordered": lambda node: node.GetSegmentation().SetSegmentIndex("layer0_value5", 0),
    "another reference": lambda node: node.GetSegmentation().SetConversionParameter("Reference image geometry", ""),
    "other segments": lambda node: node.SetAndObserveSegmentation(slicer.vtkSegmentation()),
    "another transform": lambda node: node.SetAndObserveTransformNodeID(None),
}


@pytest.fixture
def tampered(monkeypatch):
    """``tampered(mistake)``: from now on each push makes that mistake at its end."""

    def put(mistake):
        place = segmentations._require_as_meant
        monkeypatch.setattr(
            segmentations, "_require_as_meant", lambda scene, node, *rest: (mistake(node), place(scene, node, *rest))
        )

    return put


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_push_does_not_pass(a_scene, a_volume_node, a_result, under, tampered, mistake):
    under(a_volume_node, np.diag([2.0, 1, 1, 1]))
    before = state_of(a_scene)
    tampered(mistake)
    with pytest.raises(MedDLError, match="E505"):
        push_segmentation(a_scene, a_result([1, 5]), name="x", reference_node=a_volume_node)
    assert state_of(a_scene) == before


def test_a_segmentation_removed_by_another_module_is_told(a_scene, a_result):
    def remove(caller, event):
        caller.RemoveNode(caller.GetFirstNodeByClass("vtkMRMLSegmentationNode"))

    a_scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, remove)
    with pytest.raises(MedDLError, match="E604"):
        push_segmentation(a_scene, a_result([1]), name="x")


def test_voxels_live_as_long_as_the_labelmap_that_shows_them(a_scene, a_result):
    result = a_result([1, 5, 9])
    expected = np.array(result.layers[0])
    labelmap = labelmap_of(push_segmentation(a_scene, prepare_push(result), name="seg"))
    del result
    gc.collect()
    taken = [np.full(480, 99, np.uint8) for _ in range(1000)]  # would land in memory that was given back
    assert np.array_equal(voxels_of(labelmap), expected)
    assert taken


def test_voxels_are_the_prepared_memory_and_are_given_back_with_the_node(a_scene, a_result):
    prepared = prepare_push(a_result([1, 5]))
    node = push_segmentation(a_scene, prepared, name="seg")
    scalars = vtkWeakReference()
    scalars.Set(labelmap_of(node).GetPointData().GetScalars())
    a_scene.RemoveNode(node)
    del node
    assert scalars.Get() is None


def test_painting_in_the_scene_changes_neither_the_result_nor_another_push(a_scene, a_result):
    result = a_result([1, 5])
    expected = np.array(result.layers[0])
    one, other = (push_segmentation(a_scene, result, name=name) for name in ("one", "other"))
    labelmap_of(one).GetPointData().GetScalars().Fill(1)
    assert np.array_equal(result.layers[0], expected)
    assert np.array_equal(voxels_of(labelmap_of(other)), expected)


@pytest.mark.parametrize("size", [1, 7, 8, 100_003, 1_000_000])
def test_a_checksum_sees_any_change_of_one_value(size):
    from MedDLLogic.scene.arrays import owned_scalars

    scalars = owned_scalars(np.random.default_rng(size).integers(0, 255, size, dtype=np.uint8))
    sums = checksums(scalars)
    scalars.SetValue(size - 1, scalars.GetValue(size - 1) + 1)
    assert not np.array_equal(checksums(scalars), sums)


@pytest.fixture
def an_old_node(a_scene, a_volume_node, a_result, under):
    """A segmentation under a transform of its own, of whose three segments one is hidden and one is faint."""
    node = push_segmentation(a_scene, a_result([1, 2, 5]), name="old", reference_node=a_volume_node)
    under(node, np.diag([3.0, 1, 1, 1]))
    node.GetDisplayNode().SetSegmentVisibility("layer0_value1", False)
    node.GetDisplayNode().SetSegmentOpacity3D("layer0_value2", 0.25)
    return node


def shown(node):
    display = node.GetDisplayNode()
    ids = node.GetSegmentation().GetSegmentIDs()
    return {i: (display.GetSegmentVisibility(i), display.GetSegmentOpacity3D(i)) for i in ids}


def content(node):
    """Everything of a segmentation node that a replacement could change."""
    labelmaps = [tuple(voxels_of(labelmap_of(node)).ravel().tolist())]
    role = node.GetReferenceImageGeometryReferenceRole()
    return (content_of(node), labelmaps, shown(node), node.GetTransformNodeID(), node.GetNodeReferenceID(role))


def test_a_replacement_keeps_the_node_and_changes_its_segments(a_scene, a_volume_node, a_result, an_old_node):
    result, before = a_result([5, 1], [7]), (state_of(a_scene), an_old_node.GetID())
    replace_segmentation(a_scene, an_old_node, prepare_push(result), reference_node=a_volume_node)
    assert (state_of(a_scene), an_old_node.GetID()) == before
    assert {i: c[-1] for i, c in content_of(an_old_node).items()} == prepare_push(result).voxel_counts
    assert an_old_node.GetParentTransformNode() is None


def test_segments_that_stay_are_shown_as_before(a_scene, a_volume_node, a_result, an_old_node):
    replace_segmentation(a_scene, an_old_node, a_result([1, 2], [7]), reference_node=a_volume_node)
    assert shown(an_old_node) == {"layer0_value1": (0, 1.0), "layer0_value2": (1, 0.25), "layer1_value7": (1, 1.0)}
    assert an_old_node.GetDisplayNode().GetSegmentOpacity2DFill("layer1_value7") == 0


def test_a_replacement_is_one_change(a_scene, a_volume_node, a_result, an_old_node):
    events = []
    an_old_node.AddObserver(an_old_node.SegmentationChangedEvent, lambda node, _: events.append(content_of(node)))
    replace_segmentation(a_scene, an_old_node, a_result([9]), reference_node=a_volume_node)
    assert events == [content_of(an_old_node)]


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_replacement_brings_the_old_segments_back(
    a_scene, a_volume_node, a_result, an_old_node, under, tampered, mistake
):
    under(a_volume_node, np.diag([2.0, 1, 1, 1]))
    before = state_of(a_scene), content(an_old_node)
    tampered(mistake)
    with pytest.raises(MedDLError, match="E505"):
        replace_segmentation(a_scene, an_old_node, a_result([1, 5]), reference_node=a_volume_node)
    assert (state_of(a_scene), content(an_old_node)) == before


@pytest.mark.parametrize("step", ["filled", "_refer_to", "_outline_upper_layers", "require_filled"])
def test_a_replacement_that_fails_brings_the_old_segments_back(
    a_scene, a_volume_node, a_result, an_old_node, monkeypatch, step
):
    before = content(an_old_node)
    monkeypatch.setattr(segmentations, step, broken)
    with pytest.raises(RuntimeError):
        replace_segmentation(a_scene, an_old_node, a_result([9]), reference_node=a_volume_node)
    assert content(an_old_node) == before


def test_old_segments_that_a_script_holds_keep_their_voxels(a_scene, a_volume_node, a_result, an_old_node):
    held = an_old_node.GetSegmentation()
    expected = np.array(voxels_of(labelmap_of(an_old_node)))
    replace_segmentation(a_scene, an_old_node, a_result([9]), reference_node=a_volume_node)
    assert np.array_equal(voxels_of(held.GetNthSegment(0).GetRepresentation(LABELMAP)), expected)


def test_old_segments_that_nobody_holds_are_given_back(a_scene, a_volume_node, a_result, an_old_node):
    labelmap = vtkWeakReference()
    labelmap.Set(labelmap_of(an_old_node))
    segment = first_of(an_old_node)  # not the segmentation: VTK would now move the voxels of each segment apart
    replace_segmentation(a_scene, an_old_node, a_result([9]), reference_node=a_volume_node)
    assert labelmap.Get() is None
    assert segment.GetRepresentation(LABELMAP) is None


def test_only_a_segmentation_of_this_scene_is_replaced(a_scene, a_volume_node, a_result):
    lone = slicer.vtkMRMLSegmentationNode()
    for node, code in ((a_volume_node, "E310"), (None, "E310"), (lone, "E604")):
        with pytest.raises(MedDLError, match=code):
            replace_segmentation(a_scene, node, a_result([1]))


def test_a_replacement_on_another_grid_is_refused(a_scene, a_volume_node, a_result, an_old_node, an_oblique_grid):
    before = content(an_old_node)
    result = a_result([1], geometry=an_oblique_grid.transformed(np.diag([1.1, 1, 1, 1])))
    with pytest.raises(MedDLError, match="E332"):
        replace_segmentation(a_scene, an_old_node, result, reference_node=a_volume_node)
    assert content(an_old_node) == before


def test_settings_of_conversion_stay_with_a_replaced_segmentation(a_scene, a_result, an_old_node):
    an_old_node.GetSegmentation().SetConversionParameter("Smoothing factor", "0.125")
    replace_segmentation(a_scene, an_old_node, a_result([9]))
    assert an_old_node.GetSegmentation().GetConversionParameter("Smoothing factor") == "0.125"
    assert tag(first_of(an_old_node), filling.ALGORITHM_NAME_TAG) == ""


def on_grid(node, volume):
    return segmentations.is_on_grid(node, volume)


def test_a_pushed_segmentation_is_on_the_grid_of_its_volume(a_scene, a_volume_node, a_result, under):
    under(a_volume_node, np.diag([2.0, 1, 1, 1]))
    node = push_segmentation(a_scene, a_result([1], [2]), name="s", reference_node=a_volume_node)
    assert on_grid(node, a_volume_node)
    node.SetAndObserveTransformNodeID(None)
    assert not on_grid(node, a_volume_node)


def test_a_volume_or_a_labelmap_that_was_moved_is_off_the_grid(a_scene, a_volume_node, a_result):
    node = push_segmentation(a_scene, a_result([1]), name="s", reference_node=a_volume_node)
    labelmap_of(node).SetOrigin(0.0, 0.0, 0.5)
    assert not on_grid(node, a_volume_node)
    other = push_segmentation(a_scene, a_result([1]), name="t", reference_node=a_volume_node)
    a_volume_node.SetIJKToRASMatrix(vtk_matrix(np.eye(4)))
    assert not on_grid(other, a_volume_node)


def test_a_push_into_a_scene_whose_volume_has_no_item_is_taken_back_whole(an_oblique_grid, a_result, monkeypatch):
    from MedDLLogic.image import Image
    from MedDLLogic.scene.create import new_scene

    scene = new_scene()
    volume = push_volume(scene, Image(np.zeros((1, *an_oblique_grid.shape_kji)), an_oblique_grid), "v")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    tree.RemoveItem(tree.GetItemByDataNode(volume), 0, 0)
    before = state_of(scene)
    monkeypatch.setattr(segmentations, "require_filled", broken)
    with pytest.raises(RuntimeError):
        push_segmentation(scene, a_result([1]), name="x", reference_node=volume)
    assert state_of(scene) == before

import zipfile
from pathlib import Path

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result
from MedDLLogic.scene.create import new_scene, show_in_slices
from MedDLLogic.scene.files import read_scene, read_segmentation_file, write_scene, write_segmentation
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.segmentations import ALGORITHM_NAME_TAG, push_segmentation, read_segmentation
from MedDLLogic.scene.segments import segments_of, tag, voxel_counts
from MedDLLogic.scene.tables import push_measurements
from MedDLLogic.scene.volumes import push_volume, read_volume

ANY_VALUES = [[[1, 5, 9]], [[3, 1, 2]], [[1, 300, 65535]], [[1, -2, 3]], [[1, 2], [1, 7]], [[4], [-300], [65535, 1]]]


@pytest.fixture
def through_file(tmp_path):
    def carry(node):
        path = tmp_path / "größe ☂.seg.nrrd"
        write_segmentation(node, path)
        return read_segmentation_file(new_scene(), path)

    return carry


@pytest.fixture
def through_scene(tmp_path):
    scene = new_scene()

    def carry(node):
        path = tmp_path / "größe ☂.mrb"
        write_scene(node.GetScene(), path)
        read_scene(scene, path)
        return scene.GetFirstNodeByName(node.GetName())

    return carry  # keeps the scene: a node whose scene is gone knows no other node


@pytest.fixture(params=["through_file", "through_scene"])
def carried(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("values", ANY_VALUES)
def test_segments_come_back_from_a_file_as_they_were(a_scene, a_volume_node, a_result, carried, values):
    result = a_result(*values)
    node = push_segmentation(a_scene, result, name="seg", reference_node=a_volume_node)
    meant = voxel_counts(node)
    geometry, layers, table = read_segmentation(back := carried(node))
    assert table == result.table
    assert voxel_counts(back) == meant
    assert all(np.array_equal(found, layer) for found, layer in zip(layers, result.layers, strict=True))
    assert geometry.is_same_grid(result.geometry)


@pytest.mark.parametrize("carry", ["through_file", "through_scene"])
def test_saving_leaves_label_values_in_the_scene_alone(a_scene, a_result, carry, request):
    node = push_segmentation(a_scene, result := a_result([1, 2], [1, 7]), name="seg")
    counts = voxel_counts(node)
    request.getfixturevalue(carry)(node)
    assert segments_of(node) == result.table.segments
    assert voxel_counts(node) == counts


def test_two_layers_that_slicer_merges_come_apart_again(a_scene, an_oblique_grid, through_file):
    low, high = np.zeros((2, *an_oblique_grid.shape_kji), np.uint8)
    low[0], high[1] = 3, 3
    table = LabelTable((Segment("low", "low", 3, (1, 2, 3)), Segment("high", "high", 3, (3, 2, 1), layer=1)))
    back = through_file(push_segmentation(a_scene, Result(an_oblique_grid, (low, high), table), name="seg"))
    assert back.GetSegmentation().GetNumberOfLayers() == 1
    _, layers, found = read_segmentation(back)
    assert found == table
    assert np.array_equal(layers, (low, high))


def test_a_segment_drawn_since_makes_the_scene_number_them(a_scene, a_result, through_file):
    back = through_file(push_segmentation(a_scene, a_result([1, 2], [1, 7]), name="seg"))
    back.GetSegmentation().AddEmptySegment("drawn", "drawn")
    assert [segment.value for segment in read_segmentation(back)[2]] == [1, 2, 1, 2, 3]


def test_the_algorithm_comes_back_from_a_file(a_scene, a_measured_result, carried):
    back = carried(push_segmentation(a_scene, a_measured_result, name="seg"))
    assert tag(back.GetSegmentation().GetNthSegment(0), ALGORITHM_NAME_TAG) == "brain 1.2"


def test_volume_and_transform_come_back_from_a_scene_file(a_volume_node, under, through_scene):
    under(a_volume_node, np.array([[0, -2.0, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]))
    meant, found = read_volume(a_volume_node), read_volume(through_scene(a_volume_node))
    assert np.array_equal(found.image.voxels, meant.image.voxels)
    assert found.world_geometry.is_same_grid(meant.world_geometry, 1e-6)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_voxels_of_every_type_come_back_from_a_scene_file(a_scene, an_oblique_grid, through_scene, dtype):
    voxels = np.arange(480).reshape(1, 6, 8, 10).astype(dtype)
    back = through_scene(push_volume(a_scene, Image(voxels, an_oblique_grid), "T1"))
    assert np.array_equal(read_volume(back).image.voxels, voxels)


def test_a_scene_opens_with_its_volume_in_the_slice_views(a_scene, a_volume_node, through_scene):
    show_in_slices(a_scene, a_volume_node)
    scene = through_scene(a_volume_node).GetScene()
    views = [scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in ("Red", "Green", "Yellow")]
    assert {view.GetBackgroundVolumeID() for view in views} == {a_volume_node.GetID()}


def test_a_segmentation_finds_its_volume_in_a_scene_file(a_scene, a_volume_node, a_result, through_scene):
    back = through_scene(push_segmentation(a_scene, a_result([1]), name="seg", reference_node=a_volume_node))
    assert back.GetNodeReference(back.GetReferenceImageGeometryReferenceRole()).GetName() == "T1"


def test_measurements_come_back_from_a_scene_file(a_scene, a_measured_result, through_scene):
    back = through_scene(push_measurements(a_scene, a_measured_result, name="numbers"))
    assert back.GetTable().GetValue(0, 1).ToDouble() == 12.5
    assert back.GetColumnUnitLabel("Volume [ml]") == "ml"


def test_the_place_in_the_hierarchy_comes_back_from_a_scene_file(a_scene, a_volume_node, a_result, through_scene):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    tree.SetItemParent(tree.GetItemByDataNode(a_volume_node), tree.CreateStudyItem(tree.GetSceneItemID(), "Study"))
    back = through_scene(push_segmentation(a_scene, a_result([1]), name="seg", reference_node=a_volume_node))
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(back.GetScene())
    assert tree.GetItemName(tree.GetItemParent(tree.GetItemByDataNode(back))) == "Study"


@pytest.fixture
def a_segmentation(a_scene, a_result):
    return push_segmentation(a_scene, a_result([1, 300]), name="seg")


def fails(code, act, *arguments):
    with pytest.raises(MedDLError) as caught:
        act(*arguments)
    return caught.value.code == code


def test_only_names_that_say_what_they_are_are_written(a_scene, a_segmentation, tmp_path):
    assert fails("E101", write_segmentation, a_segmentation, tmp_path / "a.nrrd")
    assert fails("E101", write_scene, a_scene, tmp_path / "a.mrml")


def test_a_missing_folder_is_told(a_scene, a_segmentation, tmp_path, capfd):
    assert fails("E503", write_segmentation, a_segmentation, tmp_path / "none" / "a.seg.nrrd")
    assert fails("E503", write_scene, a_scene, tmp_path / "none" / "a.mrb")
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_told(a_scene, tmp_path):
    assert fails("E301", read_segmentation_file, a_scene, tmp_path / "a.seg.nrrd")
    assert fails("E301", read_scene, a_scene, tmp_path / "a.mrb")


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_a_segmentation_file_cut_short_leaves_the_scene_as_it_was(a_scene, a_segmentation, tmp_path, size, capfd):
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(a_segmentation, path)
    path.write_bytes(path.read_bytes()[:size])
    nodes = a_scene.GetNumberOfNodes()
    assert fails("E305", read_segmentation_file, a_scene, path)
    assert a_scene.GetNumberOfNodes() == nodes
    assert capfd.readouterr() == ("", "")


def test_a_scene_file_cut_short_is_told(a_scene, a_segmentation, tmp_path):
    path = tmp_path / "a.mrb"
    write_scene(a_scene, path)
    path.write_bytes(path.read_bytes()[:500])
    assert fails("E305", read_scene, new_scene(), path)


def test_a_segmentation_without_segments_is_not_written(a_scene, tmp_path):
    node = a_scene.AddNode(slicer.vtkMRMLSegmentationNode())
    assert fails("E301", write_segmentation, node, tmp_path / "a.seg.nrrd")


@pytest.mark.parametrize("shape_kji", [(1, 4, 5), (3, 1, 5), (1, 1, 5), (2, 1, 1)])
def test_grids_one_voxel_thin_are_kept(a_scene, a_result, carried, shape_kji):
    result = a_result([1, 2], geometry=Geometry(shape_kji, np.diag([0.5, 2.0, 3.0, 1.0])))
    geometry, (layer,), _ = read_segmentation(carried(push_segmentation(a_scene, result, name="thin")))
    assert geometry.is_same_grid(result.geometry)
    assert np.array_equal(layer, result.layers[0])


def test_a_grid_of_one_voxel_is_refused_before_vtk_dies_of_it(a_scene, a_result, tmp_path):
    node = push_segmentation(a_scene, a_result([1], geometry=Geometry((1, 1, 1), np.eye(4))), name="dot")
    assert fails("E310", write_segmentation, node, tmp_path / "a.seg.nrrd")


def test_a_segment_without_a_name_is_refused_before_vtk_aborts_on_it(a_scene, a_segmentation, tmp_path):
    a_segmentation.GetSegmentation().GetNthSegment(0).SetName(None)
    assert fails("E402", write_segmentation, a_segmentation, tmp_path / "a.seg.nrrd")


def test_a_scene_file_is_a_whole_archive(a_scene, a_segmentation, tmp_path):
    write_scene(a_scene, tmp_path / "a.mrb")
    names = zipfile.ZipFile(tmp_path / "a.mrb").namelist()
    assert any(name.endswith(".mrml") for name in names)
    assert any(name.endswith("seg.seg.nrrd") for name in names)


def test_a_scene_file_with_a_damaged_image_is_refused_before_vtk_aborts_on_it(a_scene, a_segmentation, tmp_path):
    write_scene(a_scene, tmp_path / "a.mrb")
    with zipfile.ZipFile(tmp_path / "a.mrb") as whole, zipfile.ZipFile(tmp_path / "b.mrb", "w") as cut:
        for name in whole.namelist():
            cut.writestr(name, whole.read(name)[: -20 if name.endswith(".nrrd") else None])
    assert fails("E305", read_scene, new_scene(), tmp_path / "b.mrb")


def test_a_scene_file_that_asks_for_a_password_is_refused_in_one_line(a_scene, a_segmentation, tmp_path):
    write_scene(a_scene, tmp_path / "a.mrb")
    content = bytearray((tmp_path / "a.mrb").read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(header) + flags] |= 1
    (tmp_path / "a.mrb").write_bytes(content)
    assert fails("E305", read_scene, new_scene(), tmp_path / "a.mrb")


def test_a_node_name_that_would_spoil_a_scene_file_is_told(a_scene, a_volume_node, tmp_path):
    a_volume_node.SetName("T1 & T2")
    assert fails("E505", write_scene, a_scene, tmp_path / "a.mrb")


@pytest.mark.parametrize("name", ["line\nbreak", 'a "b" <c>', "🧠 |:=", "a/b\\c:d*?"])
def test_odd_names_of_nodes_and_segments_survive(a_scene, an_oblique_grid, carried, name):
    table = LabelTable((Segment("a", name, 1, (1, 2, 3)),))
    result = Result(an_oblique_grid, (np.ones(an_oblique_grid.shape_kji, np.uint8),), table)
    assert segments_of(carried(push_segmentation(a_scene, result, name=name)))[0].name == name


def test_writing_and_reading_a_scene_leaves_no_other_file(a_scene, a_segmentation, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    write_scene(a_scene, tmp_path / "a.mrb")
    read_scene(new_scene(), tmp_path / "a.mrb")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.mrb", "scratch"]


def test_the_console_is_loud_again_after_an_error(a_segmentation, tmp_path):
    fails("E503", write_segmentation, a_segmentation, tmp_path / "none" / "a.seg.nrrd")
    assert slicer.vtkMRMLScene.GetGlobalWarningDisplay() == 1


@pytest.mark.parametrize(("name", "layer_count"), [("Segmentation", 1), ("SegmentationOverlapping", 2)])
def test_a_segmentation_made_by_hand_in_slicer_is_kept(real_data, tmp_path, name, layer_count):
    node = read_segmentation_file(new_scene(), real_data("ct", "chest_slicerio", f"{name}.seg.nrrd"))
    _, layers, table = read_segmentation(node)
    assert len(layers) == layer_count
    assert table.segments[0].terminology.type.meaning == "Rib"
    write_segmentation(node, tmp_path / "again.seg.nrrd")


def test_a_relative_path_is_one_from_the_working_folder(a_scene, a_volume_node, a_result, tmp_path, monkeypatch):
    node = push_segmentation(a_scene, a_result([1, 5]), name="s", reference_node=a_volume_node)
    with monkeypatch.context() as here:
        here.chdir(tmp_path)
        write_segmentation(node, Path("s.seg.nrrd"))
        write_scene(a_scene, Path("s.mrb"))
        assert voxel_counts(read_segmentation_file(new_scene(), Path("s.seg.nrrd"))) == voxel_counts(node)
        read_scene(new_scene(), Path("s.mrb"))
    assert {path.name for path in tmp_path.iterdir()} == {"s.seg.nrrd", "s.mrb"}

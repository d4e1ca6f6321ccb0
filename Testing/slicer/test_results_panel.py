"""The real section Results on nodes of the real scene: the table, the views, the files."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Measurement, Result
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import read_segmentation_file
from MedDLLogic.scene.segmentations import push_segmentation
from MedDLLogic.scene.segments import voxel_counts
from MedDLLogic.scene.tables import push_measurements
from Testing.small_models import ball

from .application import Application
from .hands import press, settle

TABLE = LabelTable((Segment("ball", "Ball", 1, (230, 120, 100)), Segment("rest", "Rest", 2, (90, 190, 255))))


@pytest.fixture
def result(panel: Application, volume: Any) -> Application:
    """The panel with a result of two segments in the scene, the second one empty."""
    inside = ball()[1].astype(np.uint8)
    measured = (Measurement("ball", "volume", 2.5, "ml"), Measurement("ball", "mean", 0.9, "a.u."))
    made = Result(ball()[0].geometry, (inside,), TABLE, measurements=measured)
    scene = panel.slicer.mrmlScene
    node = push_segmentation(scene, made, name="Result", reference_node=volume, algorithm_name="some-model")
    state = panel.widget.logic.getParameterNode()
    state.resultTable = push_measurements(scene, made, name="Result measurements", reference_node=volume)
    state.result = node
    settle(panel)
    return panel


def node_of(panel: Application) -> Any:
    return panel.widget.logic.getParameterNode().result


def segment(panel: Application, segment_id: str = "ball") -> Any:
    return node_of(panel).GetSegmentation().GetSegment(segment_id)


def column(panel: Application, number: int) -> list[str]:
    table = panel.child("resultsTable")
    return [table.item(row, number).text() for row in range(table.rowCount)]


def is_shown(panel: Application, segment_id: str = "ball") -> bool:
    return bool(node_of(panel).GetDisplayNode().GetSegmentVisibility(segment_id))


def select(panel: Application, row: int) -> None:
    panel.child("resultsTable").setCurrentCell(row, 1)


def test_a_scene_that_holds_a_result_shows_it_with_its_numbers(result: Application) -> None:
    assert (column(result, 1), column(result, 2)) == (["Ball", "Rest"], ["2.50", "–"])  # noqa: RUF001
    assert result.child("gridLabel").text == "✓ On the grid of the volume, under the same transform."


def test_a_renamed_segment_is_renamed_in_the_table(result: Application) -> None:
    segment(result).SetName("Sphere")
    settle(result)
    assert column(result, 1) == ["Sphere", "Rest"]


def test_a_recolored_segment_is_recolored_in_the_table(result: Application) -> None:
    segment(result).SetColor(0.0, 0.0, 1.0)
    settle(result)
    item = result.child("resultsTable").item(0, 1)
    assert item.data(result.qt.Qt.DecorationRole).blue() == 255


def test_a_removed_segment_leaves_the_table(result: Application) -> None:
    node_of(result).GetSegmentation().RemoveSegment("rest")
    settle(result)
    assert column(result, 1) == ["Ball"]


def test_a_result_that_is_deleted_leaves_the_panel(result: Application) -> None:
    result.slicer.mrmlScene.RemoveNode(node_of(result))
    settle(result)
    assert result.child("resultsButton").isHidden()


def test_a_tick_shows_and_hides_a_segment(result: Application) -> None:
    result.child("resultsTable").item(0, 0).setCheckState(result.qt.Qt.Unchecked)
    assert (is_shown(result), is_shown(result, "rest")) == (False, True)


def test_a_segment_that_is_hidden_elsewhere_loses_its_tick(result: Application) -> None:
    node_of(result).GetDisplayNode().SetSegmentVisibility("ball", False)
    settle(result)
    assert result.child("resultsTable").item(0, 0).checkState() == result.qt.Qt.Unchecked


def test_hide_all_and_show_all(result: Application) -> None:
    press(result, "hideAllButton")
    hidden = is_shown(result), is_shown(result, "rest")
    press(result, "showAllButton")
    assert (hidden, is_shown(result), is_shown(result, "rest")) == ((False, False), True, True)


def test_a_segment_goes_to_the_middle_of_the_slice_views(result: Application) -> None:
    red = result.slicer.mrmlScene.AddNode(result.slicer.vtkMRMLSliceNode())
    select(result, 0)
    press(result, "jumpButton")
    center = ball()[0].geometry.center_lps_mm
    moved = red.GetSliceToRAS()
    assert abs(moved.GetElement(2, 3) - center[2]) <= 2.0


def test_a_double_click_goes_there_too(result: Application) -> None:
    red = result.slicer.mrmlScene.AddNode(result.slicer.vtkMRMLSliceNode())
    select(result, 0)
    result.child("resultsTable").cellDoubleClicked(0, 1)
    assert red.GetSliceToRAS().GetElement(2, 3) != 0.0


def test_an_empty_segment_cannot_be_gone_to_and_says_so(result: Application) -> None:
    select(result, 1)
    press(result, "jumpButton")
    assert "this segment is empty" in result.child("statusLabel").text


def test_a_click_on_a_head_sorts_the_table(result: Application) -> None:
    header = result.child("resultsTable").horizontalHeader()
    header.sectionClicked(1)
    header.sectionClicked(1)
    assert column(result, 1) == ["Rest", "Ball"]


def test_a_tick_in_a_sorted_table_means_the_segment_of_its_line(result: Application) -> None:
    header = result.child("resultsTable").horizontalHeader()
    header.sectionClicked(1)
    header.sectionClicked(1)
    result.child("resultsTable").item(0, 0).setCheckState(result.qt.Qt.Unchecked)
    assert (is_shown(result, "rest"), is_shown(result)) == (False, True)


def test_a_volume_that_was_moved_away_takes_the_tick_off_the_grid(result: Application, volume: Any) -> None:
    transform = result.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    settle(result)
    assert result.child("gridLabel").text.startswith("✗ No longer on the grid")


def test_a_volume_that_is_gone_leaves_the_question_open(result: Application, volume: Any) -> None:
    result.slicer.mrmlScene.RemoveNode(volume)
    settle(result)
    assert "no longer in the scene" in result.child("gridLabel").text


def test_painted_voxels_are_told(result: Application) -> None:
    labelmap = segment(result).GetRepresentation("Binary labelmap")
    labelmap.GetPointData().GetScalars().Fill(1)
    labelmap.Modified()
    settle(result)
    assert "changed after the run" in result.child("editedLabel").text


def test_the_segments_are_written_under_the_models_name(result: Application, tmp_path: Path) -> None:
    path = tmp_path / "kept.seg.nrrd"
    result.dialogs.expect(str(path), "Save the segments")
    press(result, "saveSegmentationButton")
    assert voxel_counts(read_segmentation_file(new_scene(), path)) == voxel_counts(node_of(result))
    assert result.child("savedLabel").text == "✓ kept.seg.nrrd is written."


def test_writing_changes_no_segment(result: Application, tmp_path: Path) -> None:
    result.dialogs.expect(str(tmp_path / "kept.seg.nrrd"))
    press(result, "saveSegmentationButton")
    settle(result)
    assert result.child("editedLabel").text == ""


def test_the_table_is_written_with_its_units(result: Application, tmp_path: Path) -> None:
    result.dialogs.expect(str(tmp_path / "kept"))  # the ending is added
    press(result, "saveTableButton")
    rows = list(csv.reader((tmp_path / "kept.csv").open(encoding="utf-8", newline="")))
    assert rows == [["Segment", "Volume [ml]", "Mean [a.u.]"], ["Ball", "2.5", "0.9"], ["Rest", "", ""]]


def test_the_scene_is_written_as_one_file(result: Application, tmp_path: Path) -> None:
    result.dialogs.expect(str(tmp_path / "kept.mrb"))
    press(result, "saveSceneButton")
    assert any(name.endswith(".mrml") for name in zipfile.ZipFile(tmp_path / "kept.mrb").namelist())


def test_the_dialog_proposes_the_models_name(result: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    proposed: list[str] = []
    dialog = result.qt.QFileDialog.real_class
    monkeypatch.setattr(dialog, "getSaveFileName", lambda _parent, _title, path, _kind: proposed.append(path) or "")
    press(result, "saveTableButton")
    assert Path(proposed[0]).name == "some-model.csv"


def test_a_file_nobody_was_asked_about_is_not_overwritten(result: Application, tmp_path: Path) -> None:
    (tmp_path / "kept.csv").write_text("mine")
    result.dialogs.expect(str(tmp_path / "kept"))
    press(result, "saveTableButton")
    assert (tmp_path / "kept.csv").read_text() == "mine"
    assert result.child("savedLabel").text.startswith("✗ MEDDL-E503")


def test_a_folder_that_is_not_there_is_one_line(result: Application) -> None:
    result.dialogs.expect("/nowhere/kept.seg.nrrd")
    press(result, "saveSegmentationButton")
    assert result.child("savedLabel").text.startswith("✗ MEDDL-E503") and "\n" not in result.child("savedLabel").text


def test_closing_the_scene_takes_the_result_away(result: Application) -> None:
    result.slicer.mrmlScene.Clear()
    settle(result)
    assert result.child("resultsButton").isHidden() and result.child("resultsTable").rowCount == 0


def test_what_was_moved_with_its_volume_is_still_on_its_grid(result: Application, volume: Any) -> None:
    transform = result.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    for node in (volume, node_of(result)):
        node.SetAndObserveTransformNodeID(transform.GetID())
    matrix = vtkMatrix4x4()
    matrix.SetElement(0, 3, 5.0)
    transform.SetMatrixTransformToParent(matrix)
    settle(result)
    assert result.child("gridLabel").text.startswith("✓")

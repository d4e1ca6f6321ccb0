"""The real panel, on the real ``.ui`` file, in the stand-in application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from MedDLLogic.scene.segmentations import read_segmentation
from MedDLLogic.scene.volumes import push_volume
from MedDLLogic.storage import exchange_base
from Testing.small_models import ball

from .application import Application

QuickWorker = Callable[[str], str]


@pytest.fixture
def ready(listed_model: str, volume: Any, panel: Application) -> Application:
    """The panel with volume and model chosen."""
    choose(panel, listed_model)
    return panel


def choose(panel: Application, model: str) -> None:
    selector = panel.child("modelSelector")
    selector.setCurrentIndex(selector.findData(model))


def status(panel: Application) -> str:
    return str(panel.child("statusLabel").text)


def run(panel: Application) -> None:
    panel.child("applyButton").click()
    panel.wait_until(lambda: panel.child("applyButton").text == "Apply")


def segmentations(panel: Application) -> list[Any]:
    return list(panel.slicer.mrmlScene.GetNodesByClass("vtkMRMLSegmentationNode"))


def test_without_a_volume_apply_says_what_is_missing(panel: Application) -> None:
    assert panel.child("applyButton").enabled is False
    assert status(panel).startswith("Choose a volume")
    assert panel.child("applyButton").toolTip == status(panel)


def test_the_models_of_resources_are_listed_with_their_facts(panel: Application) -> None:
    choose(panel, "brain-t1")
    assert panel.child("modelSelector").currentText == "Brain extraction from T1 MRI"
    assert panel.child("factsLabel").text == "MR · Brain · license MIT · 10 MB to download once"


def test_a_model_that_is_not_here_yet_names_the_download_on_the_button(panel: Application, volume: Any) -> None:
    choose(panel, "brain-t1")
    assert panel.child("applyButton").text == "Download 10 MB and apply"


def test_the_real_worker_segments_a_volume(
    bright_model: str, volume: Any, worker_python: str, panel: Application
) -> None:
    choose(panel, bright_model)
    run(panel)
    assert status(panel) == "Done: bright is in the scene."
    _, layers, table = read_segmentation(segmentations(panel)[0])
    assert [segment.name for segment in table] == ["bright"]
    assert (layers[0] > 0).sum() == ball()[1].sum()


def test_the_result_is_in_the_scene_and_in_the_table(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    run(ready)
    _, layers, _ = read_segmentation(segmentations(ready)[0])
    table = ready.child("resultsTable")
    assert (layers[0] == 5).sum() == 20 * 22 * 12
    assert (table.item(0, 0).text(), table.item(0, 1).text(), table.rowCount) == ("Box", "12.2 ml", 2)


def test_warnings_of_the_run_stay_to_be_read(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    run(ready)
    assert status(ready) == "Done: listed is in the scene.\nthe volume is small"


def test_what_libraries_print_does_no_harm(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("chatter")
    run(ready)
    assert len(segmentations(ready)) == 1


def test_while_it_runs_inputs_are_locked_and_the_stage_is_told(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    ready.child("applyButton").click()
    ready.wait_until(lambda: ready.child("progressBar").value == 37)
    assert (ready.child("applyButton").text, ready.child("inputSelector").enabled) == ("Cancel", False)
    assert ready.child("stageLabel").text == "Look: about 2 min left"


def test_cancel_ends_even_a_worker_that_does_not_listen(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    ready.child("applyButton").click()
    ready.child("applyButton").click()
    assert status(ready) == "Cancelling…"
    ready.wait_until(lambda: status(ready) == "Cancelled.", seconds=5)
    assert segmentations(ready) == []


@pytest.mark.parametrize("behavior", ["finish", "refuse", "crash"])
def test_no_exchange_folder_is_left_behind(ready: Application, quick_worker: QuickWorker, behavior: str) -> None:
    quick_worker(behavior)
    run(ready)
    assert list(exchange_base().iterdir()) == []


@pytest.mark.parametrize(("behavior", "code"), [("refuse", "MEDDL-E309"), ("crash", "MEDDL-E603")])
def test_a_failure_is_one_line(ready: Application, quick_worker: QuickWorker, behavior: str, code: str) -> None:
    quick_worker(behavior)
    run(ready)
    assert status(ready).startswith(code) and "\n" not in status(ready)
    assert segmentations(ready) == []


def test_a_volume_without_voxels_is_refused_before_the_worker_starts(panel: Application, listed_model: str) -> None:
    panel.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    panel.child("applyButton").click()
    assert status(panel).startswith("MEDDL-E301")


def test_a_volume_that_goes_away_during_the_run_leaves_the_result_as_a_file(
    ready: Application, quick_worker: QuickWorker, volume: Any, tmp_path: Path
) -> None:
    quick_worker("finish")
    ready.child("applyButton").click()
    ready.slicer.mrmlScene.RemoveNode(volume)
    ready.wait_until(lambda: status(ready).startswith("MEDDL-E604"))
    assert "listed-1.seg.nrrd" in status(ready)
    assert (tmp_path / "listed-1.seg.nrrd").is_file() and segmentations(ready) == []


def test_a_python_that_is_not_there_is_told(ready: Application) -> None:
    ready.child("workerPython").currentPath = "/nowhere/python"
    run(ready)
    assert status(ready).startswith("MEDDL-E101") and "Advanced" in status(ready)


def test_a_python_without_the_packages_is_told(ready: Application, tmp_path: Path) -> None:
    bare = tmp_path / "bare-python"
    bare.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n")
    bare.chmod(0o700)
    ready.child("workerPython").currentPath = str(bare)
    run(ready)
    assert status(ready).startswith("MEDDL-E104: torch is missing in the worker's Python")


def test_an_emptied_path_gives_slicers_own_python_again(ready: Application) -> None:
    ready.child("workerPython").currentPath = "/nowhere/python"
    ready.child("workerPython").currentPath = ""
    assert ready.slicer.util.settingsValue("MedDL/WorkerPython", None) == ""


def test_a_volume_that_was_there_before_the_panel_is_chosen(volume: Any, panel: Application) -> None:
    assert panel.child("inputSelector").currentNode() is volume


def test_a_volume_that_came_while_another_module_was_open_is_chosen(panel: Application) -> None:
    panel.leave()
    panel.slicer.mrmlScene.Clear()
    node = panel.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Later")
    panel.enter()
    assert panel.widget.logic.getParameterNode().inputVolume is node


def test_the_device_stays_chosen_when_the_state_is_shown_anew(panel: Application) -> None:
    panel.child("deviceSelector").setCurrentIndex(1)
    for state in (None, panel.widget.logic.getParameterNode()):
        panel.widget._follow(state)
    assert panel.widget.logic.getParameterNode().device == "cpu"


def test_a_script_may_press_apply_in_a_panel_that_is_not_open(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    ready.leave()
    ready.slicer.mrmlScene.Clear()
    node = push_volume(ready.slicer.mrmlScene, ball()[0], "Ball")
    ready.child("inputSelector").setCurrentNode(node)
    run(ready)
    assert len(segmentations(ready)) == 1


def test_the_choice_is_kept_in_the_scene(ready: Application) -> None:
    state = ready.widget.logic.getParameterNode()
    assert (state.inputVolume.GetName(), state.model, state.device) == ("Ball", "listed", "auto")


def test_a_script_that_sets_the_model_moves_the_panel(ready: Application) -> None:
    ready.widget.logic.getParameterNode().model = "brain-t1"
    assert ready.child("modelSelector").currentText == "Brain extraction from T1 MRI"


def test_a_model_of_two_inputs_waits_for_both_volumes(two_input_model: str, volume: Any, panel: Application) -> None:
    choose(panel, two_input_model)
    assert (panel.child("applyButton").enabled, second_selector(panel).currentNode()) == (False, None)
    second_selector(panel).setCurrentNode(volume)
    assert panel.child("applyButton").enabled is True


def test_the_second_volume_is_kept_in_the_scene(two_input_model: str, volume: Any, panel: Application) -> None:
    choose(panel, two_input_model)
    second_selector(panel).setCurrentNode(volume)
    choose(panel, "brain-t1")
    choose(panel, two_input_model)
    assert second_selector(panel).currentNode() is volume


def test_a_model_of_one_input_has_one_selector(two_input_model: str, volume: Any, panel: Application) -> None:
    choose(panel, two_input_model)
    choose(panel, "brain-t1")
    panel.slicer.app.processEvents()
    assert len(selectors(panel)) == 1


def selectors(panel: Application) -> list[Any]:
    return list(panel.slicer.util.findChildren(panel.child("inputsButton"), className="qMRMLNodeComboBox"))


def second_selector(panel: Application) -> Any:
    return next(selector for selector in selectors(panel) if selector != panel.child("inputSelector"))


def test_closing_the_scene_stops_the_run(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    ready.child("applyButton").click()
    ready.slicer.mrmlScene.Clear()
    assert ready.child("applyButton").enabled is False
    assert segmentations(ready) == []


def test_a_volume_under_a_transform_is_segmented_as_it_lies_in_the_world(
    ready: Application, quick_worker: QuickWorker, volume: Any
) -> None:
    quick_worker("finish")
    transform = put_under(volume, ready.slicer.vtkMRMLLinearTransformNode())
    run(ready)
    assert segmentations(ready)[0].GetTransformNodeID() == transform.GetID()


def test_a_bent_space_is_told(ready: Application, quick_worker: QuickWorker, volume: Any) -> None:
    quick_worker("finish")
    put_under(volume, ready.slicer.vtkMRMLBSplineTransformNode())
    run(ready)
    assert "not linear" in status(ready)


def put_under(volume: Any, transform: Any) -> Any:
    volume.GetScene().AddNode(transform)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform

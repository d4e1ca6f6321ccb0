"""The real panel, on the real ``.ui`` file, in the stand-in application: choosing, Apply, progress, cancel, queue."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6 import QtWidgets

from MedDLLogic.scene.segmentations import read_segmentation
from MedDLLogic.scene.volumes import push_volume
from MedDLLogic.storage import exchange_base, models_folder
from Testing.small_models import ball

from .application import Application
from .hands import choose, press, run, segmentations, settle, status, wait_for_end

QuickWorker = Callable[[str], str]
UI = Path(__file__).parents[2] / "Resources" / "UI" / "MedDL.ui"


@pytest.fixture
def ready(listed_model: str, volume: Any, panel: Application) -> Application:
    """The panel with volume and model chosen."""
    choose(panel, listed_model)
    settle(panel)
    return panel


@pytest.fixture
def low_window(panel: Application) -> Iterator[QtWidgets.QScrollArea]:
    """A window that is lower than the panel in it."""
    area = QtWidgets.QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(panel.frame)
    area.resize(460, 300)
    area.show()
    yield area
    area.takeWidget()


@pytest.fixture
def two_models(listed_model: str, volume: Any, panel: Application) -> Application:
    """The panel with two models that the quick worker can run, the first one chosen."""
    text = (models_folder() / "listed.json").read_text(encoding="utf-8")
    (models_folder() / "second.json").write_text(text.replace('"listed"', '"second"'), encoding="utf-8")
    panel.widget.enter()
    choose(panel, listed_model)
    return panel


def apply_state(panel: Application) -> tuple[str, bool]:
    return panel.child("applyButton").text, panel.child("applyButton").enabled


def phases(panel: Application) -> list[str]:
    return [state.phase for state in panel.widget.logic.backstage.runs.states]


def start(panel: Application, phase: str = "running") -> None:
    """Press Apply and wait until the run is that far."""
    press(panel, "applyButton")
    panel.wait_until(lambda: phase in phases(panel))


# -- choosing ----------------------------------------------------------------------------------------------


def test_without_a_volume_apply_says_what_is_missing(panel: Application) -> None:
    assert panel.child("applyButton").enabled is False
    assert panel.child("planLabel").text.startswith("Choose a volume")
    assert panel.child("applyButton").toolTip == panel.child("planLabel").text


def test_missing_packages_are_noticed_and_the_button_opens_their_section(panel: Application) -> None:
    settle(panel)
    assert "not installed" in panel.child("noticeLabel").text and not panel.child("noticeFrame").isHidden()
    press(panel, "noticeButton")
    assert panel.child("environmentButton").collapsed is False


def test_the_button_scrolls_to_its_section(panel: Application, low_window: QtWidgets.QScrollArea) -> None:
    press(panel, "noticeButton")
    panel.wait_until(lambda: low_window.verticalScrollBar().value() > 0)


def test_with_a_python_of_the_users_own_nothing_is_noticed(worker_python: str, panel: Application) -> None:
    settle(panel)
    assert panel.child("noticeFrame").isHidden()


def test_the_storage_page_opens_with_its_section(panel: Application) -> None:
    panel.child("storageButton").collapsed = False
    assert panel.slicer.util.findChildren(panel.child("storageButton"), name="storageTable")


def test_the_plan_is_told_before_the_run(panel: Application, volume: Any) -> None:
    panel.widget.enter()
    choose(panel, "brain-t1")
    settle(panel)
    assert panel.child("planLabel").text.startswith("2 tiles · time not known yet on this machine")


def test_a_model_that_is_not_here_yet_names_the_download_on_the_button(panel: Application, volume: Any) -> None:
    panel.widget.enter()
    choose(panel, "brain-t1")
    assert apply_state(panel) == ("Download 10 MB and apply", True)


def test_the_choice_is_kept_in_the_scene(ready: Application) -> None:
    state = ready.widget.logic.getParameterNode()
    assert (state.inputVolume.GetName(), state.model, state.device) == ("Ball", "listed", "auto")


def test_a_script_that_sets_the_model_moves_the_panel(ready: Application) -> None:
    ready.widget.logic.getParameterNode().model = "brain-t1"
    assert ready.child("modelList").currentItem().text() == "Brain extraction from T1 MRI"


def test_a_model_that_this_machine_does_not_have_is_told(ready: Application) -> None:
    ready.widget.logic.getParameterNode().model = "theirs"
    assert ready.child("planLabel").text == "The model theirs is not on this machine; choose another one."


def test_a_quality_of_a_newer_version_is_taken_for_the_standard_one(ready: Application) -> None:
    ready.widget.logic.getParameterNode().parameterNode.SetParameter("quality", "finest")
    ready.widget.logic.getParameterNode().parameterNode.SetParameter("precision", "perfect")
    assert ready.child("qualitySelector").currentText == "Standard" and apply_state(ready)[1]
    assert ready.child("precisionSelector").currentText == "Automatic"


def test_opening_the_module_chooses_a_model_and_a_volume_and_nothing_else(volume: Any, panel: Application) -> None:
    state = panel.widget.logic.getParameterNode()
    assert (state.inputVolume, state.model) == (volume, "brain-t1")
    assert (state.roi, state.result, state.device, state.quality) == (None, None, "auto", "standard")


def test_a_volume_that_came_while_another_module_was_open_is_chosen(panel: Application) -> None:
    panel.leave()
    panel.slicer.mrmlScene.Clear()
    node = panel.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Later")
    panel.enter()
    assert panel.widget.logic.getParameterNode().inputVolume is node


def test_the_state_survives_saving_and_loading_the_scene(ready: Application, tmp_path: Path) -> None:
    pick(ready, "deviceSelector", "cpu")
    scene = ready.slicer.mrmlScene
    scene.SetURL(str(tmp_path / "scene.mrml"))
    text = scene_text(scene)
    scene.Clear()
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(text)
    scene.Import()
    ready.enter()
    assert (ready.widget.logic.getParameterNode().model, chosen(ready, "deviceSelector")) == ("listed", "cpu")


# -- options -----------------------------------------------------------------------------------------------


def pick(panel: Application, name: str, value: str) -> None:
    """Choose a line of a list by its value, as a user does."""
    selector = panel.child(name)
    selector.setCurrentIndex(selector.findData(value))
    selector.activated(selector.currentIndex)


def chosen(panel: Application, name: str) -> str:
    return str(panel.child(name).currentData)


def test_device_and_quality_go_into_the_scene(ready: Application) -> None:
    pick(ready, "deviceSelector", "cpu")
    pick(ready, "qualitySelector", "fast")
    pick(ready, "precisionSelector", "reference")
    state = ready.widget.logic.getParameterNode()
    assert (state.device, state.quality, state.precision, state.mirroring) == ("cpu", "fast", "reference", False)


def test_the_device_stays_chosen_when_the_state_is_shown_anew(panel: Application) -> None:
    pick(panel, "deviceSelector", "cpu")
    for state in (None, panel.widget.logic.getParameterNode()):
        panel.widget._follow(state)
    assert chosen(panel, "deviceSelector") == "cpu"


def test_quality_is_disabled_with_the_reason_for_a_model_that_takes_the_whole_image(panel: Application) -> None:
    choose(panel, "brain-t1")
    assert panel.child("qualitySelector").enabled is False
    assert "whole image" in panel.child("qualitySelector").toolTip


def test_what_the_machine_lacks_cannot_be_chosen_and_says_why(
    panel: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = __import__("sys").modules["MedDLLib.options_panel"]
    monkeypatch.setattr(module, "read_devices", module.Devices)
    panel.child("optionsButton").collapsed = False
    selector = panel.child("deviceSelector")
    qt = panel.qt.Qt
    panel.wait_until(lambda: selector.itemData(selector.findData("cuda"), qt.UserRole - 1) == 0)
    assert selector.itemData(selector.findData("cuda"), qt.ToolTipRole).startswith("No NVIDIA")


def test_a_result_is_replaced_where_the_user_says_so_and_the_button_tells(
    ready: Application, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    run(ready)
    ready.child("outputSelector").setCurrentNode(segmentations(ready)[0])
    assert apply_state(ready) == ("Apply, replacing a result", True)
    run(ready)
    assert len(segmentations(ready)) == 1


def test_a_second_run_makes_a_second_node(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    run(ready)
    run(ready)
    assert [node.GetName() for node in segmentations(ready)] == ["listed", "listed_1"]


def test_another_model_does_not_replace_what_was_chosen_for_the_first(
    ready: Application, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    run(ready)
    ready.child("outputSelector").setCurrentNode(segmentations(ready)[0])
    choose(ready, "brain-t1")
    assert ready.child("outputSelector").currentNode() is None


# -- runs --------------------------------------------------------------------------------------------------


def test_the_real_worker_segments_a_volume(
    bright_model: str, volume: Any, worker_python: str, panel: Application
) -> None:
    choose(panel, bright_model)
    run(panel)
    _, layers, table = read_segmentation(segmentations(panel)[0])
    assert [segment.name for segment in table] == ["bright"]
    assert (layers[0] > 0).sum() == ball()[1].sum()


def test_the_result_is_in_the_scene_and_in_the_table(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    run(ready)
    _, layers, _ = read_segmentation(segmentations(ready)[0])
    table = ready.child("resultsTable")
    assert (layers[0] == 5).sum() == 20 * 22 * 12
    assert [table.item(0, column).text() for column in (1, 2, 3)] == ["Box", "12.2", "41.5"]


def test_while_it_runs_the_stage_is_told_and_cancel_stands_beside_apply(
    ready: Application, quick_worker: QuickWorker
) -> None:
    quick_worker("hang")
    press(ready, "applyButton")
    ready.wait_until(lambda: ready.child("progressBar").value == 37)
    assert ready.child("stageLabel").text == "Look · 37 % · about 2 min left"
    assert (apply_state(ready), ready.child("cancelButton").enabled) == (("Apply", False), True)
    press(ready, "cancelButton")
    wait_for_end(ready)


def test_cancel_ends_even_a_worker_that_does_not_listen(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    start(ready)
    press(ready, "cancelButton")
    assert ready.child("stageLabel").text == "Cancelling…"
    ready.wait_until(lambda: status(ready) == "Cancelled.", seconds=5)
    assert segmentations(ready) == [] and apply_state(ready) == ("Apply", True)


def test_a_second_choice_goes_into_the_queue_and_is_run_after_the_first(
    two_models: Application, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    press(two_models, "applyButton")
    choose(two_models, "second")
    assert apply_state(two_models) == ("Add to queue", True)
    run(two_models)
    assert [two_models.child("queueTable").item(row, 1).text() for row in (0, 1)] == ["Done", "Done"]
    assert len(segmentations(two_models)) == 2


def test_a_run_that_waits_is_cancelled_by_its_cross(two_models: Application, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    start(two_models)
    choose(two_models, "second")
    press(two_models, "applyButton")
    two_models.child("queueTable").cellWidget(1, 2).click()
    assert (phases(two_models)[0], phases(two_models)[1]) == ("running", "cancelled")
    press(two_models, "cancelButton")
    wait_for_end(two_models)


def test_an_earlier_result_is_shown_again_by_a_click_on_its_run(
    two_models: Application, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    run(two_models)
    choose(two_models, "second")
    run(two_models)
    two_models.child("queueTable").cellClicked(0, 0)
    assert two_models.child("resultLabel").text == segmentations(two_models)[0].GetName()


@pytest.mark.parametrize("behavior", ["finish", "refuse", "crash"])
def test_no_exchange_folder_is_left_behind(ready: Application, quick_worker: QuickWorker, behavior: str) -> None:
    quick_worker(behavior)
    run(ready)
    ready.quit()
    assert list(exchange_base().iterdir()) == []


@pytest.mark.parametrize(("behavior", "code"), [("refuse", "MEDDL-E309"), ("crash", "MEDDL-E603")])
def test_a_failure_is_one_line_and_the_panel_goes_on(
    ready: Application, quick_worker: QuickWorker, behavior: str, code: str
) -> None:
    quick_worker(behavior)
    run(ready)
    assert status(ready).startswith(code) and segmentations(ready) == []
    assert apply_state(ready) == ("Apply", True)


def test_a_volume_without_voxels_is_refused_before_the_worker_starts(panel: Application, listed_model: str) -> None:
    panel.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    panel.widget.enter()
    choose(panel, listed_model)
    assert panel.child("planLabel").text.startswith("MEDDL-E301")
    assert apply_state(panel) == ("Apply", False)


def test_a_python_that_is_not_there_is_told(ready: Application) -> None:
    ready.qt.QSettings().setValue("MedDL/WorkerPython", "/nowhere/python")
    press(ready, "applyButton")
    assert status(ready).startswith("MEDDL-E101") and apply_state(ready) == ("Apply", True)


def test_a_defect_is_one_line_too_and_leaves_no_stuck_panel(
    ready: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready.widget.logic.backstage.runs, "start", lambda wish: 1 / 0)
    press(ready, "applyButton")
    assert status(ready).startswith("MEDDL-E901") and "ZeroDivisionError" in status(ready)
    assert apply_state(ready) == ("Apply", True)


def test_a_script_may_press_apply_in_a_panel_that_is_not_open(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    ready.leave()
    ready.slicer.mrmlScene.Clear()
    node = push_volume(ready.slicer.mrmlScene, ball()[0], "Ball")
    ready.child("inputSelector").setCurrentNode(node)
    run(ready)
    assert len(segmentations(ready)) == 1


def test_a_run_of_a_script_shows_its_progress_in_the_panel(
    ready: Application, quick_worker: QuickWorker, volume: Any
) -> None:
    quick_worker("finish")
    ready.widget.logic.start(volume, "listed")
    assert ready.child("cancelButton").enabled is True
    wait_for_end(ready)
    assert (phases(ready), ready.child("resultsTable").rowCount) == (["done"], 2)


def test_the_key_for_apply_stays_whatever_its_text_is(panel: Application, volume: Any) -> None:
    panel.widget.enter()
    texts = []
    for model in ("brain-t1", "brain-tissue-t1"):
        choose(panel, model)
        texts.append(panel.child("applyButton").text)
        assert panel.child("applyButton").shortcut.toString() == "Ctrl+Return"
    assert texts[0] != texts[1]


# -- the form ----------------------------------------------------------------------------------------------


def test_every_control_that_is_disabled_says_why(panel: Application) -> None:
    settle(panel)
    kinds = ("QPushButton", "QToolButton", "QComboBox")
    found = [child for kind in kinds for child in panel.slicer.util.findChildren(panel.child("MedDL"), className=kind)]
    silent = [child.name for child in found if child.name and not child.isEnabled() and not child.toolTip]
    assert silent == []


def test_the_tab_key_goes_from_top_to_bottom_through_everything_that_takes_it() -> None:
    tree = ET.parse(UI)
    kinds = {"QPushButton", "QToolButton", "QComboBox", "QListWidget", "QTableWidget", "QTextBrowser", "ctkSearchBox"}
    kinds |= {"qMRMLNodeComboBox", "QCheckBox"}
    named = [widget.get("name") for widget in tree.iter("widget") if widget.get("class") in kinds]
    assert sorted(stop.text for stop in tree.iter("tabstop")) == sorted(named)


def test_each_selector_has_a_label_that_is_its_buddy() -> None:
    tree = ET.parse(UI)
    buddies = {item.findtext("cstring") for item in tree.iter("property") if item.get("name") == "buddy"}
    kinds = {"QComboBox", "qMRMLNodeComboBox"}
    assert buddies == {widget.get("name") for widget in tree.iter("widget") if widget.get("class") in kinds}


def test_it_fits_into_a_narrow_panel(ready: Application, quick_worker: QuickWorker) -> None:
    quick_worker("finish")
    run(ready)
    assert ready.child("MedDL").minimumSizeHint.width() <= 440


def scene_text(scene: Any) -> str:
    scene.SetSaveToXMLString(1)
    scene.Commit()
    return str(scene.GetSceneXMLString())

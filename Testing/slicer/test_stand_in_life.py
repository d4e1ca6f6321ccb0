"""The application around a module: its life, its boxes, its state in the scene, and what it leaves behind."""

from __future__ import annotations

import enum
import importlib
import sys
import typing
from pathlib import Path
from typing import Annotated, Any

import pytest

from . import pythonqt
from .application import Application, load_script, open_panel
from .leaks import Watch, observers_of

MADE_UP = Path(__file__).with_name("made_up") / "MadeUp.py"
VOLUME = "vtkMRMLScalarVolumeNode"


@pytest.fixture
def made_up(application: Application, monkeypatch: pytest.MonkeyPatch) -> Application:
    """The panel of the made-up module."""
    monkeypatch.setitem(sys.modules, "MadeUp", None)
    application.open(load_script(MADE_UP), MADE_UP)
    return application


@pytest.fixture
def wrapper(application: Application) -> Any:
    """``slicer.parameterNodeWrapper``."""
    return application.slicer.parameterNodeWrapper


@pytest.fixture
def node(application: Application) -> Any:
    return application.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


# -- a module's life --------------------------------------------------------------------------------------


def test_a_module_is_entered_left_and_cleaned_up_once(made_up: Application) -> None:
    made_up.leave()
    made_up.enter()
    made_up.quit()
    made_up.quit()
    assert made_up.widget.events == ["enter", "exit", "enter", "exit", "cleanup"]


def test_a_module_is_chosen_by_the_module_selector(made_up: Application) -> None:
    made_up.slicer.util.selectModule("Data")
    made_up.slicer.util.selectModule("MadeUp")
    assert made_up.widget.events == ["enter", "exit", "enter"]


def test_reload_reads_the_script_again_and_cleans_up_the_old_panel(made_up: Application) -> None:
    before, old = sys.modules["MadeUp"], made_up.widget
    new = made_up.reload()
    assert sys.modules["MadeUp"] is not before and type(new) is not type(old)
    assert old.events[-1] == "cleanup" and made_up.slicer.util.getModuleWidget("MadeUp") is new
    made_up.quit()
    assert (old.events.count("cleanup"), new.events) == (1, ["exit", "cleanup"])


def test_the_logic_and_the_path_are_found_by_the_name_of_the_module(made_up: Application) -> None:
    util = made_up.slicer.util
    assert util.getModuleLogic("MadeUp") is made_up.widget.logic
    assert (util.modulePath("MadeUp"), util.moduleNames()) == (str(MADE_UP), ["MadeUp"])


def test_the_start_is_told(made_up: Application) -> None:
    made_up.start_up()
    assert sys.modules["MadeUp"].MadeUp.started is True


def test_an_exit_lets_what_goes_on_end_first(made_up: Application) -> None:
    made_up.slicer.util.exit(3)
    assert "cleanup" not in made_up.widget.events
    made_up.wait_until(lambda: made_up.is_over)
    assert (made_up.slicer.app.status, made_up.widget.events[-1]) == (3, "cleanup")


def test_the_self_test_of_a_module_runs(made_up: Application, capsys: Any) -> None:
    made_up.slicer.selfTests["MadeUp"]()
    assert "ran" in capsys.readouterr().out


def test_a_panel_opens_outside_of_pytest(tmp_path: Path, qt_application: Any) -> None:
    with open_panel(tmp_path, script=MADE_UP) as application:
        application.child("goButton").click()
    assert "MadeUp" not in sys.modules and not getattr(sys.modules.get("slicer"), "app", None)


def test_what_goes_wrong_unseen_is_an_error_at_the_end(tmp_path: Path, qt_application: Any) -> None:
    def fail() -> None:
        with open_panel(tmp_path, script=MADE_UP) as application:
            application.child("goButton").connect("clicked()", lambda: 1 / 0)
            application.child("goButton").click()

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        fail()


# -- boxes ------------------------------------------------------------------------------------------------


def test_a_box_that_nobody_expects_is_cancelled_and_a_fault(application: Application) -> None:
    assert application.slicer.util.confirmOkCancelDisplay("Sure?") is False
    assert "Sure?" in application.faults()[0]


def test_a_box_that_is_expected_gets_its_answer(application: Application) -> None:
    application.dialogs.expect(application.qt.QMessageBox.Ok, matching="Sure")
    assert application.slicer.util.confirmOkCancelDisplay("Sure?") is True
    assert [box.text for box in application.dialogs.shown] == ["Sure?"]


def test_a_button_of_a_box_can_be_pressed(application: Application) -> None:
    box = application.qt.QMessageBox()
    mine = box.addButton("Repair", application.qt.QMessageBox.AcceptRole)
    application.dialogs.expect(None, while_open=lambda _box: mine.click())
    box.exec_()
    assert box.clickedButton() == mine


@pytest.mark.parametrize("application", [{"main_window": False}], indirect=True)
def test_without_a_main_window_messages_are_silent_and_questions_are_faults(application: Application) -> None:
    util = application.slicer.util
    assert util.mainWindow() is None and application.slicer.app.layoutManager() is None
    assert util.errorDisplay("broken") is None and application.faults() == []
    application.dialogs.expect(1)
    assert util.confirmYesNoDisplay("Sure?") is False and len(application.faults()) == 1
    application.dialogs._expected.clear()


@pytest.mark.parametrize("application", [{"testing": True}], indirect=True)
def test_under_testing_no_box_is_opened(application: Application) -> None:
    util = application.slicer.util
    assert util.errorDisplay("broken") is None and application.slicer.app.testingEnabled() is True
    # Slicer's own function says that it returns True here. It compares True with the number of the button.
    assert util.confirmYesNoDisplay("Sure?") is False and application.faults() == []


def test_a_file_is_chosen_by_the_test(application: Application) -> None:
    application.dialogs.expect("/data/a.nrrd")
    assert application.qt.QFileDialog.getOpenFileName(None, "Open") == "/data/a.nrrd"


def test_a_status_message_is_in_the_status_bar(application: Application) -> None:
    assert application.slicer.util.showStatusMessage("ready", 10) is True
    assert application.slicer.util.mainWindow().status_messages == ["ready"]


# -- the scene --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scene.mrb", "scene.mrml"])
def test_the_state_survives_a_saved_scene(made_up: Application, tmp_path: Path, name: str) -> None:
    scene, util, state = made_up.slicer.mrmlScene, made_up.slicer.util, made_up.widget.state
    state.volume, state.kind, state.count = scene.AddNewNodeByClass(VOLUME, "Kept"), "small", 5
    state.loud, state.note = True, "a=b;c"
    assert util.saveScene(str(tmp_path / name))
    scene.Clear()
    util.loadScene(str(tmp_path / name))
    kept = type(state)(made_up.widget.logic.getParameterNode())
    assert (kept.volume.GetName(), kept.kind, kept.count, kept.loud, kept.note) == ("Kept", "small", 5, True, "a=b;c")


def test_views_are_there_with_a_main_window(application: Application) -> None:
    layout = application.slicer.app.layoutManager()
    assert layout.sliceViewNames() == ("Red", "Green", "Yellow")
    application.slicer.vtkMRMLSliceNode.JumpAllSlices(application.slicer.mrmlScene, 1.0, 2.0, 3.0)
    assert layout.sliceWidget("Red").mrmlSliceNode().GetSliceOffset() == 3.0
    layout.threeDWidget(0).threeDView().resetFocalPoint()
    assert layout.was_reset == ["3D"]


def test_a_volume_is_loaded_by_slicers_own_function(application: Application, volume: Any, tmp_path: Path) -> None:
    assert application.slicer.util.saveNode(volume, str(tmp_path / "ball.nrrd"))
    assert application.slicer.util.loadVolume(str(tmp_path / "ball.nrrd"), {"name": "B"}).GetName() == "B"


# -- state ------------------------------------------------------------------------------------------------


class Grade(enum.Enum):
    LOW = 1
    HIGH = 2


KINDS = {
    "str": (str, "", "x", {"p": "x"}),
    "bool": (bool, False, True, {"p": "True"}),
    "int": (int, 0, 7, {"p": "7"}),
    "float": (float, 0, 0.5, {"p": "0.5"}),
    "path": (Path, Path(), Path("/a/b"), {"p": "/a/b"}),
    "enum": (Grade, Grade.LOW, Grade.HIGH, {"p": "HIGH"}),
    "optional": (typing.Optional[int], None, 4, {"p_0": "4"}),  # noqa: UP045 - the wrapper knows no X | Y
    "list": (list[str], [], ["a", "b"], {"p_len": "2", "p_0": "a", "p_1": "b"}),
    "dict": (dict[str, int], {}, {"a": 1}, {"p_len": "1", "p_0_0": "a", "p_0_1": "1"}),
    "tuple": (tuple[int, str], (0, ""), (1, "a"), {"p_0": "1", "p_1": "a"}),
}


def wrapped(wrapper: Any, hint: Any) -> Any:
    return wrapper.parameterNodeWrapper(type("Made", (), {"__annotations__": {"p": hint}}))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_value_is_kept_as_a_true_slicer_keeps_it(wrapper: Any, node: Any, kind: str) -> None:
    hint, default, value, stored = KINDS[kind]
    state = wrapped(wrapper, hint)(node)
    assert state.p == default
    state.p = value
    assert {name: node.GetParameter(name) for name in stored} == stored
    assert wrapped(wrapper, hint)(node).p == value


def test_a_node_is_a_reference_and_follows_its_removal(application: Application, wrapper: Any, node: Any) -> None:
    scene = application.slicer.mrmlScene
    state = wrapped(wrapper, application.slicer.vtkMRMLScalarVolumeNode)(node)
    state.p = scene.AddNewNodeByClass(VOLUME, "a")
    assert (node.HasParameter("p"), node.GetNodeReference("p")) == (True, state.p)
    scene.RemoveNode(state.p)
    assert state.p is None


def test_one_of_several_node_classes(application: Application, wrapper: Any, node: Any) -> None:
    slicer = application.slicer
    either = typing.Union[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLModelNode, None]  # noqa: UP007 - as above
    state = wrapped(wrapper, either)(node)
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "m")
    state.p = model
    assert state.p is model
    with pytest.raises(TypeError):
        state.p = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "t")


@pytest.mark.parametrize("value", [None, 3, Path("x")])
def test_a_value_of_another_kind_is_refused(wrapper: Any, node: Any, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        wrapped(wrapper, str)(node).p = value


def test_a_default_that_is_no_choice_is_refused(wrapper: Any, node: Any) -> None:
    with pytest.raises(ValueError, match="one of"):
        wrapped(wrapper, Annotated[str, wrapper.Choice(["a", "b"])])(node)


def test_a_type_that_the_wrapper_does_not_know_is_refused(wrapper: Any) -> None:
    with pytest.raises(TypeError):
        wrapped(wrapper, int | None)


def test_a_misspelled_parameter_is_refused(wrapper: Any, node: Any) -> None:
    with pytest.raises(AttributeError, match="q"):
        wrapped(wrapper, str)(node).q = "x"


def test_a_list_is_kept_when_it_is_changed_in_place(wrapper: Any, node: Any) -> None:
    state = wrapped(wrapper, list[str])(node)
    state.p.append("a")
    assert node.GetParameter("p_0") == "a" and state.isCached("p")


def test_widgets_and_parameters_follow_each_other_until_they_are_untied(made_up: Application) -> None:
    state, note = made_up.widget.state, made_up.child("noteLine")
    note.text = "from the widget"
    state.kind = "small"
    assert (state.note, made_up.child("kindBox").currentText) == ("from the widget", "small")
    state.disconnectGui(made_up.widget.tag)
    note.text = "alone"
    assert state.note == "from the widget"


def test_connect_gui_finds_the_named_widgets_and_gives_no_tag(made_up: Application) -> None:
    state = made_up.widget.state
    state.disconnectGui(made_up.widget.tag)
    assert state.connectGui(made_up.widget.ui) is None and state.disconnectGui(None) is None
    node = made_up.slicer.mrmlScene.AddNewNodeByClass(VOLUME, "a")
    made_up.child("volumeSelector").setCurrentNode(node)
    assert state.volume is node


def test_a_widget_that_no_connector_knows_is_refused(made_up: Application) -> None:
    with pytest.raises(RuntimeError, match="GUI connector"):
        made_up.widget.state.connectParametersToGui({"note": made_up.child("searchBox")})


# -- leaks ------------------------------------------------------------------------------------------------


def test_an_observer_that_is_left_is_told(made_up: Application) -> None:
    scene = made_up.slicer.mrmlScene
    watch = Watch(scene)
    tag = scene.AddObserver(scene.NodeAddedEvent, lambda *_: None)
    assert "observer" in watch.leaks()[0]
    scene.RemoveObserver(tag)
    assert watch.leaks() == []


def test_a_timer_and_a_process_that_go_on_are_told(application: Application) -> None:
    watch = Watch(application.slicer.mrmlScene)
    timer, process = application.qt.QTimer(), application.qt.QProcess()
    timer.start(1000)
    process.start(sys.executable, ["-c", "input()"])
    process.waitForStarted()
    found = "\n".join(watch.leaks())
    process.kill()
    process.waitForFinished()
    timer.stop()
    assert "a timer goes on" in found and "a process runs on" in found and watch.leaks() == []


def test_files_and_nodes_that_are_left_are_told(application: Application, tmp_path: Path) -> None:
    watch = Watch(application.slicer.mrmlScene, (tmp_path / "exchange",))
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange" / "image.npy").touch()
    application.slicer.mrmlScene.AddNewNodeByClass(VOLUME, "a")
    assert watch.leaks(more_nodes=0) == ["a file is left: image.npy", "1 more nodes in the scene, not 0"]


def test_the_selectors_own_observers_do_not_count_and_go_with_it(application: Application) -> None:
    scene = application.slicer.mrmlScene
    before, raw = observers_of(scene), str(scene).count("vtkObserver")
    selector = application.slicer.qMRMLNodeComboBox()
    selector.setMRMLScene(scene)
    assert observers_of(scene) == before
    selector.delete()
    assert str(scene).count("vtkObserver") == raw


def test_slots_are_told_to_whoever_listens(application: Application) -> None:
    heard: list[bool] = []
    pythonqt.slot_listeners.append(lambda _slot, begins: heard.append(begins))
    button = importlib.import_module("qt").QPushButton("x")
    button.connect("clicked()", lambda: None)
    button.click()
    pythonqt.slot_listeners.clear()
    assert heard == [True, False]

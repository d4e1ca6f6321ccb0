"""The widgets of CTK and MRML behave as the source of the true ones says, and ``.ui`` files are read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .application import Application

MADE_UP = Path(__file__).with_name("made_up") / "MadeUp.ui"
VOLUME = "vtkMRMLScalarVolumeNode"


@pytest.fixture
def scene(application: Application) -> Any:
    return application.slicer.mrmlScene


def add(scene: Any, name: str, kind: str = VOLUME) -> Any:
    return scene.AddNewNodeByClass(kind, name)


def selector_of(application: Application, **properties: Any) -> Any:
    """A selector with these properties and the scene, that writes down what it tells."""
    selector = application.slicer.qMRMLNodeComboBox()
    for name, value in ({"nodeTypes": [VOLUME], "addEnabled": False, "removeEnabled": False} | properties).items():
        setattr(selector, name, value)
    selector.setMRMLScene(application.slicer.mrmlScene)
    return selector


def told_by(selector: Any) -> list[Any]:
    told: list[Any] = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: told.append(node and node.GetName()))
    return told


def test_the_first_node_is_chosen_only_when_it_comes_into_an_empty_list(application: Application, scene: Any) -> None:
    before = add(scene, "Before")
    assert selector_of(application).currentNode() is None
    scene.RemoveNode(before)
    selector = selector_of(application)
    first = add(scene, "First")
    add(scene, "Second")
    assert selector.currentNode() is first


def test_with_entries_to_add_nodes_nothing_is_chosen_by_itself(application: Application, scene: Any) -> None:
    selector = selector_of(application, addEnabled=True)
    add(scene, "First")
    assert (selector.currentNode(), selector.nodeCount()) == (None, 1)


def test_with_none_as_a_choice_none_is_chosen(application: Application, scene: Any) -> None:
    selector = selector_of(application, noneEnabled=True)
    add(scene, "First")
    assert selector.currentNode() is None


def test_a_new_name_appears_and_the_chosen_node_is_told_again(application: Application, scene: Any) -> None:
    selector = selector_of(application)
    node = add(scene, "Old")
    told = told_by(selector)
    node.SetName("New")
    shown = [child.currentText for child in selector.children() if hasattr(child, "currentText")]
    assert (told, shown) == (["New"], ["New"])


def test_when_the_chosen_node_goes_the_next_is_chosen(application: Application, scene: Any) -> None:
    selector = selector_of(application)
    nodes = [add(scene, name) for name in "abc"]
    selector.setCurrentNode(nodes[1])
    told = told_by(selector)
    scene.RemoveNode(nodes[1])
    assert (selector.currentNode(), told[-1]) == (nodes[2], "c")


def test_when_the_last_of_all_goes_nothing_is_chosen(application: Application, scene: Any) -> None:
    selector = selector_of(application)
    node = add(scene, "a")
    told = told_by(selector)
    scene.RemoveNode(node)
    assert (selector.currentNode(), told) == (None, [None])


def test_while_the_scene_closes_it_is_quiet_and_tells_once_at_the_end(application: Application, scene: Any) -> None:
    selector = selector_of(application)
    for name in "abc":
        add(scene, name)
    told = told_by(selector)
    scene.Clear()
    assert (told, selector.nodeCount()) == ([None], 0)


def test_nodes_of_several_classes_are_listed_and_others_are_not(application: Application, scene: Any) -> None:
    selector = selector_of(application, nodeTypes=[VOLUME, "vtkMRMLModelNode"])
    for kind in (VOLUME, "vtkMRMLModelNode", "vtkMRMLTableNode"):
        add(scene, kind, kind)
    assert selector.nodeCount() == 2


def test_label_maps_are_left_out_when_child_types_are(application: Application, scene: Any) -> None:
    add(scene, "labels", "vtkMRMLLabelMapVolumeNode")
    counts = [selector_of(application, showChildNodeTypes=shown).nodeCount() for shown in (True, False)]
    assert counts == [1, 0]


def test_hidden_nodes_are_not_listed(application: Application, scene: Any) -> None:
    node = application.slicer.vtkMRMLScalarVolumeNode()
    node.SetHideFromEditors(1)
    scene.AddNode(node)
    assert selector_of(application).nodeCount() == 0


def test_a_node_made_by_the_selector_has_its_base_name_and_is_chosen(application: Application, scene: Any) -> None:
    selector = selector_of(application, addEnabled=True, baseName="Result")
    node = selector.addNode()
    assert (node.GetName(), selector.currentNode()) == ("Result", node)


def test_without_a_scene_it_is_disabled_and_remembers_the_choice(application: Application, scene: Any) -> None:
    node = add(scene, "a")
    selector = application.slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.setCurrentNode(node)
    assert (selector.enabled, selector.currentNode()) == (False, None)
    selector.setMRMLScene(scene)
    assert (selector.enabled, selector.currentNode()) == (True, node)
    selector.setMRMLScene(None)
    assert (selector.enabled, selector.nodeCount()) == (False, 0)


def test_nodes_come_during_batch_processing_too(application: Application, scene: Any) -> None:
    selector = selector_of(application)
    scene.StartState(scene.BatchProcessState)
    add(scene, "a")
    counted = selector.nodeCount()
    scene.EndState(scene.BatchProcessState)
    assert counted == 1


def test_an_emptied_path_is_told_as_no_longer_valid_only(application: Application) -> None:

    told: list[Any] = []
    line = __import__("ctk").ctkPathLineEdit()
    line.connect("currentPathChanged(QString)", told.append)
    line.connect("validInputChanged(bool)", told.append)
    line.currentPath = "/x"
    line.currentPath = ""
    assert told == ["/x", True, False]


def test_a_browse_button_asks_for_a_file(application: Application) -> None:
    line = __import__("ctk").ctkPathLineEdit()
    line.filters = line.Files
    application.dialogs.expect("/data/a.nrrd", matching="Open a file")
    line.browse()
    assert line.currentPath == "/data/a.nrrd"


def test_a_collapsed_button_hides_its_content_and_remembers_what_was_hidden(application: Application) -> None:
    qt = application.qt
    button = __import__("ctk").ctkCollapsibleButton("More")
    layout = qt.QVBoxLayout(button)
    shown, hidden = qt.QLabel("a"), qt.QLabel("b")
    for label in (shown, hidden):
        layout.addWidget(label)
    button.show()
    hidden.hide()
    button.collapsed = True
    assert (shown.visible, hidden.visible, button.checked) == (False, False, False)
    button.click()
    assert (shown.visible, hidden.visible, button.collapsed) == (True, False, False)


def test_a_group_box_collapses_by_its_tick(application: Application) -> None:
    box = __import__("ctk").ctkCollapsibleGroupBox()
    box.checked = False
    assert box.collapsed is True


def test_a_folder_button_tells_a_new_folder_once(application: Application, tmp_path: Path) -> None:
    button, told = __import__("ctk").ctkDirectoryButton(), []
    button.directoryChanged.connect(told.append)
    for _ in range(2):
        button.directory = str(tmp_path)
    assert told == [str(tmp_path)]


def test_the_made_up_file_is_read_and_wired(application: Application, scene: Any) -> None:
    widget = application.slicer.util.loadUI(str(MADE_UP))
    ui = application.slicer.util.childWidgetVariables(widget)
    widget.setMRMLScene(scene)
    ui.loudBox.checked = True
    assert (ui.volumeSelector.mrmlScene(), ui.volumeSelector.enabled, ui.goButton.enabled) == (scene, True, True)


FAULTS = {
    "an unknown class": ('class="QSpinBox"', 'class="QSpinnBox"', "no class"),
    "a class that is not declared": ("<class>ctkSearchBox</class>", "<class>QLabel</class>", "customwidgets"),
    "an unknown property": ('name="title"', 'name="titel"', "no property"),
    "an unknown constant": ("::NoEditTriggers", "::NeverEdit", "no constant"),
    "a constant as Qt 6 writes it": ("View::NoEdit", "View::EditTrigger::NoEdit", "Qt 5"),
    "an unknown signal": ("<signal>toggled(bool)", "<signal>toggelt(bool)", "no signal"),
    "an unknown slot": ("<slot>setEnabled(bool)", "<slot>setEnable(bool)", "no slot"),
    "a slot with another signature": ("<slot>setEnabled(bool)", "<slot>setEnabled(int)", "no slot"),
    "a slot that takes more": ("<signal>toggled(bool)", "<signal>released()", "does not give"),
    "a missing receiver": ("<receiver>goButton", "<receiver>stopButton", "not there"),
    "a missing buddy": ("<cstring>volumeSelector", "<cstring>volumeSelektor", "buddy"),
    "a missing tab stop": ("<tabstop>kindBox", "<tabstop>kind", "tab stop"),
    "a name given twice": ('name="kindBox"', 'name="countBox"', "twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_refused(application: Application, tmp_path: Path, fault: str) -> None:
    before, after, match = FAULTS[fault]
    text = MADE_UP.read_text(encoding="utf-8")
    (tmp_path / "a.ui").write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=match):
        application.slicer.util.loadUI(str(tmp_path / "a.ui"))
    application.faults()

"""The stand-in is as strict as a true Slicer was when it was asked."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6 import QtCore

from . import pythonqt
from .application import Application


def test_a_property_is_an_attribute_and_no_call(application: Application) -> None:
    label = application.qt.QLabel("x")
    assert label.text == "x"
    with pytest.raises(TypeError):
        label.text()


def test_constructors_take_no_keywords(application: Application) -> None:
    with pytest.raises(ValueError, match="kwargs"):
        application.qt.QPushButton(text="x")


@pytest.mark.parametrize("name", ["txt", "setTextt", "Foo"])
def test_a_name_that_is_not_there_cannot_be_read_or_made(application: Application, name: str) -> None:
    label = application.qt.QLabel("x")
    with pytest.raises(AttributeError):
        getattr(label, name)
    with pytest.raises(AttributeError):
        setattr(label, name, 1)


@pytest.mark.parametrize(("signature", "arguments"), [("clicked(bool)", (False,)), ("clicked()", ())])
def test_a_slot_gets_what_its_signature_names(application: Application, signature: str, arguments: tuple) -> None:
    button, heard = application.qt.QPushButton("x"), []
    assert button.connect(signature, lambda *given: heard.append(given)) is True
    button.click()
    assert heard == [arguments]


def test_an_unknown_signal_is_false_and_no_exception_but_a_fault(application: Application) -> None:
    assert application.qt.QPushButton("x").connect("klicked()", lambda: None) is False
    assert application.slicer.qMRMLNodeComboBox().connect("currentNodeChanged(vtkMRMLNode)", lambda n: None) is False
    assert len(application.faults()) == 2


def test_an_exception_in_a_slot_is_kept_and_the_caller_goes_on(application: Application) -> None:
    button = application.qt.QPushButton("x")
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert "ZeroDivisionError" in pythonqt.slot_errors.pop()


def test_constants_are_whole_numbers(application: Application) -> None:
    assert (application.qt.Qt.AlignLeft, application.qt.QProcess.NotRunning) == (1, 0)


def test_a_destroyed_object_is_told(application: Application) -> None:
    label = application.qt.QLabel("x")
    label.delete()
    with pytest.raises(ValueError, match="destroyed"):
        _ = label.text


def test_a_dynamic_property_is_set_with_false_and_read_back(application: Application) -> None:
    label = application.qt.QLabel("x")
    assert label.setProperty("SlicerParameterName", "threshold") is False
    assert label.property("SlicerParameterName") == "threshold"


@pytest.mark.parametrize("value", [5, None, Path("x"), ["x"]])
def test_a_property_takes_no_value_of_another_kind(application: Application, value: object) -> None:
    with pytest.raises(AttributeError, match="does not accept"):
        application.qt.QLabel("x").text = value


def test_a_whole_number_takes_a_fraction_rounded_down(application: Application) -> None:
    bar = application.qt.QProgressBar()
    bar.value = 41.9
    assert bar.value == 41


def test_a_property_that_cannot_be_set_is_told(application: Application) -> None:
    with pytest.raises(AttributeError, match="not writable"):
        application.qt.QComboBox().count = 3


@pytest.mark.parametrize("arguments", [(), ("a", "b", "c"), (None,), (Path("x"),), (np.int64(3),), (object(),)])
def test_arguments_that_fit_no_overload_are_a_value_error(application: Application, arguments: tuple) -> None:
    with pytest.raises(ValueError, match="matching overload"):
        application.qt.QLabel("x").setText(*arguments)


def test_methods_take_no_keywords(application: Application) -> None:
    with pytest.raises(ValueError, match="kwargs"):
        application.qt.QComboBox().addItem("a", userData=1)


def test_what_the_listing_does_not_have_is_not_there(application: Application) -> None:
    assert not hasattr(application.qt, "QSignalBlocker") and not hasattr(application.qt, "Signal")
    with pytest.raises(AttributeError):
        _ = application.slicer.app.nowhere


def test_a_signal_as_an_attribute_gives_its_default_argument(application: Application) -> None:
    button, heard = application.qt.QPushButton("x"), []
    assert button.clicked.connect(lambda *given: heard.append(given)) is True
    button.click()
    assert heard == [(False,)]


def test_a_slot_gets_no_more_arguments_than_it_takes(application: Application) -> None:
    button, heard = application.qt.QPushButton("x"), []
    button.connect("clicked(bool)", lambda: heard.append("none"))
    button.connect("clicked(bool)", lambda kept="default": heard.append(kept))
    button.click()
    assert heard == ["none", False]


def test_a_connection_can_be_taken_away_by_its_slot(application: Application) -> None:
    button, heard = application.qt.QPushButton("x"), []
    button.connect("clicked()", heard.clear)
    assert button.disconnect("clicked()", heard.append) is False
    assert button.disconnect("clicked()", heard.clear) is True
    assert button.disconnect("clicked()", heard.clear) is False


def test_signatures_may_have_spaces(application: Application) -> None:
    process = application.qt.QProcess()
    assert process.connect("finished(int, QProcess::ExitStatus)", lambda code, status: None) is True


def test_a_combo_box_has_its_choice_as_attributes(application: Application) -> None:
    combo = application.qt.QComboBox()
    combo.addItem("one", "first")
    assert (combo.currentIndex, combo.currentText, combo.count, combo.currentData) == (0, "one", 1, "first")
    assert (combo.itemData(0), combo.findText("one"), combo.findData("first")) == ("first", 0, 0)


def test_a_spin_box_takes_its_value_both_ways(application: Application) -> None:
    spin = application.qt.QSpinBox()
    spin.value = 3
    spin.setValue(spin.value + 1)
    assert spin.value == 4


def test_flags_are_joined_as_whole_numbers(application: Application) -> None:
    names = application.qt.Qt
    label = application.qt.QLabel("x")
    label.setAlignment(names.AlignRight | names.AlignVCenter)
    assert (label.alignment, label.alignment & names.AlignRight, names.Horizontal) == (0x82, 2, 1)


def test_flags_of_an_item_can_be_taken_away(application: Application) -> None:
    item, names = application.qt.QTableWidgetItem("x"), application.qt.Qt
    item.setFlags(item.flags() & ~names.ItemIsEditable)
    assert not item.flags() & names.ItemIsEditable and item.flags() & names.ItemIsEnabled


def test_a_process_takes_text_and_bytes_and_gives_bytes(application: Application) -> None:
    process, ended = application.qt.QProcess(), []
    process.connect("finished(int,QProcess::ExitStatus)", lambda *given: ended.append(given))
    process.start(sys.executable, ["-c", "import sys; print(sys.stdin.read())"])
    assert (process.waitForStarted(), process.state() != process.NotRunning) == (True, True)
    assert (process.write("a"), process.write(b"b")) == (1, 1)
    process.closeWriteChannel()
    application.wait_until(lambda: bool(ended))
    assert (ended, process.readAllStandardOutput().data().strip()) == ([(0, 0)], b"ab")


def test_python_goes_on_beside_process_events(application: Application) -> None:
    timer, ticks, done = application.qt.QTimer(), [], threading.Event()
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start(1)
    threading.Timer(0.02, done.set).start()
    application.wait_until(lambda: done.is_set() and len(ticks) > 1)
    timer.stop()


def test_qt_in_another_thread_is_a_fault(application: Application) -> None:
    label, raised = application.qt.QLabel("x"), []

    def touch() -> None:
        try:
            label.setText("y")
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    assert raised and "setText" in application.faults()[0]


@pytest.mark.parametrize("name", ["exec", "exec_"])
def test_a_dialog_waits_by_either_name(application: Application, name: str) -> None:
    application.dialogs.expect(True)
    assert getattr(application.qt.QDialog(), name)() == application.qt.QDialog.Accepted


def test_a_destroyed_object_has_no_attributes_methods_or_truth(application: Application) -> None:
    label = application.qt.QLabel("x")
    set_text = label.setText
    label.delete()
    assert not label and label == None  # noqa: E711 - PythonQt's manner
    for use in (lambda: label.setText("y"), lambda: setattr(label, "text", "y"), lambda: set_text("y")):
        with pytest.raises((ValueError, RuntimeError)):
            use()


def test_a_python_class_gets_the_events_of_its_widget(application: Application) -> None:
    class Canvas(application.qt.QWidget):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.painted = 0

        def paintEvent(self, event: Any) -> None:
            self.painted += 1

    canvas = Canvas()
    canvas.show()
    application.wait_until(lambda: canvas.painted > 0)
    assert canvas.painted and isinstance(canvas, application.qt.QWidget)


def test_a_python_filter_sees_events_and_may_stop_them(application: Application) -> None:
    qt = application.qt

    class Filter(qt.QObject):  # type: ignore[misc,name-defined]
        def eventFilter(self, watched: Any, event: Any) -> bool:
            return event.type() == qt.QEvent.Hide

    watcher, label, seen = Filter(), qt.QLabel("x"), []
    label.installEventFilter(watcher)
    label.show()
    assert label.visible and not seen


def test_a_value_of_a_class_that_is_not_listed_can_only_be_handed_on(application: Application) -> None:
    combo = application.qt.QComboBox()
    combo.setPalette(combo.palette)
    with pytest.raises(AttributeError, match="listing"):
        combo.palette.color()


def test_settings_give_what_was_put_and_the_default_by_position(application: Application) -> None:
    settings = application.qt.QSettings()
    settings.setValue("MadeUp/x", "1")
    assert (settings.value("MadeUp/x"), settings.value("MadeUp/y", "none")) == ("1", "none")


def test_an_address_is_remembered_and_not_opened(application: Application) -> None:
    qt = application.qt
    assert qt.QDesktopServices.openUrl(qt.QUrl("https://example.org")) is True
    assert application.dialogs.opened_urls == ["https://example.org"]


def test_the_clipboard_keeps_a_text(application: Application) -> None:
    application.qt.QApplication.clipboard().setText("report")
    assert application.slicer.app.clipboard().text() == "report"


def test_a_shot_calls_its_slot_once(application: Application) -> None:
    shots: list[int] = []
    application.qt.QTimer.singleShot(0, lambda: shots.append(1))
    application.wait_until(lambda: bool(shots))
    assert pythonqt.single_shots == []


def test_every_class_of_the_listing_is_there(application: Application) -> None:
    missing = [name for name in pythonqt.API if name.startswith("qt.") and not hasattr(application.qt, name[3:])]
    assert missing == []


def test_the_listing_is_small_and_as_it_is_written() -> None:
    text = pythonqt.API_FILE.read_text(encoding="utf-8")
    assert len(text) < 200_000
    assert text == json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True) + "\n"


def test_dynamic_properties_are_qts_own(application: Application) -> None:
    label = application.qt.QLabel("x")
    label.setProperty("kind", "warm")
    assert QtCore.QObject.property(label.real, "kind") == "warm" and label.property("nothing") is None

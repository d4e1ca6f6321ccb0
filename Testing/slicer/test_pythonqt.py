"""The stand-in is as strict as a true Slicer was when it was asked."""

from __future__ import annotations

import pytest

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


def test_an_unknown_signal_is_false_and_no_exception(application: Application) -> None:
    assert application.qt.QPushButton("x").connect("klicked()", lambda: None) is False
    assert application.slicer.qMRMLNodeComboBox().connect("currentNodeChanged(vtkMRMLNode)", lambda n: None) is False


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

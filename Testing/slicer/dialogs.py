"""Boxes that wait for the user. In a test nobody is there: what is not expected is kept as an error and cancelled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt


@dataclass(frozen=True)
class Box:
    """One box that was opened: its class, what it says, and what it was answered."""

    kind: str
    text: str
    answer: Any


@dataclass(frozen=True)
class _Expected:
    matching: str
    answer: Any
    while_open: Callable[[Any], None] | None


class Dialogs:
    """What the test expects, and what happened.

    A Slicer without a main window or under ``--testing`` has nobody who could answer: there each box is unexpected.
    """

    def __init__(self) -> None:
        self.shown: list[Box] = []
        self.unexpected: list[Box] = []
        self.opened_urls: list[str] = []
        self.can_be_answered: Callable[[], bool] = lambda: True
        self._expected: deque[_Expected] = deque()

    def expect(self, answer: Any, matching: str = "", while_open: Callable[[Any], None] | None = None) -> None:
        """The next box that says ``matching`` gets this answer.

        answer : number of a button, path, text, True and False for accepted and rejected, or None when
            ``while_open`` presses something.
        while_open : called with the box when it is open, to press something in it.
        """
        self._expected.append(_Expected(matching, answer, while_open))

    @property
    def still_expected(self) -> int:
        """Boxes that were expected and did not come."""
        return len(self._expected)

    def answer(self, kind: str, text: str, refusal: Any, box: Any = None) -> Any:
        """The answer to a box; where none is expected ``refusal``, and the box is kept as unexpected."""
        expected = next((one for one in self._expected if one.matching in text), None)
        if expected is None or not self.can_be_answered():
            self.unexpected.append(Box(kind, text, refusal))
            return refusal
        self._expected.remove(expected)
        if expected.while_open is not None:
            expected.while_open(pythonqt.wrap(box))
        self.shown.append(Box(kind, text, expected.answer))
        return expected.answer


current = Dialogs()


def begin(can_be_answered: Callable[[], bool]) -> Dialogs:
    """Forget what was; from now on boxes go to the object that comes back."""
    global current  # noqa: PLW0603 - classes of Qt have nobody to ask but the module
    current = Dialogs()
    current.can_be_answered = can_be_answered
    return current


class _Waiting:
    """``exec`` of a dialog, answered at once."""

    def exec(self) -> int:
        self.show()  # type: ignore[attr-defined]
        answer = current.answer(type(self).__name__, self.said(), 0, self)
        if answer is None:  # the test pressed something in it
            return int(self.result())  # type: ignore[attr-defined]
        self.finish(int(answer))
        return int(answer)

    def finish(self, answer: int) -> None:
        self.done(answer)  # type: ignore[attr-defined]

    def open(self, *_slots: Any) -> None:
        self.exec()

    def said(self) -> str:
        return str(self.windowTitle())  # type: ignore[attr-defined]


class QDialog(_Waiting, QtWidgets.QDialog):
    """A dialog of one's own."""


class _Message(_Waiting):
    def said(self) -> str:
        parts = (self.text(), self.informativeText())  # type: ignore[attr-defined]
        return "\n".join(part for part in parts if part)

    def finish(self, answer: int) -> None:
        buttons = {int(self.standardButton(button).value): button for button in self.buttons()}  # type: ignore[attr-defined]
        if answer in buttons:
            buttons[answer].click()
        else:
            self.done(answer)  # type: ignore[attr-defined]


def _ask(kind: str, default: QtWidgets.QMessageBox.StandardButton) -> Callable[..., Any]:
    def ask(_parent: Any, title: str, text: str, buttons: Any = default, _default: Any = None) -> int:
        refusal = QtWidgets.QMessageBox.StandardButton.Cancel
        return int(current.answer(f"QMessageBox.{kind}", f"{title}\n{text}", refusal.value))

    return ask


class QMessageBox(_Message, QtWidgets.QMessageBox):
    """A question or a message."""

    information = staticmethod(_ask("information", QtWidgets.QMessageBox.StandardButton.Ok))
    warning = staticmethod(_ask("warning", QtWidgets.QMessageBox.StandardButton.Ok))
    critical = staticmethod(_ask("critical", QtWidgets.QMessageBox.StandardButton.Ok))
    question = staticmethod(_ask("question", QtWidgets.QMessageBox.StandardButton.Yes))
    about = staticmethod(_ask("about", QtWidgets.QMessageBox.StandardButton.Ok))


class ctkMessageBox(_Message, QtWidgets.QMessageBox):
    """A message with "Don't show this message again"; once ticked it answers by itself."""

    dontShowAgainSettingsKey = QtCore.Property(
        str, lambda self: self._key, lambda self, key: setattr(self, "_key", key)
    )
    dontShowAgain = QtCore.Property(
        bool, lambda self: self._is_silent(), lambda self, silent: self.setDontShowAgain(silent)
    )
    dontShowAgainVisible = QtCore.Property(
        bool, lambda self: self._visible, lambda self, shown: setattr(self, "_visible", shown)
    )
    _key = ""
    _silent = _visible = False

    def setDontShowAgain(self, silent: bool) -> None:
        self._silent = silent
        if self._key:
            QtCore.QSettings().setValue(self._key, silent)

    def _is_silent(self) -> bool:
        stored = QtCore.QSettings().value(self._key) if self._key else self._silent
        return str(stored).lower() in {"true", "1"}

    def exec(self) -> int:
        return QtWidgets.QMessageBox.StandardButton.Ok.value if self._is_silent() else super().exec()


class QFileDialog(_Waiting, QtWidgets.QFileDialog):
    """A choice of files; its static functions return what the test answers."""

    @staticmethod
    def getOpenFileName(_parent: Any = None, caption: str = "", *_more: Any) -> str:
        return str(current.answer("QFileDialog.getOpenFileName", caption, ""))

    @staticmethod
    def getOpenFileNames(_parent: Any = None, caption: str = "", *_more: Any) -> list[str]:
        return list(current.answer("QFileDialog.getOpenFileNames", caption, []))

    @staticmethod
    def getSaveFileName(_parent: Any = None, caption: str = "", *_more: Any) -> str:
        return str(current.answer("QFileDialog.getSaveFileName", caption, ""))

    @staticmethod
    def getExistingDirectory(_parent: Any = None, caption: str = "", *_more: Any) -> str:
        return str(current.answer("QFileDialog.getExistingDirectory", caption, ""))


class QInputDialog(_Waiting, QtWidgets.QInputDialog):
    """A line to fill in."""

    @staticmethod
    def getText(_parent: Any, title: str, label: str, *_more: Any) -> str:
        return str(current.answer("QInputDialog.getText", f"{title}\n{label}", ""))

    @staticmethod
    def getItem(_parent: Any, title: str, label: str, *_more: Any) -> str:
        return str(current.answer("QInputDialog.getItem", f"{title}\n{label}", ""))

    @staticmethod
    def getInt(_parent: Any, title: str, label: str, value: int = 0, *_more: Any) -> int:
        return int(current.answer("QInputDialog.getInt", f"{title}\n{label}", value))


class QMenu(QtWidgets.QMenu):
    """A menu; popped up it waits for a choice as a dialog does, answered by the text of the action."""

    def exec(self, *_where: Any) -> Any:
        chosen = current.answer("QMenu", self.title(), "", self)
        action = next((action for action in self.actions() if chosen and action.text() == chosen), None)
        if action is not None:
            action.trigger()
        return action


class QProgressDialog(QtWidgets.QProgressDialog):
    """Progress in a window of its own: it does not wait, but it is a box all the same."""

    def showEvent(self, event: Any) -> None:
        current.answer("QProgressDialog", self.labelText(), 0, self)
        super().showEvent(event)


class QDesktopServices(QtGui.QDesktopServices):
    """Opens nothing, and remembers what it should have opened."""

    @staticmethod
    def openUrl(url: QtCore.QUrl) -> bool:
        if not isinstance(url, QtCore.QUrl):
            raise TypeError("openUrl takes a QUrl")
        current.opened_urls.append(url.toString())
        return True


pythonqt.register("qt", QDesktopServices, QDialog, QFileDialog, QInputDialog, QMenu, QMessageBox, QProgressDialog)
pythonqt.register("ctk", ctkMessageBox)

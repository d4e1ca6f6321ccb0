"""How widgets take over what a presenter says, and slots that leave no panel stuck."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import qt

from MedDLLogic.errors import MedDLError

from .view import COLORS, Control, Line

_logger = logging.getLogger("MedDL")


def show_line(label: Any, line: Line) -> None:
    """Put a line into a label, which goes away while it is empty."""
    show_text(label, line)
    label.visible = bool(line.text)


def show_text(label: Any, line: Line) -> None:
    """Put a line into a label that keeps its place."""
    if label.text != line.shown:
        label.text = line.shown
    color = COLORS.get(line.tone, "")
    style = f"color: {color};" if color else ""
    if label.styleSheet != style:  # Qt computes the whole style anew, whatever is set
        label.styleSheet = style


def show_control(widget: Any, control: Control) -> None:
    """Text where there is one, whether it can be used, and why not."""
    if control.text and widget.text != control.text:
        widget.text = control.text
    show_state(widget, control)


def show_state(widget: Any, control: Control) -> None:
    """As ``show_control``, for a widget whose text is the user's choice."""
    widget.enabled = control.enabled
    widget.toolTip = control.tool_tip
    widget.visible = control.visible


def show_progress(bar: Any, percent: int | None) -> None:
    """0 .. 100, -1 for busy without end, None for no bar."""
    bar.visible = percent is not None
    bar.maximum = 0 if percent == -1 else 100
    bar.value = max(percent or 0, 0)


class Slots:
    """Makes slots: what one raises becomes one line for the user, with the details in the log.

    Parameters
    ----------
    tell : takes that line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def __call__(self, function: Callable[..., None]) -> Callable[..., None]:
        """The function, safe to be called by Qt or VTK."""

        def slot(*arguments: Any) -> None:
            try:
                function(*arguments)
            except MedDLError as error:
                self._tell(str(error))
            except Exception as error:  # nobody above would tell the user
                _logger.exception("panel")
                self._tell(str(MedDLError("E901", "", type(error).__name__, "the error log holds the details")))

        return slot


class Later:
    """Does something once Qt is back from what it is at, once for however many times it was asked.

    A node that is dragged, loaded or filled tells of hundreds of changes in a moment.
    """

    def __init__(self, action: Callable[[], None], after_ms: int = 0) -> None:
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(after_ms)
        self._timer.connect("timeout()", action)

    def ask(self, *_ignored: Any) -> None:
        """Do it soon; may be a slot or an observer itself."""
        self._timer.start()

    def stop(self) -> None:
        """Do not do it any more, unless asked again."""
        self._timer.stop()

"""The worker's output as events: bytes in, events out, whatever else libraries print is left aside."""

from __future__ import annotations

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Event, Failed
from MedDLLogic.records import parse_json

MAX_LINE_BYTES = 1_000_000
MAX_TAIL_CHARACTERS = 4_000
_MISSING = "ModuleNotFoundError: No module named "


class EventStream:
    """Cuts a byte stream into lines and reads each JSON line as an event."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete, in order."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest = b""
        return [event for line in lines if (event := _event_of(line)) is not None]


class Tail:
    """The last characters of the worker's log, for the message when it dies."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, data: bytes) -> None:
        """Keep the end of what was written so far."""
        self.text = (self.text + data.decode("utf-8", "replace"))[-MAX_TAIL_CHARACTERS:]


def failure_of_exit(exit_code: int, log: str) -> Failed:
    """What to tell when the worker ended without saying how the job ended."""
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    if last.startswith(_MISSING):
        package = last[len(_MISSING) :].strip("'\" ").split(".")[0][:40]
        hint = "choose a Python with MedDL's packages under Advanced"
        error = MedDLError("E104", f"{package} is missing in the worker's Python", "", hint)
    else:
        error = MedDLError("E603", "the worker ended unexpectedly", f"exit status {exit_code}", "see the error log")
    return Failed("case", error.code, str(error))


def _event_of(line: bytes) -> Event | None:
    if not line.lstrip().startswith(b"{") or len(line) > MAX_LINE_BYTES:
        return None
    try:
        event: Event = parse_json(Event, line)  # type: ignore[arg-type]
    except MedDLError:
        return None  # a library printed something that begins like JSON
    return event

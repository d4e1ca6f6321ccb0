"""How a job ended, in one line: from an exception, from what a worker told, from the way a process died."""

from __future__ import annotations

import errno
import signal
from dataclasses import replace

from ..errors import CODES, MAX_LINE, MedDLError
from ..events import Cancelled, Event, Failed, Progress, Started, Warned

_MOST_STAGE = 80
_MOST_CODE = 4
_MISSING = "ModuleNotFoundError: No module named "
_OUT_OF_MEMORY = (-9, 137)
"""Killed by a signal that nobody can catch, as the process itself or a shell around it tells it."""

_NO_ALLOCATION = ("allocate memory", "bad_alloc", "MemoryError", "Memory allocation still failed")
"""What the system, C++, Python and OpenBLAS say, the last of which ends the process by itself."""


def ending_of(case: str, exc: Exception) -> Failed | Cancelled:
    """What is told of an exception that ended a job."""
    error = error_of(exc)
    return Cancelled(case) if error.code == "E602" else failure(case, error)


def failure(case: str, error: MedDLError) -> Failed:
    """The error as an event."""
    return Failed(case, error.code, str(error))


def error_of(exc: Exception) -> MedDLError:
    """MedDL's own error as it is; whatever else came out of a job in MedDL's words."""
    if isinstance(exc, MedDLError):
        return exc
    if _tells_no_memory(exc):
        return MedDLError("E502", "", "", "close other programs, or choose a region")
    if isinstance(exc, ImportError):
        name = (exc.name or "").partition(".")[0][:40]
        return MedDLError("E104", "a package cannot be loaded", name, "repair the environment")
    return MedDLError("E901", "", type(exc).__name__, "the log holds the details")


def error_told(event: Failed | Cancelled) -> MedDLError:
    """The error that an event tells of, with the very same line; E603 for a code that this MedDL does not have."""
    if isinstance(event, Cancelled):
        return MedDLError("E602", "cancelled")
    if event.code not in CODES:
        return MedDLError("E603", "the process told an error that is not known here", "", "see the log")
    text = event.message.removeprefix(f"MEDDL-{event.code}: ")
    what, _, rest = text.partition(" — ")
    return MedDLError(event.code, what, rest)


def bounded(event: Event) -> Event:
    """The event with texts that a panel can show, each one line and not too long, whoever told it."""
    if isinstance(event, (Failed, Warned)):
        return replace(event, code=event.code[:_MOST_CODE], message=" ".join(event.message.split())[:MAX_LINE])
    if isinstance(event, Progress):
        return replace(event, stage=event.stage[:_MOST_STAGE])
    if isinstance(event, Started):
        return replace(event, stages=tuple(stage[:_MOST_STAGE] for stage in event.stages))
    return event


def error_of_exit(exit_code: int, log: str) -> MedDLError:
    """Why a process ended that had more to do.

    Parameters
    ----------
    exit_code : negative for the signal that ended it.
    log : the end of what it wrote to standard error.
    """
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    if last.startswith(_MISSING):
        package = last[len(_MISSING) :].strip("'\" ").split(".")[0][:40]
        return MedDLError("E104", f"{package} is missing in the worker's Python", "", "see the environment page")
    if exit_code in _OUT_OF_MEMORY:
        why, hint = "most likely because memory ran out", "close other programs, or choose a region"
        return MedDLError("E502", "the system ended the worker", why, hint)
    if any(word in last for word in _NO_ALLOCATION):
        return MedDLError("E502", "", "the worker got none and ended", "close other programs, or choose a region")
    return MedDLError("E603", "the worker ended unexpectedly", _words_of(exit_code), "see the log")


def _words_of(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit status {exit_code}"
    try:
        return f"signal {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"exit status {exit_code}"


def _tells_no_memory(exc: Exception) -> bool:
    if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno == errno.ENOMEM):
        return True
    return isinstance(exc, ImportError) and any(word in str(exc) for word in _NO_ALLOCATION)

"""The command ``meddl``."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from ..disk import disk_error
from ..errors import MedDLError, optional_packages

DEBUG_VARIABLE = "MEDDL_DEBUG"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit status (``errors.MedDLError.exit_status``)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name may hold what the terminal's encoding does not
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Exit status of the command; every failure is one line on stderr (and more with ``MEDDL_DEBUG=1``).

    With ``--json`` it is also the last line on stdout: ``{"error": {"code": "E301", "message": "..."}}``.
    """
    try:
        return _invoke(arguments)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the border of the program
        return _tell(_error_of(exc), exc, as_json=_wants_json(arguments))


def _invoke(arguments: list[str]) -> int:
    with optional_packages():
        from .app import invoke

        return invoke(arguments)


def _error_of(exc: BaseException) -> MedDLError:
    """What is told of whatever came out of a command: a defect is one line too."""
    if isinstance(exc, MedDLError):
        return exc
    if isinstance(exc, KeyboardInterrupt):
        return MedDLError("E602", "cancelled")
    if isinstance(exc, MemoryError):
        return MedDLError("E502", "not enough memory", "", "close other programs")
    if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:  # standard output goes to a file
        return disk_error(exc)
    return MedDLError("E901", "", type(exc).__name__, f"set {DEBUG_VARIABLE}=1 to see where")


def _wants_json(arguments: list[str]) -> bool:
    """Whether ``--json`` is among the options; a wrong call never gets as far as to read them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def _tell(error: MedDLError, cause: BaseException, *, as_json: bool) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(cause)
        sys.stderr.write(f"{error.detail}\n" if error.detail else "")
    sys.stderr.write(f"{error}\n")
    if as_json:
        with suppress(OSError):  # what could not be written may be standard output itself
            sys.stdout.write(json.dumps({"error": {"code": error.code, "message": str(error)}}) + "\n")
            sys.stdout.flush()
    return error.exit_status

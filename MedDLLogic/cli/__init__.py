"""The command ``meddl``."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from ..errors import MedDLError

DEBUG_VARIABLE = "MEDDL_DEBUG"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit status (``errors.MedDLError.exit_status``)."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Exit status of the command; every failure is one line on stderr (and more with ``MEDDL_DEBUG=1``)."""
    try:
        import typer  # noqa: F401 - the first package that a bare install lacks
    except ModuleNotFoundError as exc:
        return _tell(
            MedDLError("E104", "command line packages are missing", "", 'pip install "meddl[standalone]"'), exc
        )
    from .app import invoke

    try:
        return invoke(arguments)
    except MedDLError as exc:
        return _tell(exc, exc)
    except KeyboardInterrupt as exc:
        return _tell(MedDLError("E602", "cancelled"), exc)
    except ModuleNotFoundError as exc:
        missing = MedDLError("E104", "a package is missing", str(exc.name), 'pip install "meddl[standalone]"')
        return _tell(missing, exc)
    except Exception as exc:  # noqa: BLE001 - the border of the program: a defect is told in one line too
        return _tell(MedDLError("E901", "", type(exc).__name__, f"set {DEBUG_VARIABLE}=1 to see where"), exc)


def _tell(error: MedDLError, cause: BaseException) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(cause)
        sys.stderr.write(f"{error.detail}\n" if error.detail else "")
    sys.stderr.write(f"{error}\n")
    return error.exit_status

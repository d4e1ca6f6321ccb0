"""How the worker is started: which Python, with what arguments, in what environment."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import slicer

from MedDLLogic.errors import MedDLError

SETTING_PYTHON = "MedDL/WorkerPython"


@dataclass(frozen=True)
class Launch:
    """A program, its arguments, and all of its environment."""

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def worker_launch(module: str, *arguments: str, python: str, environment: Mapping[str, str]) -> Launch:
    """How to run a module of this extension in another process.

    Parameters
    ----------
    python : program of the user's setting, empty for Slicer's own.
    environment : the one Slicer itself was started in, so that none of its libraries leak into the worker.

    Raises
    ------
    MedDLError : E101 when there is no such program.
    """
    program = shutil.which(python) if python else _own_python()
    if program is None:
        raise MedDLError("E101", "Python for the worker not found", "", "choose one under Advanced")
    clean = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    bootstrap = str(Path(__file__).with_name("bootstrap.py"))
    return Launch(program, (bootstrap, module, *arguments), clean | {"PYTHONUTF8": "1"})


def _own_python() -> str | None:
    """Slicer's Python as a program: PythonSlicer, or where Slicer was built without it the Python it runs on."""
    home = Path(slicer.app.slicerHome, "bin")
    for candidate in (
        "PythonSlicer",
        str(home / "PythonSlicer"),
        sys.executable or "",
        str(Path(sys.prefix, "bin", "python3")),
    ):
        program = shutil.which(candidate) if candidate else None
        if program is not None and "python" in Path(program).name.lower():  # never a second Slicer
            return program
    return None


def launch_in_slicer(module: str, *arguments: str) -> Launch:
    """The same with the Python of the user's settings."""
    python = slicer.util.settingsValue(SETTING_PYTHON, "")
    return worker_launch(module, *arguments, python=python, environment=slicer.util.startupEnvironment())

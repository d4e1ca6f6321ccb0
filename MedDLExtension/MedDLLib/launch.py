"""How a process of MedDL is started: which Python, with what arguments, in what environment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import slicer

from MedDLLogic.environment.folder import current_environment
from MedDLLogic.environment.launch import worker_arguments
from MedDLLogic.errors import MedDLError
from MedDLLogic.jobs.process import Launch

SETTING_PYTHON = "MedDL/WorkerPython"
WORKER = "MedDLLogic.jobs.worker"
LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def worker_launch(folder: Path) -> Launch:
    """The worker of this exchange folder, in the Python of the user's setting or in MedDL's own environment.

    Raises
    ------
    MedDLError : E507 when neither is there, E101 when there is no such Python.
    """
    environment = current_environment()
    if environment is None and not chosen_python():
        raise MedDLError("E507", "the packages that models need are not here", "", "install them under Environment")
    return module_launch(WORKER, str(folder), environment=None if chosen_python() else environment)


def module_launch(module: str, *arguments: str, environment: Path | None = None, is_own: bool = False) -> Launch:
    """A module of this extension in another process, which needs the standard library and numpy at most.

    Parameters
    ----------
    environment : folder of packages that goes first on its path.
    is_own : in Slicer's own Python, whatever the user's setting says; MedDL's environment is built with that one.

    Raises
    ------
    MedDLError : E101 when the Python of the user's setting, or Slicer's own, is not there.
    """
    chosen = "" if is_own else chosen_python()
    program = shutil.which(chosen) if chosen else own_python()
    if program is None:
        raise MedDLError("E101", "Python for the worker not found", "", "choose one under Environment")
    variables = clean_variables(slicer.util.startupEnvironment(), is_foreign=bool(chosen))
    bootstrap = str(Path(__file__).with_name("bootstrap.py"))
    return Launch(program, (bootstrap, *worker_arguments(environment), module, *arguments), variables)


def chosen_python() -> str:
    """The program of the user's setting; empty for Slicer's own Python."""
    return str(slicer.util.settingsValue(SETTING_PYTHON, ""))


def own_python() -> str | None:
    """Slicer's Python as a program: PythonSlicer, or where Slicer was built without it the Python it runs on."""
    home = Path(slicer.app.slicerHome, "bin")
    for candidate in (
        str(home / "PythonSlicer"),
        "PythonSlicer",
        sys.executable or "",
        str(Path(sys.prefix, "bin", "python3")),
    ):
        program = shutil.which(candidate) if candidate else None
        if program is not None and "python" in Path(program).name.lower():  # never a second Slicer
            return program
    return None


def clean_variables(started_in: Mapping[str, str], *, is_foreign: bool) -> dict[str, str]:
    """The variables that Slicer was started in, without those that would lead a worker to other packages.

    A foreign Python gets no folder of Slicer's on its library paths either, which are there when
    Slicer was started without its launcher.
    """
    kept = {name: value for name, value in started_in.items() if not name.startswith("PYTHON")}
    home = Path(slicer.app.slicerHome).resolve()
    for name in LIBRARY_PATHS if is_foreign else ():
        if name in kept:
            folders = [f for f in kept[name].split(os.pathsep) if f and not Path(f).resolve().is_relative_to(home)]
            kept[name] = os.pathsep.join(folders)
    return kept | {"PYTHONUTF8": "1"}

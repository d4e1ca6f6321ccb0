"""An environment with what Slicer's own Python has of ours: numpy and the MRML classes, and pytest to test there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .resolver import CONSTRAINTS, ROOT

PACKAGES = ("numpy", "slicer-core", "pytest", "hypothesis")
TIME_LIMIT_S = 600

# What runs inside Slicer, as paths to look for under the root and the folder they are imported from.
SLICER_SIDE = (
    (".", "MedDLLogic/*.py"),
    (".", "MedDLLogic/models/card.py"),
    (".", "MedDLLogic/scene/*.py"),
    (".", "MedDLLogic/environment/*.py"),
    (".", "MedDLLogic/jobs/client.py"),
    (".", "MedDLLogic/jobs/errand.py"),
    (".", "MedDLLogic/tasks/plan.py"),
    ("MedDLExtension", "MedDLLib/*.py"),
)
NOT_THERE = {
    "MedDLLogic.api",  # the whole library, for Python without Slicer
    "MedDLLogic.environment.__main__",  # a program
    "MedDLLib.backstage",  # these need the running application
    "MedDLLib.batch",
    "MedDLLib.environment_children",
    "MedDLLib.environment_panel",
    "MedDLLib.fetching",
    "MedDLLib.inputs_panel",
    "MedDLLib.models_panel",
    "MedDLLib.options_panel",
    "MedDLLib.pages",
    "MedDLLib.panel",
    "MedDLLib.parameters",
    "MedDLLib.qt_process",
    "MedDLLib.report_panel",
    "MedDLLib.results_panel",
    "MedDLLib.runs_panel",
    "MedDLLib.show",
    "MedDLLib.storage_panel",
}
TESTS = ("Testing/test_*.py", "Testing/scene")


class SlimEnvironmentError(Exception):
    """A command failed in the slim environment; holds what it said."""


def find_python(version: str) -> str | None:
    """An interpreter of that version that runs: this one, one on PATH, or one of pyenv's."""
    own = ".".join(map(str, sys.version_info[:2]))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [
        *([sys.executable] if own == version else []),
        *filter(None, [shutil.which(f"python{version}")]),
        *sorted(map(str, pyenv.glob(f"{version}.*/bin/python"))),
    ]
    return next((python for python in candidates if _runs(python, version)), None)


def build(python: str, folder: Path) -> str:
    """The interpreter of a new environment at ``folder`` that holds ``PACKAGES`` as constraints.txt pins them."""
    _run([python, "-m", "venv", str(folder)])
    inside = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:", "-c", str(CONSTRAINTS)]
    _run([inside, "-m", "pip", "install", *options, *PACKAGES])
    return inside


def slicer_side_modules() -> list[str]:
    """Names of all modules that run inside Slicer, those aside that need the running application."""
    paths = [path.relative_to(ROOT / base) for base, glob in SLICER_SIDE for path in sorted((ROOT / base).glob(glob))]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if name not in NOT_THERE]


def import_all(inside: str) -> None:
    """Import every Slicer-side module there; SlimEnvironmentError when one cannot be."""
    _run([inside, "-c", "\n".join(f"import {name}" for name in slicer_side_modules())])


def run_tests(inside: str) -> str:
    """Run the tests of the Slicer-side modules there; pytest's closing line, or SlimEnvironmentError."""
    tests = [str(path) for glob in TESTS for path in sorted(ROOT.glob(glob))]
    return _run([inside, "-m", "pytest", "-p", "no:cacheprovider", *tests]).splitlines()[-1]


def _run(command: list[str]) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_", "VIRTUAL_ENV"))}
    path = os.pathsep.join([str(ROOT), str(ROOT / "MedDLExtension")])
    environment = kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
    )
    if run.returncode:
        raise SlimEnvironmentError(f"{run.stdout[-4000:]}\n{run.stderr[-4000:]}")
    return run.stdout.strip()


def _runs(python: str, version: str) -> bool:
    """A pyenv shim on PATH need not have an interpreter behind it."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return run.stdout.strip() == version

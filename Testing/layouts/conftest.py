"""The three layouts, each made anew, and a Python that knows nothing of the clone."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .list_files import LISTS, ROOT, listed

RunPython = Callable[..., str]


@pytest.fixture
def run_python(tmp_path: Path) -> RunPython:
    """``run_python(code, folder)``: what the code prints in a clean interpreter whose path begins with that folder."""

    def run(code: str, *folders: Path) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        path = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}; "
        command = [sys.executable, "-B", "-c", path + code]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def installed_extension(tmp_path: Path) -> Path:
    """``qt-scripted-modules`` with exactly what the CMake lists name."""
    target = tmp_path / "lib" / "qt-scripted-modules"
    for name, (cmake_file, _) in LISTS.items():
        for path in listed(name):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / Path(cmake_file).parent / path, target / path)
    return target


@pytest.fixture(scope="session")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the content of a wheel that was built from a copy of the source tree."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for part in ("MedDLLogic", "Resources"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        if (ROOT / part).is_file():
            shutil.copy(ROOT / part, source / part)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "-w", str(made)]
    if importlib.util.find_spec("setuptools") is not None:
        command.append("--no-build-isolation")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(made.glob("*.whl"))) as archive:
        archive.extractall(made / "content")
    return made / "content"

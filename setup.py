"""Puts Resources inside the package when a wheel is built; everything else is in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESOURCES = Path(__file__).parent / "Resources"


class BuildWithResources(build_py):
    """``build_py`` that also ships Resources; an editable install reads them from the source tree."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "MedDLLogic", "Resources")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(RESOURCES, target, ignore=shutil.ignore_patterns(".*", "__pycache__"))


setup(cmdclass={"build_py": BuildWithResources})

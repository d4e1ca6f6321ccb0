"""How long ``import MedDLLogic`` takes in a fresh interpreter, and what it drags in."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from .resolver import ROOT

HEAVY = ("torch", "monai", "SimpleITK", "vtk", "vtkmodules", "slicer", "scipy", "skimage", "pydicom", "matplotlib")

MEASURE = """
import json, sys, time
started = time.perf_counter()
import MedDLLogic
print(json.dumps([time.perf_counter() - started, sorted(sys.modules)]))
"""


@dataclass(frozen=True)
class LightImport:
    """Seconds one import took, and those of ``HEAVY`` that it left in ``sys.modules``."""

    seconds: float
    heavy: tuple[str, ...]


def import_once(python: str = sys.executable) -> LightImport:
    """What one import of the package in a fresh interpreter costs."""
    run = subprocess.run([python, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    seconds, modules = json.loads(run.stdout)
    return LightImport(seconds, tuple(name for name in HEAVY if name in modules))

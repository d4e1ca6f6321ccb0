"""Modules of MedDLLib for tests that need neither Qt nor a scene."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from .application import EXTENSION


def ours(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    """A module of MedDLLib, imported anew as Slicer would; afterwards it is forgotten."""
    monkeypatch.syspath_prepend(str(EXTENSION))
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "MedDLLib"]:
        monkeypatch.delitem(sys.modules, loaded)
    return importlib.import_module(f"MedDLLib.{name}")

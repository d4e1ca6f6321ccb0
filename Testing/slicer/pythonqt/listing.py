"""What a true Slicer says its classes have, and which class of PySide6 or of the stand-in stands in for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

API_FILE = Path(__file__).parents[1] / "pythonqt_api.json"
API: dict[str, Any] = json.loads(API_FILE.read_text(encoding="utf-8"))
_own_classes: dict[str, type] = {}
_ALWAYS = {"className", "delete", "inherits"}
_RENAMED = {"del", "exec", "print", "raise"}  # words of Python 2 or 3 get an underscore


class NotModelled(AttributeError):  # noqa: N818 - it says that nothing is wrong with the panel
    """A true Slicer has this name; the stand-in does not (yet)."""


def register(module: str, *classes: type) -> None:
    """Let ``module`` (``"qt"``, ``"ctk"``, ``"slicer"``) have these classes in place of PySide6's, or beside them."""
    _own_classes.update({f"{module}.{cls.__name__}": cls for cls in classes})
    listing_of.cache_clear()


def own_classes() -> dict[str, type]:
    """Full name (``"ctk.ctkSearchBox"``) of each stand-in class."""
    return dict(_own_classes)


class Listing:
    """What a true Slicer says one class has."""

    def __init__(self, cls: type) -> None:
        self.full_name = _listed_name(cls)
        if self.full_name is None:
            raise NotModelled(f"{cls.__name__} is not among the classes that the stand-in knows")
        parts = list(_with_parents(self.full_name))
        self.properties = _union(parts, "properties")
        if "objectName" in self.properties:
            self.properties.add("name")
        self.signals = _union(parts, "signals")
        self.methods = _union(parts, "methods") | _ALWAYS
        self.methods |= {f"{name}_" for name in self.methods & _RENAMED}
        self.constants = _union(parts, "enums_and_constants")


@cache
def listing_of(cls: type) -> Listing:
    """The listing of a class, or of the nearest class above it that is listed."""
    return Listing(cls)


def class_of(full_name: str) -> type:
    """The class that stands in for ``"qt.QLabel"`` and the like."""
    name = full_name.split(".")[1]
    if full_name in _own_classes:
        return _own_classes[full_name]
    for module in (QtWidgets, QtCore, QtGui):
        if full_name.startswith("qt.") and hasattr(module, name):
            return getattr(module, name)  # type: ignore[no-any-return]
    raise LookupError(f"the stand-in has no class for {full_name}")


def _names_of(cls: type) -> list[str]:
    own = [name for name, known in _own_classes.items() if known is cls]
    return own or ([f"qt.{cls.__name__}"] if cls.__module__.startswith("PySide6") else [])


def is_listed(cls: type) -> bool:
    """Whether a true Slicer's listing has the class or one above it."""
    return _listed_name(cls) is not None


def _listed_name(cls: type) -> str | None:
    return next((name for parent in cls.__mro__ for name in _names_of(parent) if name in API), None)


def _with_parents(full_name: str) -> Iterator[dict[str, Any]]:
    entry = API[full_name]
    yield entry
    if "inherits" in entry:
        yield from _with_parents(entry["inherits"])


def _union(parts: list[dict[str, Any]], key: str) -> set[str]:
    return {name for part in parts for name in part.get(key, ())}

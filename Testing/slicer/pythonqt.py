"""Real PySide6 objects with the manners of PythonQt, as strict as the listing of a true Slicer's classes.

Properties are attributes, methods take no keywords, a name that a true Slicer lacks is an
AttributeError, ``connect`` with an unknown signal returns False, and what a slot raises is printed
and kept in ``slot_errors`` while the caller goes on.
"""

from __future__ import annotations

import ctypes
import enum
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

API: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("pythonqt_api.json").read_text(encoding="utf-8"))
slot_errors: list[str] = []

if sys.version_info < (3, 12):
    # PySide6 6.12 takes one reference to None too many away at each property; before None became
    # immortal, a long run of tests would end the interpreter.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40

_own_classes: dict[str, type] = {}
_ALWAYS = {"className", "delete", "name"}


def register(module: str, *classes: type) -> None:
    """Let ``module`` (``"ctk"``, ``"slicer"``) have these stand-in widgets."""
    _own_classes.update({f"{module}.{cls.__name__}": cls for cls in classes})


class Listing:
    """What a true Slicer says one class has."""

    def __init__(self, cls: type) -> None:
        self.full_name = next((name for parent in cls.__mro__ for name in _names_of(parent) if name in API), None)
        if self.full_name is None:
            raise AttributeError(f"{cls.__name__} is not among the classes that the stand-in knows")
        parts = list(_with_parents(self.full_name))
        self.properties = _union(parts, "properties") | {"name"}
        self.signals = _union(parts, "signals")
        self.methods = _union(parts, "methods") | _ALWAYS | {"self"}
        self.constants = _union(parts, "enums_and_constants")


class Wrapped:
    """One object as PythonQt would show it."""

    def __init__(self, real: Any) -> None:
        object.__setattr__(self, "real", real)
        object.__setattr__(self, "listing", Listing(type(real)))

    def __getattr__(self, name: str) -> Any:
        real, listing = self.real, self.listing
        if not shiboken6.isValid(real):
            raise ValueError("Trying to read property of a destroyed object")
        if name == "connect":
            return self._connect
        if name == "delete":
            return lambda: shiboken6.delete(real)
        if name == "className":
            return lambda: type(real).__name__
        if name in listing.properties and isinstance(real, QtCore.QObject):
            return wrap(real.property("objectName" if name == "name" else name))
        if name in listing.signals:
            return Signal(self, name)
        if name in listing.methods and hasattr(real, name):
            return _method(getattr(real, name))
        if name in listing.constants:
            return int_of(getattr(type(real), name))
        raise AttributeError(f"{listing.full_name} has no attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.listing.properties:
            raise AttributeError(
                f"{self.listing.full_name}: creating new attributes on C++ objects is not allowed: {name}"
            )
        if not shiboken6.isValid(self.real):
            raise ValueError("Trying to read property of a destroyed object")
        if not self.real.setProperty("objectName" if name == "name" else name, unwrap(value)):
            raise AttributeError(f"{self.listing.full_name}.{name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wrapped) and self.real is other.real

    def __hash__(self) -> int:
        return id(self.real)

    def __bool__(self) -> bool:
        return True

    def _connect(self, signature: str, slot: Callable[..., Any]) -> bool:
        name, _, arguments = signature.rstrip(")").partition("(")
        known = name in self.listing.signals and hasattr(self.real, name)
        if not known or not _has_signature(self.real, signature):
            print(f"QObject::connect: no such signal {self.listing.full_name}::{signature}")
            return False
        count = len([argument for argument in arguments.split(",") if argument])
        getattr(self.real, name).connect(_of_arity(guarded(slot, count), count))
        return True


class Signal:
    """A signal as an attribute."""

    def __init__(self, owner: Wrapped, name: str) -> None:
        self._signal = getattr(owner.real, name)

    def connect(self, slot: Callable[..., Any]) -> bool:
        self._signal.connect(guarded(slot, None))
        return True

    def __call__(self, *arguments: Any) -> None:
        self._signal.emit(*map(unwrap, arguments))


class WrappedClass:
    """A class as PythonQt would show it: called to make an object, asked for its constants and static methods."""

    def __init__(self, cls: type) -> None:
        self._cls, self._listing = cls, Listing(cls)

    def __call__(self, *arguments: Any, **keywords: Any) -> Wrapped:
        if keywords:
            raise ValueError("called slot does not support kwargs")
        return Wrapped(self._cls(*map(unwrap, arguments)))

    def __getattr__(self, name: str) -> Any:
        if name in self._listing.constants:
            return int_of(getattr(self._cls, name))
        if name == "singleShot":
            return lambda ms, slot: QtCore.QTimer.singleShot(ms, guarded(slot, 0))
        if name in self._listing.methods:
            return _method(getattr(self._cls, name))
        raise AttributeError(f"{self._listing.full_name} has no attribute {name}")

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(unwrap(value), self._cls)


def make_module(name: str) -> ModuleType:
    """The module ``qt`` or ``ctk``, with the classes of the listing."""
    module = ModuleType(name)
    for full_name in API:
        if full_name.startswith(f"{name}."):
            setattr(module, full_name.split(".")[1], WrappedClass(_class_of(full_name)))
    if name == "qt":
        module.Qt = _Namespace()  # type: ignore[attr-defined]
    return module


class _Namespace:
    """``qt.Qt``: every constant as a plain whole number."""

    def __getattr__(self, name: str) -> int:
        for group in (QtCore.Qt.AlignmentFlag, QtCore.Qt.ItemDataRole, QtCore.Qt.Orientation):
            if name in group.__members__:
                return int_of(group[name])
        raise AttributeError(f"qt.Qt has no constant {name} in the stand-in")


def wrap(value: Any) -> Any:
    """A value as PythonQt hands it over."""
    if isinstance(value, enum.Enum):
        return int_of(value)
    if isinstance(value, (list, tuple)):
        return type(value)(wrap(item) for item in value)
    return Wrapped(value) if any(name in API for cls in type(value).__mro__ for name in _names_of(cls)) else value


def unwrap(value: Any) -> Any:
    """A value as PySide6 wants it."""
    if isinstance(value, Constant):
        return value.member
    return value.real if isinstance(value, Wrapped) else value


class Constant(int):
    """PythonQt's enumerations are whole numbers; PySide6 wants the member back."""

    member: Any

    def __or__(self, other: int) -> int:
        return int_of(self.member | other.member) if isinstance(other, Constant) else int(self) | other


def int_of(value: Any) -> int:
    """The whole number that PythonQt has for a member of an enumeration."""
    if not isinstance(value, enum.Enum):
        return int(value)
    constant = Constant(value.value)
    constant.member = value
    return constant


def guarded(slot: Callable[..., Any], count: int | None) -> Callable[..., None]:
    """The slot with that many arguments; what it raises is kept and not passed on."""

    def call(*arguments: Any) -> None:
        try:
            slot(*map(wrap, arguments[:count]))
        except Exception:
            traceback.print_exc()
            slot_errors.append(traceback.format_exc())

    return call


def _of_arity(call: Callable[..., None], count: int) -> Callable[..., None]:
    """PySide6 looks at how many arguments a slot names before it hands over those that have a default."""
    return (lambda: call(), lambda a: call(a), lambda a, b: call(a, b))[count]  # noqa: PLW0108


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise ValueError("called slot does not support kwargs")
        return wrap(function(*map(unwrap, arguments)))

    return call


def _has_signature(real: QtCore.QObject, signature: str) -> bool:
    declared = getattr(type(real), "SIGNATURES", {}).get(signature.partition("(")[0])
    if declared is not None:
        return bool(declared == signature)
    meta = real.metaObject()
    return meta.indexOfSignal(QtCore.QMetaObject.normalizedSignature(signature).data().decode()) >= 0


def _class_of(full_name: str) -> type:
    name = full_name.split(".")[1]
    for module in (QtWidgets, QtCore, QtGui):
        if full_name.startswith("qt.") and full_name not in _own_classes and hasattr(module, name):
            return getattr(module, name)  # type: ignore[no-any-return]
    return _own_classes[full_name]


def _names_of(cls: type) -> list[str]:
    own = [name for name, known in _own_classes.items() if known is cls]
    return own or ([f"qt.{cls.__name__}"] if cls.__module__.startswith("PySide6") else [])


def _with_parents(full_name: str) -> Iterator[dict[str, Any]]:
    entry = API[full_name]
    yield entry
    if "inherits" in entry:
        yield from _with_parents(entry["inherits"])


def _union(parts: list[dict[str, Any]], key: str) -> set[str]:
    return {name for part in parts for name in part.get(key, ())}

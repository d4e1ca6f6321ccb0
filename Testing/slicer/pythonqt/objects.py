"""Objects as PythonQt would show them, and values on their way in and out."""

from __future__ import annotations

import ctypes
import enum
import inspect
import sys
import threading
import traceback
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui

from .arguments import UNFIT, fitting, is_foreign
from .connections import count_of, count_of_first, forget, normalized, tie, untie
from .constants import Constant, constant_of, int_of
from .listing import Listing, NotModelled, is_listed, listing_of
from .records import failed_connections, slot_errors, slot_listeners, thread_errors

if sys.version_info < (3, 12):
    # PySide6 6.12 takes one reference to None too many away at each property; before None became
    # immortal, a long run of tests would end the interpreter.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40

NO_KEYWORDS = "called slot does not support kwargs"
_MAIN_THREAD = threading.main_thread().ident
_TEXT_SETTERS = {"setHtml", "setPlainText", "setText", "setTitle", "setToolTip", "setWindowTitle"}
_DESTROYED = "Trying to read property of a destroyed object"


class Wrapped:
    """One object as PythonQt would show it."""

    real: Any
    listing: Listing

    def __init__(self, real: Any) -> None:
        object.__setattr__(self, "real", real)
        object.__setattr__(self, "listing", listing_of(type(real)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        real, listing = self.real, self.listing
        _require_life(real)
        require_main_thread(f"{listing.full_name}.{name}")
        if name in _MANNERS:
            return MethodType(_MANNERS[name], self)
        if name in listing.properties and isinstance(real, QtCore.QObject):
            return _property_of(real, "objectName" if name == "name" else name)
        if name in listing.signals:
            return Signal(self, name)
        if name in listing.methods:
            return method(function_of(real, name, listing))
        if name in listing.constants:
            return constant_of(type(real), name)
        raise AttributeError(f"{listing.full_name} has no attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.listing.properties:
            raise AttributeError(
                f"{self.listing.full_name}: creating new attributes on C++ objects is not allowed: {name}"
            )
        _require_life(self.real)
        require_main_thread(f"{self.listing.full_name}.{name}")
        _set_property(self.real, "objectName" if name == "name" else name, value)

    def __eq__(self, other: object) -> bool:
        if other is None:
            return not shiboken6.isValid(self.real)
        return isinstance(other, Wrapped) and (self.real is other.real or _are_equal_values(self.real, other.real))

    def __hash__(self) -> int:
        return id(self.real)

    def __bool__(self) -> bool:
        return bool(shiboken6.isValid(self.real))

    def __repr__(self) -> str:
        return f"{type(self.real).__name__} (C++ object at {id(self.real):#x})"


def _require_life(real: Any) -> None:
    if isinstance(real, shiboken6.Object) and not shiboken6.isValid(real):
        raise ValueError(_DESTROYED)


def require_main_thread(what: str) -> None:
    if threading.get_ident() != _MAIN_THREAD:
        thread_errors.append(f"{what} was used in the thread {threading.current_thread().name}")
        raise RuntimeError(thread_errors[-1])


def _are_equal_values(one: Any, other: Any) -> bool:
    """Colors, sizes and the like are compared by value; objects and items are not."""
    plain = (QtGui.QColor, QtCore.QSize, QtCore.QPoint, QtCore.QRect, QtCore.QUrl, QtGui.QFont, QtCore.QByteArray)
    return isinstance(one, plain) and type(one) is type(other) and bool(one == other)


class Unlisted:
    """A value of a class that the listing does not have: it can be handed on, and no more."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        raise NotModelled(f"{type(self.real).__name__} is not in the listing of a true Slicer's classes")


def wrap(value: Any) -> Any:
    """A value as PythonQt hands it over."""
    if isinstance(value, enum.Enum):
        return int_of(value)
    if isinstance(value, (list, tuple)):
        return type(value)(wrap(item) for item in value)
    if not isinstance(value, shiboken6.Object):
        return value
    side = getattr(value, "_python_side", None)
    if side is not None:
        return side
    return Wrapped(value) if is_listed(type(value)) else Unlisted(value)


def unwrap(value: Any) -> Any:
    """A value as PySide6 wants it."""
    if isinstance(value, Constant):
        return value.member
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(item) for item in value)
    return value.real if isinstance(value, (Wrapped, Unlisted)) else value


def guarded(slot: Callable[..., Any], count: int | None) -> Callable[..., Any]:
    """The slot with that many arguments, or with fewer if it takes fewer; what it raises is kept and not passed on."""
    takes = _accepted(slot)
    limit = takes if count is None else count if takes is None else min(count, takes)

    def call(*arguments: Any) -> Any:
        for listener in slot_listeners:
            listener(slot, True)
        try:
            return slot(*map(wrap, arguments[:limit]))
        except Exception:
            traceback.print_exc()
            slot_errors.append(traceback.format_exc())
            return None
        finally:
            for listener in slot_listeners:
                listener(slot, False)

    return call


def _accepted(slot: Callable[..., Any]) -> int | None:
    """How many arguments PythonQt hands over: those with a default too, all where it cannot know."""
    function = slot.__func__ if isinstance(slot, MethodType) else slot
    if not isinstance(function, FunctionType) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - isinstance(slot, MethodType)


def _connect(self: Wrapped, signature: str, slot: Any, receiver_slot: str | None = None) -> bool:
    name, full = normalized(signature)
    if not _has_signature(self, name, full):
        failed_connections.append(f"{self.listing.full_name}::{signature}")
        print(f"QObject::connect: no such signal {failed_connections[-1]}")
        return False
    if receiver_slot is not None:
        slot = getattr(slot, receiver_slot.partition("(")[0])
    if not callable(slot):
        raise ValueError("connect needs a callable")  # noqa: TRY004 - PythonQt's own manner
    count = count_of(full)
    tie(self.real, full, slot, guarded(slot, count), count)
    return True


def _disconnect(self: Wrapped, signature: str, slot: Any = None) -> bool:
    return untie(self.real, normalized(signature)[1], slot)


def _delete(self: Wrapped) -> None:
    forget(self.real)
    shiboken6.delete(self.real)


def _class_name(self: Wrapped) -> str:
    real = self.real
    return str(real.metaObject().className()) if isinstance(real, QtCore.QObject) else type(real).__name__


def _inherits(self: Wrapped, name: str) -> bool:
    return any(parent.__name__ == name for parent in type(self.real).__mro__)


def _property(self: Wrapped, name: str) -> Any:
    return wrap(self.real.property(name))


def _find_children(self: Wrapped, cls: Any, name: str = "") -> list[Any]:
    return [wrap(child) for child in self.real.findChildren(_real_class(cls), name or None)]


def _find_child(self: Wrapped, cls: Any, name: str = "") -> Any:
    return wrap(self.real.findChild(_real_class(cls), name or None))


def _metaclass_of(self: Wrapped) -> Any:
    return Unlisted(self.real.metaObject())


def _real_class(cls: Any) -> type:
    return getattr(cls, "real_class", QtCore.QObject)


_MANNERS: dict[str, Callable[..., Any]] = {
    "connect": _connect,
    "disconnect": _disconnect,
    "delete": _delete,
    "className": _class_name,
    "inherits": _inherits,
    "property": _property,
    "findChildren": _find_children,
    "findChild": _find_child,
    "metaObject": _metaclass_of,
}


class Signal:
    """A signal as an attribute."""

    def __init__(self, owner: Wrapped, name: str) -> None:
        self._owner, self._name = owner, name
        self._real = getattr(owner.real, name)

    def connect(self, slot: Callable[..., Any]) -> bool:
        if not callable(slot):
            raise ValueError("connect needs a callable")  # noqa: TRY004 - PythonQt's own manner
        count = count_of_first(self._owner.real, self._name)
        tie(self._owner.real, self._name, slot, guarded(slot, count), count)
        return True

    def disconnect(self, slot: Callable[..., Any] | None = None) -> bool:
        return untie(self._owner.real, self._name, slot)

    def emit(self, *arguments: Any) -> None:
        self._real.emit(*map(unwrap, arguments))

    __call__ = emit


def _has_signature(wrapped: Wrapped, name: str, full: str) -> bool:
    if name not in wrapped.listing.signals or not hasattr(wrapped.real, name):
        return False
    declared = getattr(type(wrapped.real), "SIGNATURES", {}).get(name)
    if declared is not None:
        return bool(normalized(declared)[1] == full)
    return int(wrapped.real.metaObject().indexOfSignal(full)) >= 0


def _property_of(real: QtCore.QObject, name: str) -> Any:
    if real.metaObject().indexOfProperty(name) < 0:
        raise NotModelled(f"{type(real).__name__}.{name}: a true Slicer has this property, the stand-in does not")
    return wrap(real.property(name))


def _set_property(real: QtCore.QObject, name: str, value: Any) -> None:
    meta = real.metaObject()
    index = meta.indexOfProperty(name)
    if index < 0:
        raise NotModelled(f"{type(real).__name__}.{name}: a true Slicer has this property, the stand-in does not")
    kind = meta.property(index)
    if not kind.isWritable():
        raise AttributeError(f"Property '{name}' of type '{kind.typeName()}' is not writable")
    fit = fitting(kind, value)
    if fit is UNFIT or not real.setProperty(name, unwrap(fit)):
        given = type(unwrap(value)).__name__
        raise AttributeError(f"Property '{name}' of type '{kind.typeName()}' does not accept an object of type {given}")


def function_of(real: Any, name: str, listing: Listing) -> Callable[..., Any]:
    plain = name.removesuffix("_")
    for candidate in (name, plain, f"{plain}_"):
        if hasattr(real, candidate):
            return getattr(real, candidate)  # type: ignore[no-any-return]
    raise NotModelled(f"{listing.full_name}.{name}: a true Slicer has this method, the stand-in does not")


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise ValueError(NO_KEYWORDS)
        return wrap(called(function, arguments))

    return call


def called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """PythonQt finds no overload for arguments of the wrong kind or number: a ValueError."""
    for argument in arguments:
        is_no_text = argument is None and getattr(function, "__name__", "") in _TEXT_SETTERS
        if is_foreign(argument) or is_no_text:
            raise ValueError(f"Could not find matching overload for given arguments: {type(argument).__name__}")
    try:
        return function(*(_as_slot(argument) for argument in arguments))
    except TypeError as exc:
        inside = exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
        if inside and not isinstance(function, type):
            raise  # raised further in: by a function of the stand-in itself
        raise ValueError(f"Could not find matching overload for given arguments:\n{exc}") from exc


def _as_slot(argument: Any) -> Any:
    """A function handed over to a method is called with PythonQt's values, too."""
    return guarded(argument, None) if isinstance(argument, (FunctionType, MethodType)) else unwrap(argument)

"""Real PySide6 objects with the manners of PythonQt, as strict as the listing of a true Slicer's classes.

Properties are attributes, methods take no keywords, a name that a true Slicer lacks is an
AttributeError, ``connect`` with an unknown signal returns False, and what a slot raises is printed
while the caller goes on. What a test must not pass over is kept in ``slot_errors``,
``failed_connections`` and ``thread_errors``.
"""

from __future__ import annotations

import ctypes
import enum
import inspect
import json
import math
import pathlib
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

API: dict[str, Any] = json.loads(Path(__file__).with_name("pythonqt_api.json").read_text(encoding="utf-8"))
slot_errors: list[str] = []
failed_connections: list[str] = []
thread_errors: list[str] = []
slot_listeners: list[Callable[[Callable[..., Any], bool], None]] = []  # told when a slot begins (True) and ends
made: list[weakref.ref[Any]] = []  # timers and processes, for whoever looks for leaks
main_thread = threading.main_thread().ident

if sys.version_info < (3, 12):
    # PySide6 6.12 takes one reference to None too many away at each property; before None became
    # immortal, a long run of tests would end the interpreter.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40

_own_classes: dict[str, type] = {}
_connections: dict[int, list[tuple[str, Callable[..., Any], Any]]] = {}
_ALWAYS = {"className", "delete", "inherits"}
_WATCHED = (QtCore.QTimer, QtCore.QProcess)
_RENAMED = {"del", "exec", "print", "raise"}  # words of Python 2 or 3 get an underscore
_TEXT_SETTERS = {"setHtml", "setPlainText", "setText", "setTitle", "setToolTip", "setWindowTitle"}
_NO_KEYWORDS = "called slot does not support kwargs"
_DESTROYED = "Trying to read property of a destroyed object"


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
        self.full_name = next((name for parent in cls.__mro__ for name in _names_of(parent) if name in API), None)
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
        _require_main_thread(f"{listing.full_name}.{name}")
        if name in _MANNERS:
            return MethodType(_MANNERS[name], self)
        if name in listing.properties and isinstance(real, QtCore.QObject):
            return _property_of(real, "objectName" if name == "name" else name)
        if name in listing.signals:
            return Signal(self, name)
        if name in listing.methods:
            return _method(_function_of(real, name, listing))
        if name in listing.constants:
            return _constant_of(type(real), name)
        raise AttributeError(f"{listing.full_name} has no attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.listing.properties:
            raise AttributeError(
                f"{self.listing.full_name}: creating new attributes on C++ objects is not allowed: {name}"
            )
        _require_life(self.real)
        _require_main_thread(f"{self.listing.full_name}.{name}")
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


def _require_main_thread(what: str) -> None:
    if threading.get_ident() != main_thread:
        thread_errors.append(f"{what} was used in the thread {threading.current_thread().name}")
        raise RuntimeError(thread_errors[-1])


def _are_equal_values(one: Any, other: Any) -> bool:
    """Colors, sizes and the like are compared by value; objects and items are not."""
    plain = (QtGui.QColor, QtCore.QSize, QtCore.QPoint, QtCore.QRect, QtCore.QUrl, QtGui.QFont, QtCore.QByteArray)
    return isinstance(one, plain) and type(one) is type(other) and bool(one == other)


# -- manners that every object has ----------------------------------------------------------------------


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
    _tie(self.real, name, full, slot, _count(full))
    return True


def _disconnect(self: Wrapped, signature: str, slot: Any = None) -> bool:
    return _untie(self.real, normalized(signature)[1], slot)


def _delete(self: Wrapped) -> None:
    _forget_connections(self.real)
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
        _tie(self._owner.real, self._name, self._name, slot, _count_of_first(self._owner.real, self._name))
        return True

    def disconnect(self, slot: Callable[..., Any] | None = None) -> bool:
        return _untie(self._owner.real, self._name, slot)

    def emit(self, *arguments: Any) -> None:
        self._real.emit(*map(unwrap, arguments))

    __call__ = emit


def _tie(real: Any, name: str, key: str, slot: Callable[..., Any], count: int | None) -> None:
    call = guarded(slot, count)
    tied = _of_arity(call, count)
    getattr(real, name).connect(tied)
    pointer = shiboken6.getCppPointer(real)[0]
    if pointer not in _connections:
        _connections[pointer] = []
        real.destroyed.connect(lambda *_gone: _connections.pop(pointer, None))
    _connections[pointer].append((key, slot, tied))


def _untie(real: Any, key: str, slot: Callable[..., Any] | None) -> bool:
    """Whether there was such a connection. A name without arguments stands for each of its signatures."""
    known = _connections.get(shiboken6.getCppPointer(real)[0], [])
    name = key.partition("(")[0]
    found = [one for one in known if one[0].partition("(")[0] == name and (slot is None or one[1] == slot)]
    for one in found if slot is None else found[:1]:
        known.remove(one)
        getattr(real, name).disconnect(one[2])
    return bool(found)


def _forget_connections(real: Any) -> None:
    if isinstance(real, QtCore.QObject):
        _connections.pop(shiboken6.getCppPointer(real)[0], None)


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


def _of_arity(call: Callable[..., Any], count: int | None) -> Callable[..., Any]:
    """PySide6 looks at how many arguments a slot names before it hands over those that have a default."""
    if count is None:
        return call
    named = (lambda: call(), lambda a: call(a), lambda a, b: call(a, b), lambda a, b, c: call(a, b, c))  # noqa: PLW0108
    return named[count]


def normalized(signature: str) -> tuple[str, str]:
    """Name of a signal or slot, and its signature as Qt writes it."""
    full = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
    return full.partition("(")[0], full


def _count(full: str) -> int:
    return len([part for part in full.rstrip(")").partition("(")[2].split(",") if part])


def _count_of_first(real: QtCore.QObject, name: str) -> int:
    """Number of arguments of the first signal of that name, which is the one that the bare name stands for."""
    meta = real.metaObject()
    every = (meta.method(index) for index in range(meta.methodCount()))
    is_signal = QtCore.QMetaMethod.MethodType.Signal
    return next(m.parameterCount() for m in every if m.methodType() == is_signal and m.name().data().decode() == name)


def _has_signature(wrapped: Wrapped, name: str, full: str) -> bool:
    if name not in wrapped.listing.signals or not hasattr(wrapped.real, name):
        return False
    declared = getattr(type(wrapped.real), "SIGNATURES", {}).get(name)
    if declared is not None:
        return bool(normalized(declared)[1] == full)
    return int(wrapped.real.metaObject().indexOfSignal(full)) >= 0


# -- properties -----------------------------------------------------------------------------------------


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
    fitting = _fitting(kind, value)
    if fitting is _UNFIT or not real.setProperty(name, fitting):
        given = type(unwrap(value)).__name__
        raise AttributeError(f"Property '{name}' of type '{kind.typeName()}' does not accept an object of type {given}")


_UNFIT = object()


def _fitting(kind: QtCore.QMetaProperty, value: Any) -> Any:
    """The value as the property's type; PythonQt rounds numbers down and takes no text for a number."""
    type_name = kind.typeName()
    is_number = isinstance(value, (bool, int, float)) and not _is_foreign(value)
    if kind.isEnumType():
        return int(value) if isinstance(value, int) else _UNFIT
    if type_name == "QString":
        return value if isinstance(value, str) else _UNFIT
    if type_name == "bool":
        return bool(value) if is_number else _UNFIT
    if type_name in {"int", "uint", "qlonglong"}:
        return math.floor(value) if is_number else _UNFIT
    if type_name in {"double", "float"}:
        return float(value) if is_number else _UNFIT
    if type_name == "QStringList":
        fits = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return list(value) if fits else _UNFIT
    if value is None or _is_foreign(value):
        return _UNFIT
    return unwrap(value)


def _is_foreign(value: Any) -> bool:
    """Numbers of numpy and paths are no numbers and texts of Python."""
    return type(value).__module__.partition(".")[0] == "numpy" or isinstance(value, pathlib.PurePath)


# -- methods --------------------------------------------------------------------------------------------


def _function_of(real: Any, name: str, listing: Listing) -> Callable[..., Any]:
    plain = name.removesuffix("_")
    for candidate in (name, plain, f"{plain}_"):
        if hasattr(real, candidate):
            return getattr(real, candidate)  # type: ignore[no-any-return]
    raise NotModelled(f"{listing.full_name}.{name}: a true Slicer has this method, the stand-in does not")


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise ValueError(_NO_KEYWORDS)
        return wrap(_called(function, arguments))

    return call


def _called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """PythonQt finds no overload for arguments of the wrong kind or number: a ValueError."""
    for argument in arguments:
        is_no_text = argument is None and getattr(function, "__name__", "") in _TEXT_SETTERS
        if _is_foreign(argument) or is_no_text:
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


# -- classes --------------------------------------------------------------------------------------------


class WrappedClass:
    """A class as PythonQt would show it: called to make an object, asked for its constants and static methods."""

    def __init__(self, cls: type) -> None:
        self._cls, self._listing = cls, listing_of(cls)
        self.__name__ = cls.__name__
        self.__doc__ = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Wrapped:
        if keywords:
            raise ValueError(_NO_KEYWORDS)
        _require_main_thread(str(self._listing.full_name))
        return Wrapped(make(self._cls, arguments))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._listing.constants:
            return _constant_of(self._cls, name)
        if name == "singleShot":
            return _single_shot
        if name in self._listing.methods:
            return _method(_function_of(self._cls, name, self._listing))
        raise AttributeError(f"{self._listing.full_name} has no attribute {name}")

    def __instancecheck__(self, value: object) -> bool:
        # By name: a stand-in dialog is not made of another stand-in dialog, but of PySide6's.
        return any(parent.__name__ == self._cls.__name__ for parent in type(unwrap(value)).__mro__)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (_python_side_of(self._cls),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WrappedClass) and other._cls is self._cls

    def __hash__(self) -> int:
        return hash(self._cls)


def make(cls: type, arguments: tuple[Any, ...]) -> Any:
    """A new object of PySide6, known to whoever looks for leaks."""
    real = _called(cls, arguments)
    if isinstance(real, _WATCHED):
        made.append(weakref.ref(real))
    return real


single_shots: list[str] = []  # those still to come


def _single_shot(milliseconds: int, slot: Callable[..., Any]) -> None:
    if not callable(slot):
        raise ValueError("Could not find matching overload for given arguments")  # noqa: TRY004 - PythonQt's manner
    name = f"{getattr(slot, '__qualname__', slot)} in {milliseconds} ms"
    single_shots.append(name)
    call = guarded(slot, 0)

    def shoot() -> None:
        if name in single_shots:
            single_shots.remove(name)
        call()

    QtCore.QTimer.singleShot(milliseconds, shoot)


@cache
def _python_side_of(cls: type) -> type:
    """The base that ``class Mine(qt.QWidget)`` gets: an object of PySide6 whose events come to the Python class."""

    class PythonSide(Wrapped):
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            if keywords:
                raise ValueError(_NO_KEYWORDS)
            Wrapped.__init__(self, make(_with_events_of(cls, self), arguments))
            self.real._python_side = self

        def __setattr__(self, name: str, value: Any) -> None:
            if "real" in self.__dict__ and name in self.listing.properties:
                Wrapped.__setattr__(self, name, value)
            else:
                object.__setattr__(self, name, value)

        def __getattr__(self, name: str) -> Any:
            if "real" not in self.__dict__:
                raise AttributeError(f"{name}: the base class was not initialized")
            return Wrapped.__getattr__(self, name)

    PythonSide.__name__ = cls.__name__
    return PythonSide


def _with_events_of(cls: type, side: Any) -> type:
    """A class of PySide6 that hands on each virtual method that the Python class has."""
    names = [
        name
        for parent in type(side).__mro__
        if issubclass(parent, Wrapped) and parent.__module__ != __name__
        for name in vars(parent)
        if not name.startswith("_") and callable(getattr(cls, name, None))
    ]

    def handed_on(name: str) -> Callable[..., Any]:
        def call(_real: Any, *arguments: Any) -> Any:
            return unwrap(guarded(getattr(side, name), None)(*arguments))

        return call

    return type(cls.__name__, (cls,), {name: handed_on(name) for name in names})


def _real_class(cls: Any) -> type:
    return cls._cls if isinstance(cls, WrappedClass) else QtCore.QObject


def _constant_of(cls: type, name: str) -> int:
    try:
        return int_of(getattr(cls, name))
    except (AttributeError, TypeError) as exc:
        raise NotModelled(f"{cls.__name__}.{name}: a true Slicer has this constant, the stand-in does not") from exc


def make_module(name: str) -> ModuleType:
    """The module ``qt`` or ``ctk``, with the classes of the listing."""
    module = ModuleType(name)
    for full_name in API:
        if full_name.startswith(f"{name}."):
            setattr(module, full_name.split(".")[1], WrappedClass(class_of(full_name)))
    if name == "qt":
        module.Qt = NAMESPACE  # type: ignore[attr-defined]
    return module


def wrapped_classes(module: str) -> dict[str, WrappedClass]:
    """Class name -> class, of the stand-in's own classes of ``module``."""
    return {n.split(".")[1]: WrappedClass(cls) for n, cls in _own_classes.items() if n.startswith(f"{module}.")}


NAMESPACE_GROUPS = [
    "AlignmentFlag",
    "ApplicationState",
    "ArrowType",
    "AspectRatioMode",
    "BrushStyle",
    "CaseSensitivity",
    "CheckState",
    "ConnectionType",
    "ContextMenuPolicy",
    "CursorShape",
    "DateFormat",
    "DropAction",
    "FindChildOption",
    "FocusPolicy",
    "FocusReason",
    "GlobalColor",
    "ItemDataRole",
    "ItemFlag",
    "Key",
    "KeyboardModifier",
    "LayoutDirection",
    "MatchFlag",
    "MouseButton",
    "Orientation",
    "PenCapStyle",
    "PenJoinStyle",
    "PenStyle",
    "ScrollBarPolicy",
    "ShortcutContext",
    "SortOrder",
    "TextElideMode",
    "TextFlag",
    "TextFormat",
    "TextInteractionFlag",
    "TimerType",
    "ToolButtonStyle",
    "TransformationMode",
    "WidgetAttribute",
    "WindowModality",
    "WindowState",
    "WindowType",
]


class _Namespace:
    """``qt.Qt``: every constant as a plain whole number."""

    def __getattr__(self, name: str) -> int:
        for group in NAMESPACE_GROUPS:
            members = getattr(QtCore.Qt, group).__members__
            if name in members:
                return int_of(members[name])
        raise AttributeError(f"qt.Qt has no constant {name} in the stand-in")


NAMESPACE = _Namespace()

# -- values ---------------------------------------------------------------------------------------------


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
    is_listed = any(name in API for cls in type(value).__mro__ for name in _names_of(cls))
    return Wrapped(value) if is_listed else Unlisted(value)


def unwrap(value: Any) -> Any:
    """A value as PySide6 wants it."""
    if isinstance(value, Constant):
        return value.member
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(item) for item in value)
    return value.real if isinstance(value, (Wrapped, Unlisted)) else value


class Constant(int):
    """PythonQt's enumerations are whole numbers; PySide6 wants the member back."""

    member: Any

    def __or__(self, other: int) -> int:
        return _joined(self, other, "__or__")

    def __and__(self, other: int) -> int:
        return _joined(self, other, "__and__")

    def __xor__(self, other: int) -> int:
        return _joined(self, other, "__xor__")

    def __invert__(self) -> int:
        return int_of(~self.member) if isinstance(self.member, enum.Flag) else ~int(self)

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__


def _joined(one: Constant, other: int, operation: str) -> int:
    if isinstance(other, Constant) and isinstance(one.member, enum.Flag):
        joined = getattr(one.member, operation)(other.member)
        if joined is not NotImplemented:
            return int_of(joined)
    return int(getattr(int(one), operation)(int(other)))


def int_of(value: Any) -> int:
    """The whole number that PythonQt has for a member of an enumeration."""
    if not isinstance(value, enum.Enum):
        if not isinstance(value, int):
            raise TypeError(f"{value!r} is no constant")
        return value
    constant = Constant(value.value)
    constant.member = value
    return constant


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


def _with_parents(full_name: str) -> Iterator[dict[str, Any]]:
    entry = API[full_name]
    yield entry
    if "inherits" in entry:
        yield from _with_parents(entry["inherits"])


def _union(parts: list[dict[str, Any]], key: str) -> set[str]:
    return {name for part in parts for name in part.get(key, ())}

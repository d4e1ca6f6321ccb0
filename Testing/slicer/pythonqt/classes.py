"""Classes as PythonQt would show them, and the modules ``qt`` and ``ctk`` that have them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from PySide6 import QtCore

from .constants import NAMESPACE, constant_of
from .listing import API, class_of, listing_of, own_classes
from .objects import NO_KEYWORDS, Wrapped, called, function_of, guarded, method, require_main_thread, unwrap
from .records import made, single_shots

_WATCHED = (QtCore.QTimer, QtCore.QProcess)


class WrappedClass:
    """A class as PythonQt would show it: called to make an object, asked for its constants and static methods."""

    def __init__(self, cls: type) -> None:
        self.real_class, self._listing = cls, listing_of(cls)
        self.__name__ = cls.__name__
        self.__doc__ = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Wrapped:
        if keywords:
            raise ValueError(NO_KEYWORDS)
        require_main_thread(str(self._listing.full_name))
        return Wrapped(make(self.real_class, arguments))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._listing.constants:
            return constant_of(self.real_class, name)
        if name == "singleShot":
            return _single_shot
        if name in self._listing.methods:
            return method(function_of(self.real_class, name, self._listing))
        raise AttributeError(f"{self._listing.full_name} has no attribute {name}")

    def __instancecheck__(self, value: object) -> bool:
        # By name: a stand-in dialog is not made of another stand-in dialog, but of PySide6's.
        return any(parent.__name__ == self.real_class.__name__ for parent in type(unwrap(value)).__mro__)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (_python_side_of(self.real_class),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WrappedClass) and other.real_class is self.real_class

    def __hash__(self) -> int:
        return hash(self.real_class)


def make(cls: type, arguments: tuple[Any, ...]) -> Any:
    """A new object of PySide6, known to whoever looks for leaks."""
    real = called(cls, arguments)
    if isinstance(real, _WATCHED):
        made.append(weakref.ref(real))
    return real


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
                raise ValueError(NO_KEYWORDS)
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
        if issubclass(parent, Wrapped)
        for name in vars(parent)
        if not name.startswith("_") and callable(getattr(cls, name, None))
    ]

    def handed_on(name: str) -> Callable[..., Any]:
        def call(_real: Any, *arguments: Any) -> Any:
            return unwrap(guarded(getattr(side, name), None)(*arguments))

        return call

    return type(cls.__name__, (cls,), {name: handed_on(name) for name in names})


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
    return {n.split(".")[1]: WrappedClass(cls) for n, cls in own_classes().items() if n.startswith(f"{module}.")}

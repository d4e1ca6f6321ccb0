"""Signals and slots by signature, and the connections there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

_connections: dict[int, list[tuple[str, Callable[..., Any], Any]]] = {}


def tie(real: Any, key: str, slot: Callable[..., Any], call: Callable[..., Any], count: int | None) -> None:
    """Connect ``call``, which hands on to ``slot``, to the signal ``key``: its name, or its whole signature."""
    tied = _of_arity(call, count)
    getattr(real, key.partition("(")[0]).connect(tied)
    pointer = shiboken6.getCppPointer(real)[0]
    if pointer not in _connections:
        _connections[pointer] = []
        real.destroyed.connect(lambda *_gone: _connections.pop(pointer, None))
    _connections[pointer].append((key, slot, tied))


def untie(real: Any, key: str, slot: Callable[..., Any] | None) -> bool:
    """Whether there was such a connection. A name without arguments stands for each of its signatures."""
    known = _connections.get(shiboken6.getCppPointer(real)[0], [])
    name = key.partition("(")[0]
    found = [one for one in known if one[0].partition("(")[0] == name and (slot is None or one[1] == slot)]
    for one in found if slot is None else found[:1]:
        known.remove(one)
        getattr(real, name).disconnect(one[2])
    return bool(found)


def forget(real: Any) -> None:
    """Leave out of account what is connected to an object that goes."""
    if isinstance(real, QtCore.QObject):
        _connections.pop(shiboken6.getCppPointer(real)[0], None)


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


def count_of(full: str) -> int:
    """Number of arguments that a signature names."""
    return len([part for part in full.rstrip(")").partition("(")[2].split(",") if part])


def count_of_first(real: QtCore.QObject, name: str) -> int:
    """Number of arguments of the first signal of that name, which is the one that the bare name stands for."""
    meta = real.metaObject()
    every = (meta.method(index) for index in range(meta.methodCount()))
    is_signal = QtCore.QMetaMethod.MethodType.Signal
    return next(m.parameterCount() for m in every if m.methodType() == is_signal and m.name().data().decode() == name)

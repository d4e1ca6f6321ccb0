"""JSON of other tools, asked field by field: whatever is not of the kind that was asked for is refused by its name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ...errors import MedDLError

T = TypeVar("T")


class Fields:
    """An object of a JSON file; every method raises E401, with the field's name, for a value of another kind.

    Parameters
    ----------
    where : what the errors call it.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values, self._where = values, where

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @property
    def values(self) -> Mapping[str, Any]:
        """All fields as they are."""
        return self._values

    def raw(self, name: str) -> Any:
        """Whatever stands there, None where nothing does."""
        return self._values.get(name)

    def text(self, name: str) -> str:
        """A text."""
        return self._of(name, "text", lambda value: isinstance(value, str), str)

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._of(name, "true or false", lambda value: isinstance(value, bool), bool)

    def whole(self, name: str) -> int:
        """A whole number."""
        return self._of(name, "a whole number", _is_whole, int)

    def number(self, name: str) -> float:
        """A finite number."""
        return self._of(name, "a number", _is_number, float)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return self._of(name, "a list of texts", _all(lambda value: isinstance(value, str)), tuple)

    def flags(self, name: str) -> tuple[bool, ...]:
        """A list of true and false."""
        return self._of(name, "a list of true and false", _all(lambda value: isinstance(value, bool)), tuple)

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return self._of(name, "a list of whole numbers", _all(_is_whole), lambda value: tuple(map(int, value)))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        return self._of(name, "a list of numbers", _all(_is_number), lambda value: tuple(map(float, value)))

    def fields(self, name: str) -> Fields:
        """An object."""
        return self._of(name, "an object", lambda value: isinstance(value, dict), lambda value: Fields(value, name))

    def refused(self, name: str, why: str) -> MedDLError:
        """The error for a field that cannot be."""
        return MedDLError("E401", f"{self._where}: {name[:40]}", why)

    def _of(self, name: str, kind: str, fits: Callable[[Any], bool], made: Callable[[Any], T]) -> T:
        value = self._values.get(name)
        if not fits(value):
            raise self.refused(name, f"{kind} is needed")
        return made(value)


def read_fields(text: str, where: str) -> Fields:
    """The object that a JSON text holds; E401 when it holds none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise MedDLError("E401", where, "not valid JSON", detail=str(exc)) from exc
    if not isinstance(value, dict):
        raise MedDLError("E401", where, "an object is needed")
    return Fields(value, where)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))

"""Frozen dataclasses to JSON and back, refusing everything that the dataclass does not declare.

Job, event, recipe and model card are such records. A field is a scalar, an enumeration by
``Literal``, another record, a tuple or mapping of these, or a union. Records in a union are told
apart by the key ``kind``, which each of them declares as ``kind: ClassVar[str]``. The standard
library alone does this, since Slicer bundles neither pydantic nor jsonschema.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar

from .errors import MedDLError

R = TypeVar("R")
KIND = "kind"
MAX_DEPTH = 40
MAX_FLOAT = sys.float_info.max


def to_json(record: Any) -> Any:
    """JSON value (dicts, lists, scalars) of a record; tuples become lists, ``kind`` is added."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        kind = getattr(type(record), KIND, None)
        head = {KIND: kind} if isinstance(kind, str) else {}
        return head | {f.name: to_json(getattr(record, f.name)) for f in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        return {str(key): to_json(value) for key, value in record.items()}
    if isinstance(record, (tuple, list)):
        return [to_json(value) for value in record]
    if record is None or isinstance(record, (str, bool, int, float)):
        return record
    raise MedDLError("E901", "value has no JSON form", type(record).__name__)


def to_json_text(record: Any, *, indent: int | None = 2) -> str:
    """JSON text of a record; one line, without a line end, for ``indent=None``."""
    return json.dumps(to_json(record), indent=indent, ensure_ascii=False, allow_nan=False)


def canonical_sha256(record: Any) -> str:
    """SHA-256, in hex, of the record's JSON with sorted keys and no spaces."""
    text = json.dumps(to_json(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def from_json(record_type: type[R], value: Any, *, code: str = "E106") -> R:
    """The record that a JSON value describes.

    Raises
    ------
    MedDLError : of the given ``code``, naming the field, for an unknown or missing key, a wrong
        type, or whatever the record itself refuses.
    """
    return typing.cast(R, _Reader(code).read(record_type, value, "", 0))


def parse_json(record_type: type[R], text: str | bytes, *, code: str = "E106") -> R:
    """The record that a JSON text describes; refuses duplicate keys, NaN and Infinity too."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise MedDLError(code, "not valid JSON", str(exc)[:80]) from exc
    return from_json(record_type, value, code=code)


class _Reader:
    """Walks a declared type and a JSON value side by side."""

    def __init__(self, code: str) -> None:
        self.code = code

    def read(self, declared: Any, value: Any, where: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.error(where, "nested too deeply")
        if declared is Any:  # a JSON value that its writer alone understands
            return value
        origin, arguments = typing.get_origin(declared), typing.get_args(declared)
        if dataclasses.is_dataclass(declared):
            return self.read_record(declared, value, where, depth)
        if origin is Literal:
            return self.read_choice(arguments, value, where)
        if origin in (typing.Union, types.UnionType):
            return self.read_union(arguments, value, where, depth)
        if origin is tuple:
            return self.read_tuple(arguments, value, where, depth)
        if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
            return self.read_mapping(arguments[1], value, where, depth)
        return self.read_scalar(declared, value, where)

    def read_record(self, declared: Any, value: Any, where: str, depth: int) -> Any:
        if not isinstance(value, dict):
            raise self.error(where, "an object is expected")
        fields = {f.name: f for f in dataclasses.fields(declared)}
        kind = getattr(declared, KIND, None)
        if kind is not None and value.get(KIND, kind) != kind:
            raise self.error(_join(where, KIND), f"{kind} is expected")
        given = {key: item for key, item in value.items() if key != KIND or kind is None}
        for key in given:
            if key not in fields:
                raise self.error(_join(where, key), "no such key")
        for name, field in fields.items():
            no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if no_default and name not in given:
                raise self.error(_join(where, name), "missing")
        hints = _hints(declared)
        arguments = {key: self.read(hints[key], item, _join(where, key), depth + 1) for key, item in given.items()}
        try:
            return declared(**arguments)
        except MedDLError as exc:
            # A record's own rule keeps its reason; the code is that of the document it stands in.
            raise self.error(where, f"{exc.what}: {exc.why}" if exc.why else exc.what) from exc

    def read_choice(self, choices: tuple[Any, ...], value: Any, where: str) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise self.error(where, f"one of {', '.join(map(str, choices))} is expected")
        return value

    def read_union(self, members: tuple[Any, ...], value: Any, where: str, depth: int) -> Any:
        if value is None and type(None) in members:
            return None
        rest = [member for member in members if member is not type(None)]
        if len(rest) == 1:
            return self.read(rest[0], value, where, depth)
        records = {getattr(m, KIND): m for m in rest if dataclasses.is_dataclass(m) and hasattr(m, KIND)}
        if isinstance(value, dict) and records:
            kind = value.get(KIND)
            if not isinstance(kind, str) or kind not in records:
                raise self.error(_join(where, KIND), f"one of {', '.join(sorted(records))} is expected")
            return self.read(records[kind], value, where, depth)
        for member in rest:
            if not dataclasses.is_dataclass(member) and self.fits(member, value, where, depth):
                return self.read(member, value, where, depth)
        raise self.error(where, "value of another type is expected")

    def fits(self, declared: Any, value: Any, where: str, depth: int) -> bool:
        try:
            self.read(declared, value, where, depth)
        except MedDLError:
            return False
        return True

    def read_tuple(self, arguments: tuple[Any, ...], value: Any, where: str, depth: int) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise self.error(where, "a list is expected")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(self.read(arguments[0], v, f"{where}[{n}]", depth + 1) for n, v in enumerate(value))
        if len(value) != len(arguments):
            raise self.error(where, f"a list of {len(arguments)} is expected")
        pairs = zip(arguments, value, strict=True)
        return tuple(self.read(a, v, f"{where}[{n}]", depth + 1) for n, (a, v) in enumerate(pairs))

    def read_mapping(self, declared: Any, value: Any, where: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(where, "an object is expected")
        return {
            self.read_text(key, where): self.read(declared, item, _join(where, key), depth + 1)
            for key, item in value.items()
        }

    def read_scalar(self, declared: Any, value: Any, where: str) -> Any:
        if declared is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            if not -MAX_FLOAT <= value <= MAX_FLOAT:
                raise self.error(where, "a finite number is expected")
            return float(value)
        if declared is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if declared is str and isinstance(value, str):
            return self.read_text(value, where)
        if declared is bool and isinstance(value, bool):
            return value
        if declared not in (str, bool, int, float):
            raise MedDLError("E901", "record field of a type that JSON has not", str(declared))
        raise self.error(where, f"{_PLAIN[declared]} is expected")

    def read_text(self, value: str, where: str) -> str:
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.error(where, "text with half a surrogate pair cannot be written as UTF-8")
        return value

    def error(self, where: str, why: str) -> MedDLError:
        return MedDLError(self.code, "", f"{where or 'document'}: {why}")


_PLAIN = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


@cache
def _hints(record_type: type) -> dict[str, Any]:
    return {k: v for k, v in typing.get_type_hints(record_type).items() if typing.get_origin(v) is not ClassVar}


def _join(where: str, key: str) -> str:
    return f"{where}.{key[:40]}" if where else key[:40]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return record


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")

"""JSON Schemas of the records that other programs read or write, made from the dataclasses themselves.

``python -m Testing.schemas`` writes them to ``Resources/schemas``. They say what ``records.from_json``
accepts by shape; rules of a record's own, such as "low lies below high", are its alone.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from MedDLLogic.events import Event
from MedDLLogic.job import Job
from MedDLLogic.models.card import ModelCard
from MedDLLogic.recipe import Recipe
from MedDLLogic.records import KIND, to_json

DOCUMENTS: dict[str, Any] = {"job": Job, "recipe": Recipe, "card": ModelCard, "event": Event}
SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}


def schema_text(name: str) -> str:
    """The text of ``Resources/schemas/{name}.schema.json``."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one of ``DOCUMENTS``."""
    definitions: dict[str, Any] = {}
    body = _of(DOCUMENTS[name], definitions)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"MedDL {name}"}
    return head | body | {"$defs": dict(sorted(definitions.items()))}


def _of(declared: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if dataclasses.is_dataclass(declared):
        return _reference(declared, definitions)
    if origin is Literal:
        return {"enum": list(arguments)} if len(arguments) > 1 else {"const": arguments[0]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(member, definitions) for member in arguments]}
    if origin is tuple:
        return _array(arguments, definitions)
    if origin is Mapping or getattr(origin, "__name__", "") == "Mapping":
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    return {"type": "null"} if declared is type(None) else {"type": SCALARS[declared]}


def _array(arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if arguments[-1] is Ellipsis:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    size = {"minItems": len(arguments), "maxItems": len(arguments)}
    if len(set(arguments)) == 1:
        return {"type": "array", "items": _of(arguments[0], definitions)} | size
    return {"type": "array", "prefixItems": [_of(member, definitions) for member in arguments]} | size


def _reference(record: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if record.__name__ not in definitions:
        definitions[record.__name__] = {}  # a record may hold itself
        definitions[record.__name__] = _object(record, definitions)
    return {"$ref": f"#/$defs/{record.__name__}"}


def _object(record: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints, told = typing.get_type_hints(record), _parameter_texts(record)
    fields = dataclasses.fields(record)
    kind = {KIND: {"const": getattr(record, KIND)}} if KIND in hints and hints[KIND] == ClassVar[str] else {}
    properties = {f.name: _of(hints[f.name], definitions) | told.get(f.name, {}) | _default(f) for f in fields}
    return {
        "description": _first_paragraph(record),
        "type": "object",
        "properties": kind | properties,
        "required": [*kind, *(f.name for f in fields if not _default(f))],
        "additionalProperties": False,
    }


def _default(field: dataclasses.Field[Any]) -> dict[str, Any]:
    if field.default is not dataclasses.MISSING:
        return {"default": to_json(field.default)}
    if field.default_factory is not dataclasses.MISSING:
        return {"default": to_json(field.default_factory())}
    return {}


def _first_paragraph(record: type) -> str:
    return " ".join(_lines(record)[: _lines(record).index("")])


def _parameter_texts(record: type) -> dict[str, dict[str, str]]:
    """Field -> its description in the docstring's Parameters; a deeper line goes on with the last one."""
    texts: dict[str, str] = {}
    for line in _section(_lines(record), "Parameters"):
        name, colon, text = line.partition(" : ")
        if colon and not line.startswith(" "):
            texts[name] = text
        elif texts:
            texts[next(reversed(texts))] += f" {line.strip()}"
    return {name: {"description": text.strip()} for name, text in texts.items()}


def _section(lines: list[str], title: str) -> list[str]:
    if title not in lines:
        return []
    rest = lines[lines.index(title) + 2 :]
    return rest[: rest.index("")]


def _lines(record: type) -> list[str]:
    """The docstring's lines without their common indent, and an empty last one."""
    return [*(inspect.getdoc(record) or "").splitlines(), ""]

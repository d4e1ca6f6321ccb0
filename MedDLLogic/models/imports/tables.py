"""JSON and YAML files of foreign models as plain values: texts, numbers, lists and objects, with caps on all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from ...errors import MedDLError, optional_packages
from .tree import ModelTree

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 64

YAML_ENDINGS = (".yaml", ".yml")

_YAML_TAG = "tag:yaml.org,2002:"
_YAML_SCALARS = ("null", "bool", "int", "float", "str")


def read_table(tree: ModelTree, name: str, *, most_aliases: int = 0) -> dict[str, Any]:
    """A JSON or YAML file's outermost object, its keys texts.

    Parameters
    ----------
    most_aliases : of YAML's, which stand for values written elsewhere.

    Raises
    ------
    MedDLError : E104 where a YAML file needs a package that is missing, E401 for a file that is not valid, E405 for
        YAML that names types to be made, E408 for what is too large, too deep, or multiplies.
    """
    tree.content(name, MAX_BYTES)
    text = tree.text(name)
    found = _yaml(text, most_aliases) if name.lower().endswith(YAML_ENDINGS) else _json(text)
    if not isinstance(found, dict):
        raise MedDLError("E401", "configuration not valid", f"no object in {PurePosixPath(name).name[:40]}")
    return found


def _json(text: str) -> Any:
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as exc:
        raise MedDLError("E408", "configuration nested too deeply", f"over {MAX_DEPTH}") from exc
    except ValueError as exc:
        raise MedDLError("E401", "configuration is not valid JSON", str(exc)[:80]) from exc
    _require_modest(found)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _require_modest(found: Any) -> None:
    """Walks without recursion, so that no depth can do harm."""
    waiting = [(found, 0)]
    count = 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_VALUES:
            raise MedDLError("E408", "configuration nested too deeply or too large", f"over {MAX_DEPTH} deep")
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        waiting += [(value, depth + 1) for value in inner]


# -- YAML ------------------------------------------------------------------------------------------


def _yaml(text: str, most_aliases: int) -> Any:
    """The file's values, made from its nodes here: no constructor of a type that a tag names is ever asked."""
    with optional_packages():
        import yaml
    try:
        _require_tame(yaml.parse(text, yaml.SafeLoader), most_aliases)
        return _Nodes().value(yaml.compose(text, yaml.SafeLoader), 0)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise MedDLError("E401", "configuration is not valid YAML", str(exc).partition("\n")[0][:80]) from exc


def _require_tame(events: Iterable[Any], most_aliases: int) -> None:
    """Few aliases if any, and no depth that a parser would drown in."""
    import yaml

    depth = aliases = 0
    for event in events:
        aliases += isinstance(event, yaml.AliasEvent)
        if aliases > most_aliases:
            raise MedDLError("E408", "configuration uses aliases", f"more than {most_aliases}", "write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise MedDLError("E408", "configuration nested too deeply", f"over {MAX_DEPTH}")


class _Nodes:
    """Makes values of YAML's nodes, each alias anew, up to ``MAX_VALUES`` in all."""

    def __init__(self) -> None:
        self._count = 0

    def value(self, node: Any, depth: int) -> Any:
        import yaml

        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            raise MedDLError("E408", "configuration nested too deeply or too large", f"over {MAX_DEPTH} deep")
        if node is None:  # an empty file
            return None
        tag = str(node.tag).removeprefix(_YAML_TAG)
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return _unique([(self._key(key), self.value(value, depth + 1)) for key, value in node.value])
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and tag in _YAML_SCALARS:
            return yaml.constructor.SafeConstructor().construct_object(node)
        if isinstance(node, yaml.ScalarNode) and tag == "timestamp":  # a version or a date
            return node.value
        raise MedDLError("E405", "configuration names a type to be made", tag[:80])

    def _key(self, node: Any) -> str:
        if not isinstance(node.value, str):
            raise MedDLError("E401", "configuration is not valid YAML", "a key that is no text")
        if node.tag not in {_YAML_TAG + tag for tag in (*_YAML_SCALARS, "timestamp")}:
            raise MedDLError("E405", "configuration names a type to be made", str(node.tag)[-80:])
        return node.value

"""A MONAI bundle's configuration as data: references are followed, components stay names with arguments.

MONAI itself makes objects of what stands there, and so runs whatever a file names. Here ``_target_`` is a name to
compare, ``$`` goes to ``safe_expressions``, and of all else only what somebody asks for is ever looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...errors import MedDLError
from .safe_expressions import evaluate
from .tables import MAX_DEPTH, MAX_VALUES, read_table
from .tree import ModelTree

MAX_STEPS = 20_000
"""Values that are looked at for one question: references to references cannot multiply beyond it."""

SEPARATOR = "::"

_REFERENCE = re.compile(r"@(?:::)*\w+(?:::\w+)*")
_PATH = re.compile(r".*?\.(json|yaml|yml)(?=::|$)", re.IGNORECASE)
_TARGET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MISSING = object()


@dataclass(frozen=True)
class Component:
    """Something that MONAI would make: the last part of its name, and where its arguments stand.

    Arguments are worked out when they are asked for, so that those of no use here are never looked at.
    """

    target: str
    names: tuple[str, ...]
    _config: BundleConfig
    _place: str

    def argument(self, name: str, default: Any = None) -> Any:
        """What the argument comes to, the default where it is not given or null."""
        if name not in self.names:
            return default
        found = self._config.value(f"{self._place}{SEPARATOR}{name}")
        return default if found is None else found

    def arguments(self) -> dict[str, Any]:
        """All arguments, worked out."""
        return {name: self.argument(name) for name in self.names}


class BundleConfig:
    """The values of one configuration file, found by ids such as ``"inferer::roi_size"``.

    Parameters
    ----------
    raw : what the file holds.
    tree : the bundle's files, of which ``%file`` may take more.

    Raises
    ------
    MedDLError : E401 for a configuration that is not valid, E405 for one that would have to be run, E408 for one
        that is too large, too deep, or that reaches out of the bundle.
    """

    def __init__(self, raw: Mapping[str, Any], tree: ModelTree) -> None:
        self._raw: Any = _Macros(raw, tree).filled_in()

    def __contains__(self, place: str) -> bool:
        return self._find(place) is not _MISSING

    def value(self, place: str) -> Any:
        """What stands at that id: plain values, lists and dicts of these, and ``Component`` for what MONAI would make.

        A component that the configuration switches off is None. E401 when there is nothing of that id.
        """
        return _Question(self).value(_normal(place), ())

    def component(self, place: str) -> Component:
        """The component at that id; E401 when something else stands there."""
        found = self.value(place)
        if not isinstance(found, Component):
            raise MedDLError("E401", "bundle's configuration", f"{place[:40]} is not a component")
        return found

    def raw(self, place: str) -> Any:
        """What is written at that id; E401 when there is nothing."""
        found = self._find(place)
        if found is _MISSING:
            raise MedDLError("E401", "bundle's configuration", f"it has no {place[:60]}")
        return found

    def _find(self, place: str) -> Any:
        return _at(self._raw, place)


def read_config(tree: ModelTree, name: str) -> BundleConfig:
    """The configuration in a JSON or YAML file of the bundle.

    Raises
    ------
    MedDLError : as ``read_table``.
    """
    return BundleConfig(read_table(tree, name), tree)


def _normal(place: str) -> str:
    """``#`` is the separator's old form."""
    return place.replace("#", SEPARATOR)


def _at(raw: Any, place: str) -> Any:
    """What stands at an id, ``_MISSING`` where nothing does."""
    found = raw
    for key in _normal(place).split(SEPARATOR):
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key[:9]) < len(found):
            found = found[int(key[:9])]
        else:
            return _MISSING
    return found


class _Macros:
    """Puts what is written elsewhere in the place of ``%id`` and ``%file::id``, once: macros in that stay as they are."""

    def __init__(self, raw: Mapping[str, Any], tree: ModelTree) -> None:
        self._raw, self._tree, self._count = raw, tree, 0

    def filled_in(self) -> Any:
        """A copy of the configuration without macros."""
        return self._copy(self._raw, "", fill=True)

    def _copy(self, raw: Any, place: str, *, fill: bool) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise MedDLError("E408", "bundle's configuration multiplies by macros", f"over {MAX_VALUES} values")
        if isinstance(raw, dict):
            return {key: self._copy(item, _below(place, key), fill=fill) for key, item in raw.items()}
        if isinstance(raw, list):
            return [self._copy(item, _below(place, n), fill=fill) for n, item in enumerate(raw)]
        if fill and isinstance(raw, str) and raw.startswith("%"):
            return self._copy(self._meant(_absolute(_normal(raw), place)[1:]), place, fill=False)
        return raw

    def _meant(self, text: str) -> Any:
        path = _PATH.match(text)
        if path is None:
            source, inner = self._raw, text
        else:
            source, inner = self._file(path.group()), text[path.end() :].removeprefix(SEPARATOR)
        found = _at(source, inner) if inner else source
        if found is _MISSING:
            raise MedDLError("E401", "bundle's configuration", f"it has no {inner[:60]}")
        return found

    def _file(self, name: str) -> Mapping[str, Any]:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or inside.as_posix() not in self._tree.names:
            raise MedDLError("E408", "bundle's configuration takes from a file outside of it", inside.name[:40])
        return read_table(self._tree, inside.as_posix())


def _below(place: str, key: object) -> str:
    return f"{place}{SEPARATOR}{key}" if place else str(key)


class _Question:
    """One question: what it has looked at, so that circles and multiplying references end."""

    def __init__(self, config: BundleConfig) -> None:
        self._config, self._steps = config, 0

    def value(self, place: str, asked: tuple[str, ...]) -> Any:
        if place in asked:
            raise MedDLError("E401", "bundle's configuration refers to itself", place[-60:])
        return self._resolved(self._config.raw(place), place, (*asked, place))

    def _resolved(self, raw: Any, place: str, asked: tuple[str, ...]) -> Any:
        self._steps += 1
        if self._steps > MAX_STEPS or len(asked) > MAX_DEPTH:
            raise MedDLError("E408", "bundle's configuration refers too far", place[-60:])
        if isinstance(raw, dict):
            return self._of_dict(raw, place, asked)
        if isinstance(raw, list):
            parts = [self._resolved(item, f"{place}{SEPARATOR}{n}", asked) for n, item in enumerate(raw)]
            # A component that is switched off leaves its list.
            return [part for part, item in zip(parts, raw, strict=True) if part is not None or not _is_component(item)]
        return self._of_text(raw, place, asked) if isinstance(raw, str) else raw

    def _of_dict(self, raw: dict[str, Any], place: str, asked: tuple[str, ...]) -> Any:
        if not _is_component(raw):
            return {key: self._resolved(item, f"{place}{SEPARATOR}{key}", asked) for key, item in raw.items()}
        if self._is_disabled(raw, place, asked):
            return None
        if raw.get("_mode_", "default") != "default":
            raise MedDLError("E405", "bundle's configuration wants a callable", str(raw["_mode_"])[:40])
        names = tuple(key for key in raw if not (key.startswith("_") and key.endswith("_")))
        return Component(target_name(raw["_target_"]), names, self._config, place)

    def _is_disabled(self, raw: dict[str, Any], place: str, asked: tuple[str, ...]) -> bool:
        found = self._resolved(raw.get("_disabled_", False), f"{place}{SEPARATOR}_disabled_", asked)
        return found.strip().lower() == "true" if isinstance(found, str) else bool(found)

    def _of_text(self, raw: str, place: str, asked: tuple[str, ...]) -> Any:
        text = _absolute(_normal(raw), place)
        if text.startswith("%"):
            raise MedDLError("E401", "bundle's configuration", f"a macro in a macro: {text[:60]}")
        if text.startswith("$"):
            return self._of_expression(text[1:], asked)
        return self.value(text[1:], asked) if _REFERENCE.fullmatch(text) else raw

    def _of_expression(self, text: str, asked: tuple[str, ...]) -> Any:
        known: dict[str, Any] = {}

        def named(match: re.Match[str]) -> str:
            name = f"reference_{len(known)}"
            known[name] = self.value(match.group()[1:], asked)
            return name

        return evaluate(_REFERENCE.sub(named, text), known)


def target_name(target: Any) -> str:
    """The last part of a component's name.

    Raises
    ------
    MedDLError : E405 for a name outside MONAI, E401 for what is no name.
    """
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        why = "an expression" if isinstance(target, str) and target[:1] in "$@%" else "no name"
        raise MedDLError("E405", "model names something to be run", f"{why}: {str(target)[:60]}")
    package, _, name = target.rpartition(".")
    if package and package.split(".")[0] != "monai":
        raise MedDLError("E405", "model names something outside MONAI to be run", target[:60])
    return name


def components(found: Any, what: str) -> Iterator[Component]:
    """The components of a list, or of the list in a ``Compose``; E401 when something else stands there."""
    if isinstance(found, Component) and found.target == "Compose":
        found = found.argument("transforms", [])
    for item in found if isinstance(found, (list, tuple)) else [found]:
        if isinstance(item, Component) and item.target == "Compose":
            yield from components(item, what)
        elif isinstance(item, Component):
            yield item
        else:
            raise MedDLError("E401", "bundle's configuration", f"{what[:40]} holds something that is no component")


def _is_component(raw: Any) -> bool:
    return isinstance(raw, dict) and "_target_" in raw


def _absolute(text: str, place: str) -> str:
    """The text with ``@::a`` (this level) and ``@::::a`` (the one above) made to ids from the top."""

    def absolute(match: re.Match[str]) -> str:
        levels = len(match.group("up")) // len(SEPARATOR)
        above = place.split(SEPARATOR)
        if levels > len(above):
            raise MedDLError("E401", "bundle's configuration", f"{text[:40]} leads out of it")
        return match.group("sign") + SEPARATOR.join([*above[: len(above) - levels], ""])

    return re.sub(r"(?P<sign>[@%])(?P<up>(?:::)+)(?=\w)", absolute, text)

"""Networks that installed packages bring: entry points of the group ``meddl.networks``, named in a card ``plugin.NAME``.

A package declares ``[project.entry-points."meddl.networks"]`` with ``my-net = "my_package.nets:MyNet"``. Its code runs
because the user installed it; a model's file can name it, and bring none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import MedDLError

GROUP = "meddl.networks"
PREFIX = "plugin."


@dataclass(frozen=True)
class Plugin:
    """A network that a package brings: the name for a card, the package and its version."""

    architecture: str
    package: str
    version: str


def installed_plugins() -> tuple[Plugin, ...]:
    """All of them, by name; none of their code runs."""
    found = {_plugin_of(entry) for entry in entry_points(group=GROUP)}
    return tuple(sorted(found, key=lambda plugin: (plugin.architecture, plugin.package)))


def plugin_class(architecture: str) -> Callable[..., Any]:
    """The class behind ``plugin.NAME``, its package imported.

    Raises
    ------
    MedDLError : E401 when no package brings it, several do, or its package does not import.
    """
    name = architecture.removeprefix(PREFIX)
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if not found:
        raise MedDLError("E401", "network not known", architecture[:40], "install the package that brings it")
    if len(found) > 1:
        packages = ", ".join(sorted(_plugin_of(entry).package for entry in found.values()))
        raise MedDLError("E401", f"network {architecture[:40]} is brought by several packages", packages[:80])
    return _loaded(next(iter(found.values())), architecture)


def _loaded(entry: EntryPoint, architecture: str) -> Callable[..., Any]:
    try:
        made = entry.load()
    except Exception as exc:  # whatever a package's own code raises while it is imported
        why = f"{_plugin_of(entry).package} does not import: {type(exc).__name__}"
        raise MedDLError("E401", f"network {architecture[:40]}", why, detail=str(exc)) from exc
    if not callable(made):
        raise MedDLError("E401", f"network {architecture[:40]}", "what its package names makes no network")
    return made  # type: ignore[no-any-return]


def _plugin_of(entry: EntryPoint) -> Plugin:
    package = entry.dist.name if entry.dist else "?"
    return Plugin(PREFIX + entry.name, package, entry.dist.version if entry.dist else "")

"""Versions as numbers, for drivers, capabilities and packages; Slicer's Python need not have ``packaging``."""

from __future__ import annotations

import re


def version_numbers(version: str) -> tuple[int, ...]:
    """``"2.13.0+cu130"`` -> (2, 13, 0): the numbers before anything that is neither number nor dot."""
    found = re.match(r"\d+(\.\d+)*", version.strip())
    return tuple(map(int, found.group().split("."))) if found else ()


def at_least(found: str, wanted: str) -> bool:
    """Whether one version is not older than the other; an empty ``wanted`` asks for nothing."""
    return version_numbers(found) >= version_numbers(wanted)

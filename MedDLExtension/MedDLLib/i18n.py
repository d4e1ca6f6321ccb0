"""Slicer's translation of visible text; outside Slicer the text itself."""

from __future__ import annotations

from collections.abc import Callable

try:
    from slicer.i18n import tr
except ImportError:
    tr = str

_: Callable[[str], str] = tr

__all__ = ["_"]

"""A promise with a figure, and where all of them are found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from . import rows


@dataclass(frozen=True)
class Outcome:
    """What a row measured: the figure in words, and whether it keeps the promise."""

    figure: str
    passed: bool


@dataclass(frozen=True)
class Row:
    """One promise.

    Parameters
    ----------
    name : what stands on the command line.
    what : what is measured.
    target : what the figure must be, in words.
    run_small : measures in little time, for CI: tiny network, a few orientations, a few kills.
    run_full : measures what the promise says.
    is_timed : what it measures is time, so nothing else may run beside it.
    is_in_suite : the suite holds the small form as tests, so it runs by name alone and not once more with all others.
    """

    name: str
    what: str
    target: str
    run_small: Callable[[], Outcome]
    run_full: Callable[[], Outcome]
    is_timed: bool = False
    is_in_suite: bool = False


def all_rows() -> dict[str, Row]:
    """Name -> row, of every module of ``rows``; ValueError when two rows share a name."""
    modules = [importlib.import_module(f"{rows.__name__}.{info.name}") for info in pkgutil.iter_modules(rows.__path__)]
    found = [row for module in modules for row in module.ROWS]
    by_name = {row.name: row for row in found}
    if len(by_name) != len(found):
        raise ValueError("two acceptance rows share a name")
    return by_name

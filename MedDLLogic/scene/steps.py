"""Work in steps of a few milliseconds each, so that an application can go on between them."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

_Returned = TypeVar("_Returned")

Steps = Generator[None, None, _Returned]
"""A generator whose every ``next`` is one step, and which returns what came of them."""


def finished(steps: Steps[_Returned]) -> _Returned:
    """What comes of the steps, all of them taken at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

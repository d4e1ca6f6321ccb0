"""What a timer drives: something that has to look around now and then while it is busy."""

from __future__ import annotations

from typing import Protocol


class Work(Protocol):
    """Runs, an errand, anything with deadlines or a background thread."""

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` has anything to do."""

    def tick(self) -> None:
        """Look around; returns soon."""

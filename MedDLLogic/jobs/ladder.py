"""How a process is brought to its end: asked first, then made to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Step = Literal["terminate", "kill", "gone"]


@dataclass(frozen=True)
class Patience:
    """Seconds after the wish that a process end.

    Parameters
    ----------
    terminate_s, kill_s : until the system is told to end it, and until it is made to.
    gone_s : until nobody waits any longer for a process that even the system does not end.
    """

    terminate_s: float = 0.5
    kill_s: float = 2.0
    gone_s: float = 7.0

    @property
    def at_once(self) -> Patience:
        """The same without any time to end of its own will."""
        return Patience(0.0, 0.0, self.gone_s - self.kill_s)


PATIENCE = Patience()


class Ladder:
    """The steps towards the end of one process, each once and in time; clock values are seconds."""

    def __init__(self, patience: Patience, began_s: float) -> None:
        self._due: list[tuple[float, Step]] = [
            (began_s + patience.terminate_s, "terminate"),
            (began_s + patience.kill_s, "kill"),
            (began_s + patience.gone_s, "gone"),
        ]

    def steps(self, now_s: float) -> list[Step]:
        """The steps that became due since the last time this was asked."""
        due = [step for at_s, step in self._due if at_s <= now_s]
        self._due = self._due[len(due) :]
        return due

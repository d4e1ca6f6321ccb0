"""What runs need from whoever owns them: a scene, a runner, downloads, a place for results. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from MedDLLogic.events import Emit, Event
from MedDLLogic.jobs.runner import Runner


class TickedRunner(Runner, Protocol):
    """A runner that looks after its deadlines in ``tick``."""

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` is to be called."""

    def tick(self) -> None:
        """Look around."""

    def stop_worker(self) -> None:
        """Have the worker gone at once; the next job starts another."""


class Download(Protocol):
    """A download in a process of its own; its end is told once."""

    def start(self) -> None:
        """Begin."""

    def cancel(self) -> None:
        """Stop it; its end is told."""

    def tick(self) -> None:
        """Look around."""

    def close(self) -> None:
        """Stop it at once, without a word."""


@dataclass(frozen=True)
class KeepFolder:
    """A folder for results; ``purpose`` is what a user knows it as, since no message names a path."""

    path: Path
    purpose: str


OnEnd = Callable[[Event], None]


@dataclass(frozen=True)
class Surroundings:
    """What runs need from whoever owns them.

    Parameters
    ----------
    scene : the scene of the moment.
    runner : does the jobs.
    download : makes a download of a model of that name, not started yet.
    require_worker : raises when no worker could be started now.
    keep_in : folder for a result that the scene cannot take any more.
    wake : called when there is something to do again.
    """

    scene: Callable[[], Any]
    runner: TickedRunner
    download: Callable[[str, Emit, OnEnd], Download]
    require_worker: Callable[[], None]
    keep_in: Callable[[], KeepFolder]
    wake: Callable[[], None] = lambda: None

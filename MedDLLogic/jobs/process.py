"""A child process as MedDL's own code sees it, whether Qt or Python starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Launch:
    """A program, its arguments, and all of its environment."""

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class Hears(Protocol):
    """Who is told what happens to a process, always in the thread that owns it."""

    def received(self, data: bytes) -> None:
        """Bytes of its standard output."""

    def logged(self, data: bytes) -> None:
        """Bytes of its standard error."""

    def ended(self, exit_code: int) -> None:
        """It ended; negative for the signal that ended it. Nothing is told after that."""

    def not_started(self, reason: str) -> None:
        """It could not be started. Nothing is told after that."""


class Process(Protocol):
    """A process that was made for one ``Hears`` and one ``Launch``; ``start`` is called once."""

    @property
    def pid(self) -> int:
        """Its id in the system, 0 before it was started."""

    def start(self) -> None:
        """Start it and return at once."""

    def write(self, data: bytes) -> None:
        """To its standard input; no error when it is gone."""

    def close_input(self) -> None:
        """End its standard input."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self, pid: int = 0) -> None:
        """End it, and then the group that ``pid`` leads, where one is known: a launcher's child is not the launcher."""


class StartProcess(Protocol):
    """Makes a process: a class such as ``ChildProcess`` or MedDLLib's ``QtProcess``."""

    def __call__(self, launch: Launch, hears: Hears) -> Process:
        """Not started yet."""

"""Child processes without Qt, for scripts and the command line: threads read, the owner's thread is told."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BufferedReader
from queue import Empty, SimpleQueue
from typing import IO

from .process import Hears, Launch
from .process_tree import NO_CONSOLE, kill_tree

_READ_BYTES = 1 << 16
_MOST_UNHEARD = 16  # pieces, together 1 MiB at most: a child that writes without end waits until somebody heard it
_PAUSE_S = 0.01
_PUMP_S = 0.02  # then the owner has to look at its clock and at who wants to cancel
_REAP_S = 2.0
_REST_S = 1.0  # for the last words of a child whose own children still hold its pipes

Told = SimpleQueue[Callable[[], None]]


class ChildProcess:
    """A process of ``subprocess``; ``pump`` tells ``hears`` what happened to it.

    Parameters
    ----------
    told : what happened to several processes, in order, where one ``pump`` is to serve them all.
    """

    def __init__(self, launch: Launch, hears: Hears, told: Told | None = None) -> None:
        self._launch, self._hears, self._told = launch, hears, told or Told()
        self._popen: subprocess.Popen[bytes] | None = None
        self._is_killed = False

    def start(self) -> None:
        """Start it, in a group of its own that Ctrl+C in a terminal does not reach; returns at once."""
        try:
            self._popen = subprocess.Popen(
                [self._launch.program, *self._launch.arguments],
                env=dict(self._launch.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=NO_CONSOLE,
                start_new_session=sys.platform != "win32",
            )
        except OSError as exc:
            self._told.put(partial(self._hears.not_started, type(exc).__name__))
            return
        threading.Thread(target=self._follow, args=(self._popen,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Its id in the system, 0 before it was started."""
        return self._popen.pid if self._popen is not None else 0

    def write(self, data: bytes) -> None:
        """To its standard input; no error when it is gone."""
        if self._popen is not None and self._popen.stdin is not None:
            with suppress(OSError, ValueError):
                self._popen.stdin.write(data)
                self._popen.stdin.flush()

    def close_input(self) -> None:
        """End its standard input."""
        if self._popen is not None and self._popen.stdin is not None:
            with suppress(OSError):
                self._popen.stdin.close()

    def terminate(self) -> None:
        """Ask it to end."""
        if self._popen is not None:
            self._popen.terminate()

    def kill(self, pid: int = 0) -> None:
        """End it, what it started, and the group that ``pid`` leads; returns when it is gone."""
        self._is_killed = True
        if self._popen is not None and self._popen.poll() is None:
            kill_tree(self._popen.pid)
            self._popen.kill()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_REAP_S)
        if pid != self.pid:  # which may be anybody's by now
            kill_tree(pid)

    def pump(self, timeout_s: float) -> None:
        """Tell what happened; waits that long where nothing happened yet."""
        pump(self._told, timeout_s)

    def _follow(self, popen: subprocess.Popen[bytes]) -> None:
        readers = [
            threading.Thread(target=self._read, args=(stream, tell), daemon=True)
            for stream, tell in ((popen.stdout, self._hears.received), (popen.stderr, self._hears.logged))
        ]
        for reader in readers:
            reader.start()
        exit_code = popen.wait()
        self.close_input()  # what could not be written any more would complain when it is let go of
        for reader in readers:
            reader.join(_REST_S)
        self._told.put(partial(self._hears.ended, exit_code))

    def _read(self, stream: IO[bytes], tell: Callable[[bytes], None]) -> None:
        assert isinstance(stream, BufferedReader)  # noqa: S101 - for the type checker: it is made so above
        with stream:
            while data := stream.read1(_READ_BYTES):
                while self._told.qsize() > _MOST_UNHEARD and not self._is_killed:
                    time.sleep(_PAUSE_S)
                if not self._is_killed:
                    self._told.put(partial(tell, data))


class Children:
    """``StartProcess`` for whoever has no event loop: one ``pump`` for all processes that it made."""

    def __init__(self) -> None:
        self._told = Told()

    def __call__(self, launch: Launch, hears: Hears) -> ChildProcess:
        """A process, not started yet."""
        return ChildProcess(launch, hears, self._told)

    def pump(self, timeout_s: float) -> None:
        """Tell what happened; waits that long where nothing happened yet."""
        pump(self._told, timeout_s)


def pump(told: Told, timeout_s: float) -> None:
    """Make the calls that wait in ``told``, in this thread; returns soon even if more and more of them come."""
    with suppress(Empty):
        told.get(timeout=timeout_s)()
        until_s = time.monotonic() + _PUMP_S
        while time.monotonic() < until_s:
            told.get_nowait()()

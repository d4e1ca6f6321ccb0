"""One thread for what takes long and needs nobody to wait: hashing, writing, reading."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..errors import MedDLError
from .endings import error_of

T = TypeVar("T")

_LET_WORK_S = 0.005
"""Slicer's own event loop never lets go of Python's lock: another thread gets on only while this one waits in Python."""


class Background:
    """Does tasks one after the other; what they gave is taken over in the thread that calls ``deliver``."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._open = 0
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether there is something to deliver, now or later."""
        return self._open > 0

    def do(self, task: Callable[[], T], then: Callable[[T | MedDLError], None]) -> None:
        """Have a task done; ``then`` gets what it returns, or why it could not be done."""
        self._open += 1
        self._tasks.put(partial(self._run, task, then))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="MedDL background", daemon=True)
            self._thread.start()

    def deliver(self) -> None:
        """Hand over what is done by now; while something is left to do it may do it for a few milliseconds."""
        wait_s = _LET_WORK_S
        while self._open and not self._is_closed:
            try:
                handed_over = self._done.get(timeout=wait_s)
            except Empty:
                return
            wait_s = 0.0
            self._open -= 1
            handed_over()

    def close(self) -> None:
        """End, once the task in hand is done; the others are left undone, and nobody is told."""
        self._is_closed, self._open = True, 0
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join()

    def _run(self, task: Callable[[], Any], then: Callable[[Any], None]) -> None:
        answer: Any
        try:
            answer = task()
        except Exception as exc:  # noqa: BLE001 - whatever it is becomes the answer
            answer = error_of(exc)
        self._done.put(partial(then, answer))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if not self._is_closed:
                task()
            del task  # it may hold the voxels of an image, and the next one may be long in coming

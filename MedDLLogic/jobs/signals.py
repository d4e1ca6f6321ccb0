"""A request to end the process, heard as a wish to cancel."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancelled_by_signals() -> Iterator[Callable[[], bool]]:
    """Gives the question "was it cancelled?"; Ctrl+C and SIGTERM answer it, a second one interrupts at once.

    To be used in the main thread, which alone receives signals.
    """
    received: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, hear) for number in _SIGNALS}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Jobs through a worker for callers that wait: scripts, the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ..events import Emit, Finished
from ..image import Image
from ..job import Job
from .child import Children
from .client import OnLog, WorkerRunner
from .endings import error_told
from .identity import LIBRARY
from .process import Launch
from .runner import Ending, Listener
from .session import LIMITS, Limits

POLL_S = 0.02
WORKER = "MedDLLogic.jobs.worker"


class BlockingRunner:
    """Does one job at a time in a worker that stays for the next one, until ``close`` or the end of a ``with`` block.

    Parameters
    ----------
    launch_on, base, limits, on_log : as those of ``WorkerRunner``.
    """

    def __init__(
        self,
        launch_on: Callable[[Path], Launch],
        base: Path,
        *,
        on_log: OnLog = lambda text: None,
        limits: Limits = LIMITS,
    ) -> None:
        self._children = Children()
        self._make = partial(WorkerRunner, self._children, launch_on, base, limits=limits, on_log=on_log)
        self._runner: WorkerRunner | None = None

    def run(
        self,
        job: Job,
        images: Mapping[str, Image] | None = None,
        on_event: Emit = lambda event: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Ending:
        """How the job ended well. Whatever interrupts this, Ctrl+C among it, leaves no process behind.

        Raises
        ------
        MedDLError : what the job failed with, E602 when ``is_cancelled`` said so.
        """
        endings: list[Ending] = []
        self._runner = runner = self._runner or self._make()
        try:
            job_id = runner.submit(job, images or {}, Listener(on_event, endings.append))
            while not endings:
                self._children.pump(POLL_S)
                runner.tick()
                if is_cancelled():
                    runner.cancel(job_id)
        except BaseException:
            self.close()
            raise
        if not isinstance(endings[0].event, Finished):
            raise error_told(endings[0].event)
        return endings[0]

    def close(self) -> None:
        """End the worker, if there is one; a later job starts another."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def launch_here(exchange_folder: Path) -> Launch:
    """The command of a worker on this very Python and MedDL, whatever lies in the working folder."""
    paths = [str(LIBRARY.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return Launch(sys.executable, ("-P", "-m", WORKER, str(exchange_folder)), environment)

"""Jobs in this very process: the runner for tests, and for scripts that have nothing else to do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ..events import Cancelled, Finished
from ..image import Image
from ..inference.warm import MOST_NETWORKS, Networks
from ..job import Job
from ..result import Result
from .case import carry_out
from .endings import ending_of
from .runner import Ending, Listener


@dataclass(frozen=True)
class _Waiting:
    job: Job
    images: Mapping[str, Image]
    listener: Listener


class InlineRunner:
    """A ``Runner`` with the face of ``WorkerRunner``: each ``tick`` does one job, from its start to its end."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}
        self._cancelled: set[str] = set()
        self._networks = Networks(MOST_NETWORKS)
        self._is_running = False

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` has something to do."""
        return bool(self._waiting)

    def submit(self, job: Job, images: Mapping[str, Image], listener: Listener) -> str:
        """Have a job done in a ``tick`` to come; returns its id."""
        job_id = secrets.token_hex(8)
        self._waiting[job_id] = _Waiting(job, dict(images), listener)
        return job_id

    def cancel(self, job_id: str) -> None:
        """Stop a job; one that runs stops where it next tells its progress."""
        if job_id in self._waiting:
            self._cancelled.add(job_id)

    def tick(self) -> None:
        """Tell those that were cancelled, else do the job that waits longest; nothing from within a job."""
        if self._is_running or not self._waiting:
            return
        job_id = next((waiting for waiting in self._waiting if waiting in self._cancelled), next(iter(self._waiting)))
        self._is_running = True
        try:
            ending = self._ending(job_id, self._waiting[job_id])
        finally:
            self._is_running = False
            self._networks.rest()
            waiting = self._waiting.pop(job_id, None)
            self._cancelled.discard(job_id)
        if waiting is not None:
            waiting.listener.on_end(ending)

    def stop_worker(self) -> None:
        """Cancel the job in hand and let go of what is kept for the next one."""
        if self._is_running:
            self.cancel(next(iter(self._waiting)))
        self._networks.drop()

    def close(self) -> None:
        """Drop all jobs without a word; one that runs, and closes this from its listener, stops."""
        self._cancelled.update(self._waiting)
        self._waiting.clear()
        self._networks.drop()

    def _ending(self, job_id: str, waiting: _Waiting) -> Ending:
        job, is_cancelled = waiting.job, partial(self._cancelled.__contains__, job_id)
        if is_cancelled():
            return Ending(Cancelled(job.case))
        try:
            done = carry_out(job, waiting.listener.on_event, is_cancelled, waiting.images, self._networks)
        except Exception as exc:  # noqa: BLE001 - as at the border of a worker, whatever it is becomes one line
            return Ending(ending_of(job.case, exc))
        if isinstance(done, Result):
            return Ending(Finished(job.case), done)
        outputs = {product: file.name for product, file in done.files.items()}
        return Ending(Finished(job.case, outputs), None, done.files, done.versions, done.warnings)

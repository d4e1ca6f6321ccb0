"""One face for whatever runs jobs: this very process, or a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..events import Cancelled, Emit, Failed, Finished
from ..image import Image
from ..io.write import WrittenFile
from ..job import Job
from ..result import Result


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Parameters
    ----------
    event : the end itself.
    result : of a finished job without an output folder.
    files, versions, warnings : of a finished job with one; product -> file.
    """

    event: Finished | Failed | Cancelled
    result: Result | None = None
    files: Mapping[str, WrittenFile] | None = None
    versions: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listener:
    """Who is told of one job, in the thread that owns the runner.

    Parameters
    ----------
    on_event : Started, Progress, Warned.
    on_end : called once, whatever happens, and nothing after it.
    on_handed_over : the images are where the worker finds them; not told where there is no worker.
    """

    on_event: Emit
    on_end: Callable[[Ending], None]
    on_handed_over: Callable[[], None] = lambda: None


class Runner(Protocol):
    """Does jobs one after the other, in the order in which they were submitted."""

    def submit(self, job: Job, images: Mapping[str, Image], listener: Listener) -> str:
        """Have a job done; returns its id and does not wait.

        images : handle in the job's inputs -> image; the runner may give it another handle. Voxels
            must not change any more.
        """

    def cancel(self, job_id: str) -> None:
        """Stop a job, whether it waits or runs; its listener is told. An unknown id is let pass."""

    def close(self) -> None:
        """Drop all jobs without a word and give everything back: processes, folders, memory."""

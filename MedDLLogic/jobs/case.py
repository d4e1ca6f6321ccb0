"""One case from job to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..disk import disk_errors
from ..events import Emit, Reporter, Started
from ..image import Image
from ..io.write import WrittenFile
from ..job import Job
from ..result import Result
from ..tasks.preprocess import Preprocessed
from ..tasks.run import job_stages, run_job
from ..tasks.segment import versions
from .batch import CaseOutcome, RunCase
from .products import WRITE, write_products

_WRITE_SHARE = 0.2


@dataclass(frozen=True)
class FinishedCase:
    """What a case's job made, the files of it that were written (product -> file), and what was warned of."""

    made: Result | Preprocessed
    files: Mapping[str, WrittenFile]
    warnings: tuple[str, ...] = ()


def run_case(
    job: Job,
    emit: Emit,
    is_cancelled: Callable[[], bool] = lambda: False,
    in_memory: Mapping[str, Image] | None = None,
) -> FinishedCase:
    """Run a job and write its products into ``job.output.folder``, which is made if need be.

    Raises
    ------
    MedDLError : what the job and the writer raise; files that were complete before stay.
    """
    stages = job_stages(job) | {WRITE: _WRITE_SHARE}
    emit(Started(job.case, tuple(stages)))
    reporter = Reporter(job.case, emit, is_cancelled, stages)
    outcome = run_job(job, reporter, in_memory)
    folder = Path(job.output.folder)
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
    files = write_products(job, outcome, folder, reporter)
    return FinishedCase(outcome.made, files, outcome.warnings)


def in_batch(is_cancelled: Callable[[], bool]) -> RunCase:
    """``run_case`` in the form that ``batch.run_batch`` calls."""

    def run(job: Job, emit: Emit) -> CaseOutcome:
        finished = run_case(job, emit, is_cancelled)
        return CaseOutcome(finished.files, versions(), finished.warnings)

    return run

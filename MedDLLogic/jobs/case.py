"""One case from job to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..disk import disk_errors
from ..errors import MedDLError
from ..events import Emit, Reporter, Started
from ..image import Image
from ..inference.warm import Networks
from ..io.write import WrittenFile
from ..job import Job
from ..result import Result
from ..tasks.history import WRITE
from ..tasks.learning import remember_stage
from ..tasks.preprocess import Preprocessed
from ..tasks.run import job_stages, run_job
from ..tasks.segment import versions
from .batch import CaseOutcome, RunCase
from .blocking import BlockingRunner
from .products import write_products

_WRITE_SHARE = 0.2


@dataclass(frozen=True)
class FinishedCase:
    """What a case's job made, the files of it that were written (product -> file), by what, and what was warned of."""

    made: Result | Preprocessed
    files: Mapping[str, WrittenFile]
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def run_case(
    job: Job,
    emit: Emit,
    is_cancelled: Callable[[], bool] = lambda: False,
    in_memory: Mapping[str, Image] | None = None,
    networks: Networks | None = None,
) -> FinishedCase:
    """Run a job and write its products into ``job.output.folder``, which is made if need be.

    Parameters
    ----------
    in_memory : images that inputs name by handle.
    networks : those that stay loaded from case to case.

    Raises
    ------
    MedDLError : what the job and the writer raise; files that were complete before stay.
    """
    stages = job_stages(job) | {WRITE: _WRITE_SHARE}
    emit(Started(job.case, tuple(stages)))
    reporter = Reporter(job.case, emit, is_cancelled, stages)
    outcome = run_job(job, reporter, in_memory, networks=networks)
    folder = Path(job.output.folder)
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
    files = write_products(job, outcome, folder, reporter)
    remember_stage(job, outcome.made, reporter, WRITE)
    return FinishedCase(outcome.made, files, versions(), outcome.warnings)


def run_for_scene(
    job: Job,
    emit: Emit,
    is_cancelled: Callable[[], bool] = lambda: False,
    in_memory: Mapping[str, Image] | None = None,
    networks: Networks | None = None,
) -> Result:
    """Run a segment job that names no output folder; its result goes to a scene.

    Raises
    ------
    MedDLError : E102 for another task, and what the job raises.
    """
    if job.task != "segment":
        raise MedDLError("E102", "task", "only segment can be handed back to the scene")
    stages = job_stages(job)
    emit(Started(job.case, tuple(stages)))
    reporter = Reporter(job.case, emit, is_cancelled, stages)
    made = run_job(job, reporter, in_memory, networks=networks).made
    if not isinstance(made, Result):
        raise MedDLError("E901", "segment gave no segments")
    reporter.check_cancelled()
    return made


def carry_out(
    job: Job, emit: Emit, is_cancelled: Callable[[], bool], in_memory: Mapping[str, Image], networks: Networks
) -> Result | FinishedCase:
    """The files of a job that names an output folder, else its result."""
    if not job.output.folder:
        return run_for_scene(job, emit, is_cancelled, in_memory, networks)
    return run_case(job, emit, is_cancelled, in_memory, networks)


def in_batch(is_cancelled: Callable[[], bool]) -> RunCase:
    """``run_case`` in the form that ``batch.run_batch`` calls."""

    def run(job: Job, emit: Emit) -> CaseOutcome:
        finished = run_case(job, emit, is_cancelled)
        return CaseOutcome(finished.files, finished.versions, finished.warnings)

    return run


def through_worker(worker: BlockingRunner, is_cancelled: Callable[[], bool]) -> RunCase:
    """The same in a worker process, which stays for the next case; one that dies costs its own case alone."""

    def run(job: Job, emit: Emit) -> CaseOutcome:
        ending = worker.run(job, None, emit, is_cancelled)
        return CaseOutcome(ending.files or {}, ending.versions or {}, ending.warnings)

    return run

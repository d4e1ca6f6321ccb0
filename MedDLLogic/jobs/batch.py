"""Cases one after the other into one folder: isolated from each other, skipped when done, resumed after a kill.

A case's files are made in a hidden folder and get their final names together, once all of them are
verified. So a final name never holds half a file, and a case without a ``done`` line is simply done again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..disk import disk_errors
from ..errors import MedDLError
from ..events import Cancelled, Emit, Failed, Finished, Warned
from ..io.write import PARTIAL_PREFIX, WrittenFile, sweep_partials
from ..job import Job
from ..records import canonical_sha256
from ..scratch import ScratchFolder
from .case_ids import inputs_state
from .case_index import INDEX_NAME, Case, write_index
from .manifest import (
    MANIFEST_NAME,
    CaseCancelled,
    CaseDone,
    CaseFailed,
    CaseMade,
    CasePlanned,
    CaseStarted,
    FileRecord,
    Manifest,
    Work,
    done_cases,
)
from .publish import Hashes, publish, require_as_made, require_no_input

Existing = Literal["refuse", "replace", "skip"]

_ENDS_ALL = {"E501", "E503"}  # what one case met at the output folder, the next would meet too


@dataclass(frozen=True)
class CaseOutcome:
    """What a case made.

    Parameters
    ----------
    outputs : product -> the file, all of which lie in ``job.output.folder``.
    versions : of what made them, such as ``{"MedDL": "0.1.0"}``.
    warnings : lines for the manifest.
    """

    outputs: Mapping[str, WrittenFile]
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseReport:
    """How one case ended; ``outputs`` are file names by product in the case's folder."""

    case: str
    state: Literal["done", "skipped", "failed", "cancelled"]
    outputs: Mapping[str, str] = field(default_factory=dict)
    error: MedDLError | None = None


@dataclass(frozen=True)
class BatchSummary:
    """How the cases ended, in their order."""

    reports: tuple[CaseReport, ...]

    def of_state(self, state: Literal["done", "skipped", "failed", "cancelled"]) -> tuple[CaseReport, ...]:
        """The cases that ended like this."""
        return tuple(report for report in self.reports if report.state == state)

    def require_complete(self) -> None:
        """Raise E602 when the user cancelled, the case's own error when the only case failed, E605 when some did."""
        failed = self.of_state("failed")
        if self.of_state("cancelled"):
            raise MedDLError("E602", "cancelled", f"{len(self.of_state('cancelled'))} cases not done")
        if failed and failed[0].error and len(self.reports) == 1:
            raise failed[0].error
        if failed:
            raise MedDLError("E605", f"{len(failed)} of {len(self.reports)} cases failed", "", "see run.jsonl")


RunCase = Callable[[Job, Emit], CaseOutcome]


def run_batch(
    jobs: Sequence[Job],
    run_case: RunCase,
    folder: Path,
    *,
    existing: Existing,
    emit: Emit,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> BatchSummary:
    """Run each job into ``folder/<case>/``; returns how each ended.

    Parameters
    ----------
    run_case : makes the files of one job in ``job.output.folder``, which is a hidden one, and raises
        ``MedDLError`` when it cannot. Finished, Failed and Cancelled are told here, not there.
    existing : ``"refuse"`` stops when a case has a folder with something in it. ``"skip"`` keeps
        cases that are done, and fails those (E105) whose files somebody changed; ``"replace"``
        overwrites these too. No policy overwrites an input, or touches a file of another name.

    Raises
    ------
    MedDLError : E102 case ids, E501 or E503 the folder cannot be written, E601 another run has it.
    """
    _require_distinct(jobs)
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
    with Manifest(folder) as manifest:
        return _Batch(jobs, run_case, folder, existing, emit, is_cancelled, manifest).run()


@dataclass(frozen=True)
class _Batch:
    """One run, while the manifest's lock is held."""

    jobs: Sequence[Job]
    run_case: RunCase
    folder: Path
    existing: Existing
    emit: Emit
    is_cancelled: Callable[[], bool]
    manifest: Manifest

    def run(self) -> BatchSummary:
        self.tell_warnings()
        for folder in (self.folder, *(self.folder / job.case for job in self.jobs)):
            sweep_partials(folder)
        if self.existing == "refuse":
            _require_no_outputs(self.folder, self.jobs)
        work = {job.case: work_of(job, self.folder) for job in self.jobs}
        done = done_cases(self.folder, self.manifest.history, work) if self.existing == "skip" else frozenset()
        write_index(self.folder, [Case(job.case, job.inputs) for job in self.jobs])
        self.manifest.append(*(CasePlanned(job.case, _now()) for job in self.jobs if job.case not in done))
        return BatchSummary(
            tuple(
                CaseReport(job.case, "skipped") if job.case in done else self.report(job, work[job.case])
                for job in self.jobs
            )
        )

    def tell_warnings(self) -> None:
        for warning in self.manifest.history.warnings:
            self.emit(Warned("", "E106", warning))
        if not self.manifest.is_locked:
            self.emit(Warned("", "E601", "this file system has no locks: a second run here would not be noticed"))

    def report(self, job: Job, work: Work) -> CaseReport:
        if self.is_cancelled():
            return self.cancelled(job)
        try:
            return self.done(job, work)
        except MedDLError as exc:
            # An interrupt inside a library comes out of it as whatever error that makes of it.
            is_stopped = exc.code == "E602" or (self.is_cancelled() and exc.code not in _ENDS_ALL)
            return self.cancelled(job) if is_stopped else self.failed(job, exc)
        except MemoryError as exc:
            return self.failed(job, MedDLError("E502", "", "", "close other programs", detail=repr(exc)))
        except Exception as exc:  # noqa: BLE001 - a defect that one case meets must not cost the others theirs
            return self.failed(job, MedDLError("E901", "", type(exc).__name__, "please report it", detail=repr(exc)))

    def done(self, job: Job, work: Work) -> CaseReport:
        self.require_free(job, self.written_before(job))
        self.manifest.append(CaseStarted(job.case, _now()))
        began_s = time.monotonic()
        outcome, records = self.make(job)
        seconds = round(time.monotonic() - began_s, 3)
        outputs = {product: file.name for product, file in outcome.outputs.items()}
        self.manifest.append(
            CaseDone(job.case, work.job_sha256, work.inputs_state, records, outcome.versions, outcome.warnings,
                     seconds, _now())
        )  # fmt: skip
        self.emit(Finished(job.case, outputs))
        return CaseReport(job.case, "done", outputs)

    def make(self, job: Job) -> tuple[CaseOutcome, Mapping[str, FileRecord]]:
        with disk_errors():
            scratch = ScratchFolder(self.folder, PARTIAL_PREFIX)
        with scratch as hidden:
            made = hidden / job.case
            made.mkdir()
            outcome = self.run_case(replace(job, output=replace(job.output, folder=str(made))), self.emit)
            records = _records(outcome, made)
            self.require_free(job, records)
            self.manifest.append(CaseMade(job.case, records))
            publish(made, self.folder / job.case, self.written_before(job))
        return outcome, records

    def written_before(self, job: Job) -> Hashes:
        return self.manifest.history.written.get(job.case, {})

    def require_free(self, job: Job, names: Iterable[str]) -> None:
        require_no_input(self.folder / job.case, names, job.inputs.values())
        if self.existing == "skip":
            require_as_made(self.folder / job.case, names, self.written_before(job))

    def cancelled(self, job: Job) -> CaseReport:
        self.manifest.append(CaseCancelled(job.case, _now()))
        self.emit(Cancelled(job.case))
        return CaseReport(job.case, "cancelled")

    def failed(self, job: Job, error: MedDLError) -> CaseReport:
        self.emit(Failed(job.case, error.code, str(error)))
        line = CaseFailed(job.case, error.code, str(error), _now())
        if error.code in _ENDS_ALL:
            with suppress(MedDLError):  # the manifest stands on the same disk
                self.manifest.append(line)
            raise error
        self.manifest.append(line)
        return CaseReport(job.case, "failed", error=error)


def work_of(job: Job, folder: Path) -> Work:
    """What the job's files are made of, wherever they go and whatever is in the output ``folder`` already."""
    anywhere = replace(job.output, folder="", existing="refuse")
    return Work(canonical_sha256(replace(job, output=anywhere)), inputs_state(job.inputs, folder))


def _require_distinct(jobs: Sequence[Job]) -> None:
    names = Counter([MANIFEST_NAME, INDEX_NAME, *(job.case.lower() for job in jobs)])
    doubled = [name for name, count in names.items() if count > 1]
    if doubled:
        raise MedDLError(
            "E102", "case ids not usable", f"{len(doubled)} stand twice or are names of MedDL's own", "change them"
        )


def _require_no_outputs(folder: Path, jobs: Sequence[Job]) -> None:
    with disk_errors():
        taken = [job.case for job in jobs if (folder / job.case).is_dir() and any((folder / job.case).iterdir())]
    if taken:
        raise MedDLError(
            "E503", "", f"{len(taken)} cases have results there", "skip or replace them, or choose another"
        )


def _records(outcome: CaseOutcome, made: Path) -> Mapping[str, FileRecord]:
    records = {file.name: FileRecord(file.sha256, file.size_bytes) for file in outcome.outputs.values()}
    if len(records) != len(outcome.outputs) or set(records) != {path.name for path in made.iterdir()}:
        raise MedDLError("E901", "", "files made and files told are not the same")
    return records


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

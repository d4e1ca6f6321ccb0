"""Jobs through a worker process and in this one: the same face, the same results; and what a bad worker costs."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Failed, Finished, Progress, Started
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.job import CardRef, InputRef, Job, OutputPolicy
from MedDLLogic.jobs.blocking import BlockingRunner, launch_here
from MedDLLogic.jobs.child import Children
from MedDLLogic.jobs.client import WorkerRunner
from MedDLLogic.jobs.inline import InlineRunner
from MedDLLogic.jobs.ladder import Patience
from MedDLLogic.jobs.runner import Listener
from MedDLLogic.jobs.session import LIMITS
from MedDLLogic.models.registry import read_card
from MedDLLogic.models.store import trust

from ..small_models import ball, make_bright_card, make_unet_card
from . import bad_workers
from .test_child import is_alive, until

DIES = "raise SystemExit(3)"
PATIENT = replace(LIMITS, ending=Patience(60, 70, 80))
"""Of the worker that all tests share: it must not be replaced because the machine is slow today."""

IMPATIENT = replace(LIMITS, welcome_s=3.0, ping_every_s=0.2, answer_s=1.5, ending=Patience(0.5, 1.0, 6.0))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Name -> card, in a home that all tests here and their workers share."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDDL_HOME", str(folder / "home"))
        cards = {"bright": make_bright_card(folder), "unet": make_unet_card(folder)}
        trust(stage.weights.sha256 for stage in read_card(cards["bright"]).card.network_stages)
        yield cards


class Course:
    """One job: what was told of it."""

    def __init__(self):
        self.events, self.endings = [], []

    @property
    def listener(self):
        return Listener(self.events.append, self.endings.append)

    @property
    def end(self):
        (ending,) = self.endings
        return ending


class Bench:
    """A runner with its owner's loop."""

    def __init__(self, runner, pump=time.sleep):
        self.runner, self._pump = runner, pump

    def submit(self, job, image=None, listener=None):
        course = Course()
        course.id = self.runner.submit(job, {"here": image or ball()[0]}, listener or course.listener)
        return course

    def loop(self, seconds):
        self._pump(min(seconds, 0.02))
        self.runner.tick()

    def until(self, is_so):
        return until(self.loop, is_so)

    def run(self, job, image=None):
        course = self.submit(job, image)
        self.until(lambda: course.endings)
        return course.end

    def rest(self):
        """Wait until nothing is to do."""
        return self.until(lambda: not self.runner.is_busy)


@pytest.fixture(scope="module")
def job(models):
    return Job("segment", {"image": InputRef(handle="here")}, card=CardRef(str(models["bright"])))


@pytest.fixture(scope="module")
def worker_base(tmp_path_factory):
    return tmp_path_factory.mktemp("exchange")


@pytest.fixture(scope="module")
def worker(worker_base, job):
    """A runner on one true worker, which has done a job already."""
    children = Children()
    bench = Bench(WorkerRunner(children, launch_here, worker_base, limits=PATIENT), children.pump)
    assert isinstance(bench.run(job).event, Finished)
    yield bench
    bench.runner.close()
    assert list(worker_base.iterdir()) == []


@pytest.fixture(scope="module")
def inline(models):
    return Bench(InlineRunner())


@pytest.fixture(params=["inline", "worker"])
def bench(request, worker, inline):
    made = {"inline": inline, "worker": worker}[request.param]
    yield made
    made.rest()


@pytest.fixture
def bad(tmp_path, models):
    """``bad(code, ...)``: a bench whose first workers are these; it may leave neither process nor folder behind."""
    benches = []

    def make(*codes, limits=LIMITS):
        children, launch = Children(), bad_workers.First(*codes)
        runner = WorkerRunner(children, launch, tmp_path / "exchange", limits=limits, on_log=lambda text: None)
        benches.append(Bench(runner, children.pump))
        return benches[-1]

    yield make
    for made in benches:
        made.runner.close()
    assert not list((tmp_path / "exchange").glob("*"))


@pytest.fixture
def good(bad):
    """A bench with a true worker of the test's own."""
    return bad(limits=LIMITS)


def big(edge):
    return ball((edge, edge, edge), (1.0, 1.0, 1.0), edge / 3)[0]


def empty(edge):
    return Image(np.zeros((1, edge, edge, edge), np.uint8), Geometry((edge, edge, edge), np.eye(4)))


def long_job(models):
    """A job that takes some seconds, in many patches."""
    inputs = {"first": InputRef(handle="here"), "second": InputRef(handle="here")}
    return Job("segment", inputs, card=CardRef(str(models["unet"])))


# What both runners do.


def test_a_job_tells_its_start_its_progress_and_its_result(bench, job):
    course = bench.submit(job)
    bench.until(lambda: course.endings)
    assert isinstance(course.events[0], Started) and any(isinstance(event, Progress) for event in course.events)
    assert course.end.event == Finished("case") and course.end.result.mask_of("bright").any()


def test_both_runners_give_the_same_result(inline, worker, job):
    one, other = inline.run(job).result, worker.run(job).result
    assert one.layers[0].tobytes() == other.layers[0].tobytes()
    assert (one.table, one.measurements) == (other.table, other.measurements)
    assert replace(one.provenance, seconds=0, steps=()) == replace(other.provenance, seconds=0, steps=())


def test_a_job_with_a_folder_gives_its_files(bench, job, tmp_path):
    ending = bench.run(replace(job, output=OutputPolicy(str(tmp_path), ("measurements",))))
    assert ending.event.outputs["measurements"] == ending.files["measurements"].name
    assert (tmp_path / "measurements.csv").is_file() and ending.versions["torch"] and ending.result is None


def test_jobs_are_done_in_the_order_in_which_they_came(bench, job):
    order = []
    for name in "abc":
        bench.submit(
            replace(job, case=name), None, Listener(lambda e: None, lambda ending: order.append(ending.event.case))
        )
    bench.until(lambda: len(order) == 3)
    assert order == ["a", "b", "c"]


def test_nothing_is_told_within_submit_and_cancel(bench, job):
    course = bench.submit(job)
    bench.runner.cancel(course.id)
    assert (course.events, course.endings) == ([], [])
    bench.until(lambda: course.endings)
    assert course.end.event == Cancelled("case")


def test_a_job_that_waits_is_cancelled_and_the_others_are_done(bench, job):
    courses = [bench.submit(job) for _ in range(3)]
    bench.runner.cancel(courses[1].id)
    bench.until(lambda: all(course.endings for course in courses))
    assert [type(course.end.event) for course in courses] == [Finished, Cancelled, Finished]


def test_a_job_is_cancelled_from_its_own_listener(bench, models):
    course = Course()
    ids = []
    cancel = lambda event: bench.runner.cancel(ids[0])
    ids.append(bench.submit(long_job(models), big(64), Listener(cancel, course.endings.append)).id)
    bench.until(lambda: course.endings)
    assert course.end.event == Cancelled("case")


def test_a_job_is_submitted_from_the_end_of_another(bench, job):
    second = []
    first = Listener(lambda e: None, lambda ending: second.append(bench.submit(job)))
    bench.submit(job, None, first)
    bench.until(lambda: second and second[0].endings)
    assert isinstance(second[0].end.event, Finished)


def test_a_job_that_fails_is_told_and_the_next_one_is_done(bench, job):
    failed = bench.run(replace(job, inputs={"image": InputRef(handle="nowhere")}))
    assert isinstance(failed.event, Failed) and failed.event.code == "E301"
    assert isinstance(bench.run(job).event, Finished)


def test_a_cancel_of_no_known_job_is_let_pass(bench):
    bench.runner.cancel("nobody")
    assert bench.rest()


def test_the_worker_is_stopped_from_a_job_which_is_cancelled_and_the_next_one_is_done(inline, good, models, job):
    for bench in (inline, good):
        course = Course()
        stop = Listener(lambda event, bench=bench: bench.runner.stop_worker(), course.endings.append)
        bench.submit(long_job(models), big(64), stop)
        bench.until(lambda course=course: course.endings)
        assert course.end.event == Cancelled("case")
        assert isinstance(bench.run(job).event, Finished)


def test_a_closed_runner_tells_nothing_more_of_its_jobs(models, job, tmp_path):
    children = Children()
    for bench in (Bench(InlineRunner()), Bench(WorkerRunner(children, launch_here, tmp_path), children.pump)):
        course = bench.submit(job)
        bench.loop(0.02) if bench.runner.is_busy and not isinstance(bench.runner, InlineRunner) else None
        bench.runner.close()
        bench.runner.close()
        assert course.endings == [] and not bench.runner.is_busy


# What the one with a process has to do besides.


def words_to(bench):
    """What is written to the worker from now on."""
    written = []
    process = bench.runner._process
    write = process.write
    process.write = lambda data: (written.append(data), write(data))
    return written


def test_an_image_is_sent_once_and_gone_when_others_took_its_place(worker, worker_base, job):
    worker.run(job)
    written = words_to(worker)
    worker.run(job)
    assert not any(b"put_image" in line for line in written)
    worker.run(job, ball(radius_mm=3.0)[0])
    assert sum(line.count(b"put_image") for line in written) == 1 and any(b"release" in line for line in written)
    worker.rest()
    assert len(list(worker_base.glob("*/*.npy"))) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_the_exchange_folder_is_private_and_holds_no_result_that_was_read(worker, worker_base, job):
    worker.run(job)
    worker.rest()
    (folder,) = worker_base.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.suffix for path in folder.iterdir() if path.name != "lock"} == {".npy", ".json"}


def test_folders_of_the_dead_are_swept_at_the_next_start(bad, tmp_path, job):
    stray = tmp_path / "exchange" / "exchange-0123"
    stray.mkdir(parents=True)
    bench = bad(DIES)
    bench.run(job)
    assert bench.rest() and not stray.exists()


def test_a_folder_that_cannot_be_made_fails_the_job(models, job, tmp_path):
    (tmp_path / "file").write_text("x")
    bench = Bench(WorkerRunner(Children(), launch_here, tmp_path / "file" / "base"))
    assert bench.run(job).event.code == "E503"
    bench.runner.close()


def test_a_command_that_cannot_be_made_fails_the_job(models, job, tmp_path):
    def refuse(_folder):
        raise MedDLError("E101", "no such Python")

    bench = Bench(WorkerRunner(Children(), refuse, tmp_path))
    assert bench.run(job).event.code == "E101"
    bench.runner.close()


def kill(bench):
    os.kill(bench.runner._process.pid, signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_worker_that_is_killed_in_a_job_costs_that_job_alone(good, models, job):
    course, waiting = good.submit(long_job(models), big(96)), good.submit(job)
    good.until(lambda: course.events)
    kill(good)
    good.until(lambda: waiting.endings)
    assert course.end.event.code == "E502" and "memory" in course.end.event.message
    assert isinstance(waiting.end.event, Finished)


BAD = {
    bad_workers.DEAF: "E610",
    bad_workers.HANGS_IN_A_JOB: "E610",
    bad_workers.STRANGER: "E609",
    DIES: "E603",
    "import os; os.abort()": "E603",
    "import no_such_package": "E104",
}


def test_bad_workers_are_one_line_each_and_the_next_job_is_done_by_a_good_one(bad, job):
    bench = bad(*BAD, limits=IMPATIENT)
    courses = [bench.submit(job) for _ in range(len(BAD))]
    bench.until(lambda: courses[-1].endings)
    assert [course.end.event.code for course in courses] == list(BAD.values())
    bench.runner._session._limits = LIMITS
    assert isinstance(bench.run(job).event, Finished)


def test_garbage_on_the_output_of_a_worker_is_left_aside(bad, job):
    assert isinstance(bad(bad_workers.GARBAGE).run(job).event, Finished)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_a_worker_without_memory_says_so_and_does_the_next_job_itself(bad, job):
    bench = bad(bad_workers.small_memory(450))
    assert bench.run(job, empty(480)).event.code == "E502"
    process = bench.runner._process
    assert isinstance(bench.run(job).event, Finished) and bench.runner._process is process


def test_a_worker_that_hangs_is_cancelled_all_the_same(bad, job):
    bench = bad(bad_workers.HANGS_IN_A_JOB)
    course = bench.submit(job)
    bench.until(lambda: bench.runner._session._running)
    bench.runner.cancel(course.id)
    bench.until(lambda: course.endings)
    assert course.end.event == Cancelled("case")


def test_cancelled_at_any_moment_a_job_ends_once_and_the_next_one_is_done(good, models, job):
    chance = random.Random(3)
    for _ in range(5):
        course = good.submit(long_job(models), big(48))
        until_s = time.monotonic() + chance.uniform(0, 0.6)
        good.until(lambda until_s=until_s: time.monotonic() > until_s)
        good.runner.cancel(course.id)
        good.rest()
        assert isinstance(course.end.event, Cancelled | Finished)
    assert isinstance(good.run(job).event, Finished)


def test_a_worker_of_a_closed_runner_is_gone(good, models):
    course = good.submit(long_job(models), big(96))
    good.until(lambda: course.events)
    pid = good.runner._process.pid
    good.runner.close()
    assert not is_alive(pid)


def test_an_image_that_is_put_again_while_it_is_about_to_be_dropped_is_there(good, job):
    x, y, third = ball()[0], ball(radius_mm=3.0)[0], Course()
    good.run(job, x)
    again = lambda ending: good.runner.submit(job, {"here": x}, third.listener)
    good.submit(replace(job, card=CardRef("no-such-model")), y, Listener(lambda event: None, again))
    good.until(lambda: third.endings)
    assert isinstance(third.end.event, Finished)


def test_the_job_after_the_exchange_folder_was_removed_is_done_in_a_new_one(good, job, tmp_path):
    good.run(job)
    shutil.rmtree(tmp_path / "exchange")
    assert isinstance(good.run(job).event, Finished)


def test_an_image_that_was_damaged_is_put_anew_for_the_next_job(good, job, tmp_path):
    good.run(job)
    good.runner.stop_worker()
    good.rest()
    for path in tmp_path.glob("exchange/*/*.npy"):
        path.write_bytes(path.read_bytes()[:-5])
    assert good.run(job).event.code == "E305" and isinstance(good.run(job).event, Finished)


NAMES_ANOTHER = """import json, sys, time
from MedDLLogic.jobs.identity import library_sha256
print(json.dumps({'body': {'kind': 'welcome', 'pid': %d, 'library_sha256': library_sha256()}}), flush=True)
time.sleep(60)"""


@pytest.mark.skipif(os.name == "nt", reason="groups of processes are a matter of POSIX")
def test_a_worker_cannot_have_another_process_killed(bad, job):
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    bench = bad(NAMES_ANOTHER % stranger.pid)
    course = bench.submit(job)
    bench.until(lambda: bench.runner._session._running)
    bench.runner.cancel(course.id)
    bench.until(lambda: course.endings)
    bench.runner.close()
    assert stranger.poll() is None
    stranger.communicate(b"\n")


@pytest.mark.parametrize("line", [b"x\n", b"{}\n"])
def test_a_worker_that_only_writes_noise_is_given_up_soon(bad, job, line):
    flood = f"import os\nwhile True: os.write(1, {line!r} * 20_000)"
    assert bad(flood).run(job).event.code == "E610"


# Callers that wait.


@pytest.fixture
def blocking(models, tmp_path):
    with BlockingRunner(launch_here, tmp_path / "exchange") as runner:
        yield runner
    assert not list((tmp_path / "exchange").glob("*"))


def test_who_waits_gets_the_result_or_the_error(blocking, job):
    images = {"here": ball()[0]}
    assert blocking.run(job, images).result.mask_of("bright").any()
    with pytest.raises(MedDLError, match="E301"):
        blocking.run(job)


def test_who_waits_can_cancel_and_run_again(blocking, models, job):
    events = []
    with pytest.raises(MedDLError, match="E602"):
        blocking.run(long_job(models), {"here": big(64)}, events.append, lambda: len(events) > 3)
    assert blocking.run(job, {"here": ball()[0]}).event == Finished("case")


def test_an_interrupt_while_waiting_leaves_no_process_and_the_next_job_is_done(blocking, job):
    def interrupt(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blocking.run(job, {"here": ball()[0]}, interrupt)
    assert blocking._runner is None
    assert blocking.run(job, {"here": ball()[0]}).event == Finished("case")

"""The worker by itself, spoken to line by line as a session does."""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
import time

import pytest

import MedDLLogic
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Failed, Started
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.job import CardRef, InputRef, Job, OutputPolicy
from MedDLLogic.jobs.blocking import launch_here
from MedDLLogic.jobs.child import ChildProcess
from MedDLLogic.jobs.exchange import put_image, read_result
from MedDLLogic.jobs.identity import library_sha256
from MedDLLogic.jobs.messages import (
    Cancel,
    Done,
    FromWorker,
    Hello,
    Ping,
    Pong,
    PutImage,
    Release,
    Run,
    Shutdown,
    ToWorker,
    Welcome,
)
from MedDLLogic.jobs.process import Launch
from MedDLLogic.jobs.worker import Replies
from MedDLLogic.recipe import Recipe
from MedDLLogic.records import parse_json, to_json_text

from ..small_models import ball
from .test_child import Heard, is_alive, until

ENDS = (Done, Failed, Cancelled)


class Spoken:
    """A worker on a folder; what is said to it, and what it answers."""

    def __init__(self, folder, *options):
        folder.mkdir(exist_ok=True)
        launch = launch_here(folder)
        self.heard = Heard()
        self.child = ChildProcess(Launch(launch.program, (*launch.arguments, *options), launch.environment), self.heard)
        self.child.start()

    def say(self, body, job_id=""):
        self.child.write(to_json_text(ToWorker(body, job_id), indent=None).encode() + b"\n")

    @property
    def replies(self):
        return [
            parse_json(FromWorker, line) for line in self.heard.output.splitlines(keepends=True) if line[-1:] == b"\n"
        ]

    def wait_for(self, kind, job_id=""):
        """The first reply of a kind, or event of that kind."""

        def found():
            bodies = [reply.body for reply in self.replies if reply.job_id == job_id]
            return [b for b in (getattr(body, "event", body) for body in bodies) if isinstance(b, kind)]

        until(self.child.pump, found)
        return found()[0]

    def do(self, job, job_id="j"):
        """How the worker ends a job."""
        self.say(Run(job), job_id)
        return self.wait_for(ENDS, job_id)

    def exit_code(self):
        until(self.child.pump, lambda: self.heard.ends)
        return self.heard.ends[0]


@pytest.fixture
def spoken(own_home, tmp_path):
    worker = Spoken(tmp_path / "exchange")
    yield worker
    worker.child.kill()


@pytest.fixture
def segment_job(bright_card, tmp_path):
    """A job on the ball, which lies in the exchange folder."""
    (tmp_path / "exchange").mkdir(exist_ok=True)
    handle = put_image(tmp_path / "exchange", ball()[0])
    return Job("segment", {"image": InputRef(handle=handle)}, card=CardRef(str(bright_card)))


def handle_of(job):
    return job.inputs["image"].handle


def test_a_worker_says_who_it_is_without_loading_torch_first(spoken):
    spoken.say(Hello())
    welcome = spoken.wait_for(Welcome)
    assert welcome.library_sha256 == library_sha256() and welcome.pid == spoken.child.pid
    assert {"MedDL", "Python", "numpy", "torch"} <= set(welcome.versions)


def test_the_worker_gives_what_a_script_gives_for_the_same_image_in_memory_and_as_a_file(
    spoken, segment_job, bright_card, tmp_path
):
    spoken.say(PutImage(handle_of(segment_job)))
    assert spoken.do(segment_job) == Done()
    write_volume(tmp_path / "ball.nii.gz", ball()[0])
    by_worker = read_result(tmp_path / "exchange" / "j")
    for image in (ball()[0], tmp_path / "ball.nii.gz"):
        by_script = MedDLLogic.segment(image, model=str(bright_card))
        assert by_script.layers[0].tobytes() == by_worker.layers[0].tobytes()
        assert by_script.measurements == by_worker.measurements


def test_a_job_with_a_folder_leaves_its_files_there_and_names_them(spoken, segment_job, tmp_path):
    output = OutputPolicy(str(tmp_path / "out"), ("measurements",))
    spoken.say(PutImage(handle_of(segment_job)))
    done = spoken.do(Job("segment", segment_job.inputs, card=segment_job.card, output=output))
    assert set(done.files) == {"measurements", "record"} and "torch" in done.versions
    assert {file.name for file in done.files.values()} == {path.name for path in (tmp_path / "out").iterdir()}


def test_an_image_that_was_not_put_or_was_released_fails_the_job_and_not_the_worker(spoken, segment_job):
    assert spoken.do(segment_job, "a").code == "E301"
    spoken.say(PutImage(handle_of(segment_job)))
    assert spoken.do(segment_job, "b") == Done()
    spoken.say(Release((handle_of(segment_job),)))
    assert spoken.do(segment_job, "c").code == "E301"


def test_an_image_once_read_serves_later_jobs_from_memory(spoken, segment_job, tmp_path):
    spoken.say(PutImage(handle_of(segment_job)))
    assert spoken.do(segment_job, "a") == Done()
    (tmp_path / "exchange" / f"{handle_of(segment_job)}.npy").unlink()
    assert spoken.do(segment_job, "b") == Done()


def test_a_recipe_has_no_result_for_a_scene(spoken, segment_job):
    spoken.say(PutImage(handle_of(segment_job)))
    assert spoken.do(Job("preprocess", segment_job.inputs, recipe=Recipe(()))).code == "E102"


def test_a_job_whose_id_is_no_name_for_a_folder_is_refused(spoken, segment_job):
    spoken.say(PutImage(handle_of(segment_job)))
    assert [spoken.do(segment_job, job_id).code for job_id in ("../x", "", "a/b")] == ["E102"] * 3


def test_a_cancelled_job_ends_as_such_and_the_next_one_is_done(spoken, segment_job):
    spoken.say(PutImage(handle_of(segment_job)))
    spoken.say(Cancel(), "a")
    assert spoken.do(segment_job, "a") == Cancelled("case")
    assert spoken.do(segment_job, "b") == Done()


def test_a_ping_is_answered_while_torch_is_loaded_and_a_job_is_done(spoken, segment_job):
    spoken.say(Hello())
    spoken.say(PutImage(handle_of(segment_job)))
    spoken.say(Run(segment_job), "j")
    spoken.say(Ping())
    spoken.wait_for(Pong)
    assert not any(isinstance(reply.body, Done) for reply in spoken.replies)


@pytest.mark.parametrize(
    "noise", [b"hello\n", b"{}\n", b'{"body": {"kind": "run"}}\n', b"\xff\n", b"x" * 2_000_000 + b"\n"]
)
def test_what_is_no_request_is_left_aside(spoken, noise):
    spoken.child.write(noise)
    spoken.say(Ping())
    assert spoken.wait_for(Pong) == Pong()


def test_a_job_that_cannot_be_read_fails(spoken):
    spoken.child.write(b'{"body": {"kind": "run", "job": {"new": 1}}, "job_id": "j"}\n')
    assert spoken.wait_for(Failed, "j").code == "E106"


def test_an_answer_too_long_to_be_read_is_an_error_and_is_not_written():
    stream = io.BytesIO()
    with pytest.raises(MedDLError, match="E901"):
        Replies(stream).tell(Done(warnings=("x" * 1_100_000,)), "j")
    assert stream.getvalue() == b""


TALKATIVE = """
import sys
import MedDLLogic.jobs.worker as worker
worker.Worker._done = lambda self, job, job_id: worker.Done(warnings=('x' * 1_100_000,))
worker.main(sys.argv[1:])
"""


def test_a_job_whose_answer_is_too_long_fails(tmp_path):
    launch, heard = launch_here(tmp_path), Heard()
    child = ChildProcess(Launch(sys.executable, ("-c", TALKATIVE, str(tmp_path)), launch.environment), heard)
    child.start()
    job = Job("segment", {"image": InputRef(handle="h")}, card=CardRef("c"))
    child.write(to_json_text(ToWorker(Run(job), "j"), indent=None).encode() + b"\n")
    until(child.pump, lambda: b"\n" in heard.output)
    child.kill()
    assert parse_json(FromWorker, heard.output).body.event.code == "E901"


LOUD = """
import os, sys
import MedDLLogic.jobs.worker as worker
worker._import_engine = lambda: (print('from Python', flush=True), os.write(1, b'from C'), os.system('echo a child; cat'))
worker.main(sys.argv[1:])
"""


def test_what_libraries_print_goes_to_the_log_and_what_they_read_is_not_the_requests(tmp_path):
    launch = launch_here(tmp_path)
    heard = Heard()
    child = ChildProcess(Launch(sys.executable, ("-c", LOUD, str(tmp_path)), launch.environment), heard)
    child.start()
    for body in (Hello(), Ping()):
        child.write(to_json_text(ToWorker(body), indent=None).encode() + b"\n")
    until(child.pump, lambda: b"a child" in heard.log and heard.output.count(b"\n") == 2)
    child.kill()
    assert b"from Python" in heard.log and b"from C" in heard.log
    assert [type(parse_json(FromWorker, line).body) for line in heard.output.splitlines()] == [Welcome, Pong]


def test_the_end_of_its_input_ends_an_idle_worker_and_one_at_work(spoken, segment_job):
    spoken.say(PutImage(handle_of(segment_job)))
    spoken.say(Run(segment_job), "j")
    spoken.wait_for(Started, "j")
    spoken.child.close_input()
    assert spoken.exit_code() == 0


def test_a_worker_that_was_told_to_leave_leaves(spoken):
    spoken.say(Shutdown())
    assert spoken.exit_code() == 0


def test_a_worker_that_nobody_needs_leaves(tmp_path):
    worker = Spoken(tmp_path / "exchange", "--idle-s", "0.2")
    assert worker.exit_code() == 0


@pytest.mark.skipif(os.name == "nt", reason="looks into /proc")
def test_a_worker_does_not_outlive_who_started_it(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'MedDLLogic.jobs.worker', {str(tmp_path)!r}], stdin=subprocess.PIPE)\n"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    heard = Heard()
    parent = ChildProcess(Launch(sys.executable, ("-c", code), launch_here(tmp_path).environment), heard)
    parent.start()
    until(parent.pump, lambda: b"\n" in heard.output)
    worker = int(heard.output)
    until(time.sleep, lambda: os.getpgid(worker) == worker)  # it leads its own group, so the next line leaves it alone
    os.kill(parent.pid, signal.SIGKILL)
    assert until(time.sleep, lambda: not is_alive(worker))
    parent.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_results_are_their_owners_alone(spoken, segment_job, tmp_path):
    spoken.say(PutImage(handle_of(segment_job)))
    assert spoken.do(segment_job) == Done()
    assert stat.S_IMODE((tmp_path / "exchange" / "j").stat().st_mode) == 0o700

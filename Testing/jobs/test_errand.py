"""One-shot processes: what they tell, and that they end when they are asked to, or later, or sooner."""

from __future__ import annotations

import os
import sys

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Failed, Finished, Progress
from MedDLLogic.jobs.child import Children
from MedDLLogic.jobs.errand import Errand, run_errand
from MedDLLogic.jobs.ladder import Patience
from MedDLLogic.jobs.process import Launch
from MedDLLogic.records import to_json_text

PROGRESS, FINISHED = Progress("", "build", 0.5), Finished("")
PATIENCE = Patience(0.3, 0.8, 5.0)
TELL = "def tell(text): print(text, flush=True)\n"


def errand_of(code):
    """A child that runs ``code``, in which ``tell(...)`` writes a line."""
    return Launch(sys.executable, ("-c", f"import os, signal, sys, time\n{TELL}{code}"), dict(os.environ))


def telling(event):
    return f"tell({to_json_text(event, indent=None)!r})\n"


class Watched:
    """An errand with all that it told."""

    def __init__(self, code, patience=PATIENCE):
        self.children, self.events, self.ends, self.log = Children(), [], [], []
        self.errand = Errand(
            self.children, errand_of(code), self.events.append, self.ends.append, self.log.append, patience=patience
        )
        self.errand.start()

    def until(self, is_so):
        while not is_so():
            self.children.pump(0.05)
            self.errand.tick()
        return self

    def to_its_end(self):
        self.until(lambda: self.errand.is_over)
        return self.ends


def test_an_errand_tells_its_progress_its_log_and_its_end():
    watched = Watched(f"{telling(PROGRESS)}sys.stderr.write('pip says\\nso')\ntell('noise')\n{telling(FINISHED)}")
    assert watched.to_its_end() == [FINISHED]
    assert (watched.events, watched.log) == ([PROGRESS], ["pip says"])


def test_an_errand_that_heeds_the_end_of_its_input_is_cancelled():
    watched = Watched(f"{telling(PROGRESS)}sys.stdin.read()\n{telling(Cancelled(''))}", Patience(20, 20, 20))
    watched.until(lambda: watched.events).errand.cancel()
    assert watched.to_its_end() == [Cancelled("")]


@pytest.mark.parametrize("deaf", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"])
def test_an_errand_that_does_not_listen_is_terminated_and_one_that_does_not_care_is_killed(deaf):
    watched = Watched(f"{deaf}{telling(PROGRESS)}time.sleep(60)")
    watched.until(lambda: watched.events).errand.cancel()
    assert watched.to_its_end() == [Cancelled("")]


def test_what_was_finished_is_finished_though_it_was_cancelled():
    watched = Watched(f"{telling(FINISHED)}time.sleep(60)")
    watched.errand.cancel()
    watched.until(lambda: watched.errand._ending)
    assert watched.to_its_end() == [FINISHED]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("sys.exit(3)", "E603"), ("import no_such_package", "E104"), ("os.kill(os.getpid(), 9)", "E502")],
)
def test_an_errand_that_dies_without_a_word_is_explained(code, expected):
    (ending,) = Watched(code).to_its_end()
    assert isinstance(ending, Failed) and ending.code == expected


def test_a_program_that_cannot_be_started_is_a_failure(tmp_path):
    ends, children = [], Children()
    errand = Errand(children, Launch(str(tmp_path / "none"), (), {}), ends.append, ends.append)
    errand.start()
    children.pump(5)
    assert ends[0].code == "E603" and errand.is_over


def test_a_closed_errand_leaves_no_process_and_says_nothing_more():
    watched = Watched(f"{telling(PROGRESS)}time.sleep(60)")
    watched.until(lambda: watched.events).errand.close()
    watched.children.pump(1)
    assert watched.ends == [] and watched.errand.is_over


def test_who_waits_for_an_errand_gets_its_error():
    failed = Failed("", "E506", "MEDDL-E506: index not reachable — offline")
    with pytest.raises(MedDLError) as caught:
        run_errand(errand_of(telling(failed)), lambda event: None)
    assert str(caught.value) == failed.message


def test_who_waits_for_an_errand_can_cancel_it():
    events = []
    with pytest.raises(MedDLError, match="E602"):
        run_errand(errand_of(f"{telling(PROGRESS)}sys.stdin.read()"), events.append, is_cancelled=lambda: bool(events))


def test_an_interrupt_while_waiting_leaves_no_process():
    def interrupt(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # and the fixture of all tests looks for a child that is left
        run_errand(errand_of(f"{telling(PROGRESS)}time.sleep(60)"), interrupt)

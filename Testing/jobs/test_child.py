"""Child processes for real: what they write, how they end, and that nothing of them stays."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from MedDLLogic.jobs.child import _READ_BYTES, ChildProcess, Children
from MedDLLogic.jobs.process import Launch

TIME_LIMIT_S = 30.0


class Heard:
    """All that was told of one process, in order."""

    def __init__(self):
        self.output, self.log, self.ends = b"", b"", []

    def received(self, data):
        self.output += data

    def logged(self, data):
        self.log += data

    def ended(self, exit_code):
        self.ends.append(exit_code)

    def not_started(self, reason):
        self.ends.append(reason)


def python(code):
    return Launch(sys.executable, ("-c", code), dict(os.environ))


def started(launch):
    heard = Heard()
    child = ChildProcess(launch, heard)
    child.start()
    return child, heard


def until(pump, is_so):
    """Pump until that is so; TimeoutError when it never is."""
    deadline_s = time.monotonic() + TIME_LIMIT_S
    while not is_so():
        pump(0.05)
        if time.monotonic() > deadline_s:
            raise TimeoutError
    return True


def is_alive(pid):
    """Whether a process of that id runs; one that is dead and not waited for yet does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_child_reads_writes_and_ends_with_is_told():
    child, heard = started(python("import sys; print(input()[::-1]); sys.stderr.write('log'); sys.exit(3)"))
    child.write(b"abc\n")
    until(child.pump, lambda: heard.ends)
    assert (heard.output.strip(), heard.log, heard.ends) == (b"cba", b"log", [3])


def test_the_end_comes_after_the_last_of_a_long_output():
    child, heard = started(python("import sys; sys.stdout.write('x' * 3_000_000)"))
    until(child.pump, lambda: heard.ends)
    assert len(heard.output) == 3_000_000


def test_the_end_of_its_input_reaches_a_child():
    child, heard = started(python("import sys; sys.stdin.read(); sys.exit(5)"))
    child.close_input()
    assert until(child.pump, lambda: heard.ends) and heard.ends == [5]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
@pytest.mark.parametrize(("end", "number"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)])
def test_a_child_that_is_ended_tells_by_which_signal(end, number):
    child, heard = started(python("import time; time.sleep(60)"))
    getattr(child, end)()
    assert until(child.pump, lambda: heard.ends) and heard.ends == [-number]


def test_words_to_a_child_that_is_gone_are_no_error():
    child, heard = started(python(""))
    until(child.pump, lambda: heard.ends)
    for _ in range(3):
        child.write(b"hello\n")
    child.close_input()
    child.terminate()
    child.kill()


def test_a_program_that_is_not_there_is_told_and_not_raised(tmp_path):
    child, heard = started(Launch(str(tmp_path / "none"), (), {}))
    assert until(child.pump, lambda: heard.ends) and heard.ends == ["FileNotFoundError"]


@pytest.mark.skipif(os.name == "nt", reason="looks into /proc")
def test_a_child_is_killed_with_all_that_it_started():
    code = (
        "import subprocess, sys, time; "
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True); time.sleep(60)"
    )
    child, heard = started(python(code))
    until(child.pump, lambda: b"\n" in heard.output)
    child.kill()
    grandchild = int(heard.output)
    assert until(time.sleep, lambda: not is_alive(grandchild))
    assert until(child.pump, lambda: heard.ends)


def test_a_child_that_writes_without_end_fills_no_memory_of_who_does_not_listen():
    child, heard = started(python("while True: print('y' * 10000)"))
    time.sleep(1.0)
    assert child._told.qsize() * _READ_BYTES < 2 << 20
    child.kill()
    assert until(child.pump, lambda: heard.ends)


def test_one_pump_serves_several_children():
    children, heard = Children(), [Heard(), Heard()]
    for number, ears in enumerate(heard):
        children(python(f"print({number})"), ears).start()
    until(children.pump, lambda: all(ears.ends for ears in heard))
    assert [int(ears.output) for ears in heard] == [0, 1]


def test_a_pump_returns_though_a_child_writes_faster_than_it_is_heard():
    child, heard = started(python("import os\nwhile True: os.write(1, b'x' * 65536)"))
    heard.received = lambda data: time.sleep(0.01)
    child.pump(10)
    child.kill()
    assert until(child.pump, lambda: heard.ends)


def test_a_child_is_killed_whatever_other_id_comes_with_that():
    child, heard = started(python("import time; time.sleep(60)"))
    child.kill(10**20)
    assert until(child.pump, lambda: heard.ends)

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from MedDLLogic.jobs.process_tree import descends, kill_tree

from .test_child import is_alive

pytestmark = pytest.mark.skipif(os.name == "nt", reason="groups of processes are a matter of POSIX")

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
LEAD = "from MedDLLogic.jobs.process_tree import lead_own_group as lead; import os, time; lead(); lead(); "


def test_a_process_can_be_made_to_lead_a_group_and_is_killed_with_it():
    process = subprocess.Popen(
        [sys.executable, "-c", f"{LEAD} print(os.getpgrp(), flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert int(process.stdout.readline()) == process.pid
    kill_tree(process.pid)
    assert process.wait(30) == -9
    process.stdout.close()


def test_a_process_that_leads_no_group_is_left_alone_since_its_group_may_be_anybodys():
    process = subprocess.Popen(SLEEP)
    kill_tree(process.pid)
    assert is_alive(process.pid)
    process.kill()
    process.wait(30)


@pytest.mark.parametrize("pid", [0, -1, 1, os.getpgrp(), 2**22 + 1, 10**20])
def test_neither_this_process_nor_all_nor_one_that_is_not_there_is_killed(pid):
    kill_tree(pid)


def test_a_child_of_a_child_descends_and_nobody_else_does():
    code = f"import subprocess; print(subprocess.Popen({SLEEP!r}).pid, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    grandchild = int(process.stdout.readline())
    shown = [descends(pid, process.pid) for pid in (grandchild, process.pid, os.getpid(), 1, 0, 10**20)]
    os.kill(grandchild, 9)
    process.communicate()
    assert shown == [True, True, False, False, False, False] and not descends(grandchild, process.pid)

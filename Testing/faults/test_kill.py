"""Killed at any moment and run again, a batch ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess

import pytest

from Testing.faults import rig

MOMENTS = int(os.environ.get("MEDDL_KILLS", "10"))
pytestmark = pytest.mark.skipif(os.name == "nt", reason="kill -9 is of POSIX")


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_kill_at_a_random_moment_leaves_no_trace(undisturbed, tmp_path, moment):
    delay_s = random.Random(moment).uniform(0.1, undisturbed.duration_s)
    output = tmp_path / "out"
    rig.kill_at(undisturbed.argv(output), delay_s)
    assert undisturbed.faults_after(output) == []


# Renames: the index, then for each case its four files and its folder.
RENAMES = [("os.rename", number) for number in (1, 2, 5, 6, 11)]
OTHERS = [("os.mkdir", 2), ("os.mkdir", 4), ("os.remove", 1), ("os.remove", 4), ("os.rmdir", 1)]


@pytest.mark.parametrize(("event", "number"), RENAMES + OTHERS)
def test_a_kill_between_two_steps_of_writing_leaves_no_trace(undisturbed, tmp_path, event, number):
    output = tmp_path / "out"
    argv = undisturbed.argv(output, "--kill-before", event, str(number))
    assert rig.run_until_done(argv).returncode == -signal.SIGKILL
    assert undisturbed.faults_after(output) == []


def test_kills_upon_kills_leave_no_trace(undisturbed, tmp_path):
    output = tmp_path / "out"
    for moment in range(4):
        rig.kill_at(undisturbed.argv(output), undisturbed.duration_s * random.Random(moment).uniform(0.4, 0.8))
        assert rig.unknown_finals(output) == []
    assert undisturbed.faults_after(output) == []


def test_a_polite_end_is_a_cancelled_run(undisturbed, tmp_path):
    output = tmp_path / "out"
    process = subprocess.Popen(undisturbed.argv(output), stderr=subprocess.PIPE, text=True)
    rig.wait_for_first_case(output)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=rig.TIME_LIMIT_S)
    assert (process.returncode, errors.count("\n"), errors[:10]) == (6, 1, "MEDDL-E602")
    assert rig.strays(output) == rig.unknown_finals(output) == []
    assert undisturbed.faults_after(output) == []


def test_of_two_runs_at_once_one_is_refused(undisturbed, tmp_path):
    output = tmp_path / "out"
    runs = [subprocess.Popen(undisturbed.argv(output), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = sorted((run.communicate(timeout=rig.TIME_LIMIT_S)[1][:10], run.returncode) for run in runs)
    assert ends == [("", 0), ("MEDDL-E601", 6)]
    assert undisturbed.faults_after(output) == []

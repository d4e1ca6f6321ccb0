"""Programs in turns: who works when, what is measured, and what becomes of one that breaks."""

import sys

import numpy as np
import pytest

from MedDLLogic.bench.chart import write_chart
from MedDLLogic.bench.contest import Contender, Figures, Task, contest, dice_of_labels
from MedDLLogic.errors import MedDLError

PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from MedDLLogic.bench.turns import read_task, take_turns

def load(task):
    print("a word that is none of ours")
    def work():
        with (Path(task["labels"]) / "order.txt").open("a") as file:
            file.write(task["name"])
        time.sleep(float(sys.argv[1]))
        return (np.load(task["voxels"])[0] > 0.5).astype(np.uint8), 8
    return work

take_turns(read_task(sys.argv[2]), load)
"""


@pytest.fixture
def task(tmp_path):
    voxels = np.random.default_rng(0).random((1, 6, 7, 8), dtype=np.float32)
    np.save(tmp_path / "voxels.npy", voxels)
    return Task(str(tmp_path / "voxels.npy"), "", "", str(tmp_path), (4, 4, 4), 0.5, "regular", "gaussian", 1)


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return lambda name, seconds: Contender(name, (sys.executable, str(path), str(seconds)))


def test_contenders_take_turns(task, program, tmp_path):
    told = []
    contest([program("a", 0), program("b", 0.05)], task, rounds=3, on_round=told.append)
    assert (tmp_path / "order.txt").read_text() == "ababab" and told[-1] == 1.0


def test_seconds_memory_windows_and_labels_come_back(task, program):
    quick, slow = contest([program("a", 0), program("b", 0.2)], task, rounds=2)
    assert slow.median_wall_s > 0.2 > slow.median_cpu_s >= 0 and quick.median_wall_s < slow.median_wall_s
    assert (quick.windows, slow.dice, quick.peak_bytes > 10e6) == (8, (1.0,), True)


def test_a_program_that_breaks_is_one_line_with_its_last_words_for_the_log(task, program, tmp_path):
    broken = Contender("c", (sys.executable, "-c", "raise SystemExit('no such tool')"))
    with pytest.raises(MedDLError, match=r"E603.*program for c") as caught:
        contest([program("a", 0), broken], task, rounds=1)
    assert "no such tool" in caught.value.detail


def test_dice_counts_every_label_that_one_of_the_two_has():
    first, second = np.array([[[0, 1, 1, 2]]], np.uint8), np.array([[[0, 1, 3, 3]]], np.uint8)
    assert dice_of_labels(first, second) == (pytest.approx(2 / 3), 0.0, 0.0)


def test_the_chart_is_a_picture(tmp_path):
    rows = [
        Figures("others", (4.0, 5.0), (4.0, 5.0), 10**9, 8, (1.0,)),
        Figures("ours", (1.0,), (1.0,), 10**8, 8, (1.0,)),
    ]
    write_chart(tmp_path / "bench.png", rows, "a contest", frozenset({"ours"}))
    assert (tmp_path / "bench.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

"""Promises that hold case by case: the tests of one subject, all of which must pass."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

from Testing.acceptance.row import Outcome, Row

_COUNTS = re.compile(r"(\d+) (passed|failed|error|skipped)")


def run_tests(*paths: str) -> Outcome:
    """Run the tests at these paths; the figure is how they ended, and none may have been skipped for want of data."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--color=no", *paths]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = {word: int(number) for number, word in _COUNTS.findall(ended.stdout)}
    counts = counts or {"passed": ended.stdout.count(".")}
    figure = ", ".join(f"{number} {word}" for word, number in counts.items())
    return Outcome(figure, passed=ended.returncode == 0 and counts.get("passed", 0) > 0)


def _row(name: str, what: str, target: str, *paths: str, small: tuple[str, ...] = ()) -> Row:
    """``small`` are the paths that stand for all of them where the whole suite runs anyway."""
    return Row(name, what, target, partial(run_tests, *(small or paths)), partial(run_tests, *paths), is_in_suite=True)


ROWS = (
    _row(
        "labels",
        "labels {1,5,9}, {3,1,2}, {1,300,65535}, absent, overlapping through scene, .seg.nrrd, .mrb and back",
        "names, values and voxel counts unchanged",
        "Testing/scene",
        small=("Testing/scene/test_segmentations.py",),
    ),
    _row(
        "third-model",
        "a model added by JSON and safetensors alone, two channels on different grids, through command line, job, API, node",
        "runs, no Python changed",
        "Testing/tasks",
        "Testing/cli/test_commands.py",
        "Testing/slicer/test_doors.py",
        small=("Testing/slicer/test_doors.py",),
    ),
    _row(
        "bad-inputs",
        "shared bad files and the generated corpus",
        "every one has its named verdict, no traceback, none over 5 s",
        "Testing/io",
        small=("Testing/io/test_read_corpus.py",),
    ),
)

"""The worker as Slicer starts it: a folder in, events out, the same voxels as through every other door."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import MedDLLogic
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.job import CardRef, InputRef, Job
from MedDLLogic.jobs.exchange import put_image, read_result
from MedDLLogic.jobs.worker import JOB_FILE
from MedDLLogic.recipe import Recipe
from MedDLLogic.records import to_json_text

from ..small_models import ball

ROOT = Path(MedDLLogic.__file__).parents[1]


def work(folder, *, stdin=None):
    """Exit status and events; standard input stays open until the end unless there is something to say."""
    command = [sys.executable, "-m", "MedDLLogic.jobs.worker", str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        if stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        events = [json.loads(line) for line in process.stdout]
    return process.returncode, events


@pytest.fixture
def hand_over(tmp_path):
    """``hand_over(**job)``: an exchange folder with the ball and that job."""

    def prepare(**job):
        folder = tmp_path / "exchange"
        folder.mkdir()
        inputs = {"image": InputRef(handle=put_image(folder, ball()[0]))}
        (folder / JOB_FILE).write_text(to_json_text(Job(inputs=inputs, **job)), encoding="utf-8")
        return folder

    return prepare


def test_the_worker_gives_what_a_script_gives_for_the_same_image_in_memory_and_as_a_file(
    hand_over, bright_card, tmp_path
):
    folder = hand_over(task="segment", card=CardRef(str(bright_card)))
    status, events = work(folder)
    assert (status, events[0]["kind"], events[-1]["kind"]) == (0, "started", "finished")
    write_volume(tmp_path / "ball.nii.gz", ball()[0])
    by_worker = read_result(folder)
    for given in (ball()[0], tmp_path / "ball.nii.gz"):
        by_script = MedDLLogic.segment(given, model=str(bright_card))
        assert by_script.layers[0].tobytes() == by_worker.layers[0].tobytes()
        assert by_script.measurements == by_worker.measurements


def test_the_end_of_its_input_cancels_the_worker(hand_over, bright_card):
    status, events = work(hand_over(task="segment", card=CardRef(str(bright_card))), stdin="cancel\n")
    assert (status, events[-1]["kind"]) == (6, "cancelled")


def test_a_recipe_has_no_result_for_a_scene(hand_over):
    status, events = work(hand_over(task="preprocess", recipe=Recipe(())))
    assert (status, events[-1]["code"]) == (2, "E102")


@pytest.mark.parametrize(("text", "status", "code"), [(None, 3, "E301"), ("{", 2, "E102")])
def test_a_folder_without_a_job_is_one_line(tmp_path, text, status, code):
    if text is not None:
        (tmp_path / JOB_FILE).write_text(text)
    found, events = work(tmp_path)
    assert found == status and [event["code"] for event in events] == [code]

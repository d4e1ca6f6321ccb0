"""What is remembered of past runs: damage, limits, two at once, and a home that cannot be written to."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

import MedDLLogic
from MedDLLogic.job import Computing
from MedDLLogic.records import parse_json
from MedDLLogic.storage import settings_folder
from MedDLLogic.tasks import history
from MedDLLogic.tasks.history import KEPT_IN_ALL, KEPT_OF_EACH, History, PastRun, StageTimes, recall, remember

from ..small_models import ball

CPU = Computing("cpu")
RUN = PastRun("0" * 64, CPU, 1000, is_cold=True, stages={"read": StageTimes({"": 1.0})})


def file():
    return settings_folder() / "times.json"


def seconds(runs):
    return [run.stages["read"].parts[""] for run in runs]


def taking(value):
    return replace(RUN, stages={"read": StageTimes({"": value})})


def test_a_run_comes_back_as_it_was(own_home):
    remember(RUN, "auto")
    assert recall("0" * 64, Computing("auto")) == recall("0" * 64, Computing("cpu")) == (RUN,)


def test_cuda_is_the_first_of_them(own_home):
    remember(replace(RUN, computing=Computing("cuda:0")), "cuda")
    assert recall("0" * 64, Computing("cuda")) and not recall("0" * 64, Computing("cuda:1"))


def test_only_the_last_few_of_each_model_are_kept(own_home):
    for n in range(8):
        remember(taking(float(n)), "cpu")
    assert seconds(recall("0" * 64, Computing("cpu"))) == [3.0, 4.0, 5.0, 6.0, 7.0] and KEPT_OF_EACH == 5


def test_runs_of_other_models_devices_and_qualities_stay_apart(own_home):
    others = [
        replace(RUN, card_sha256="1" * 64),
        replace(RUN, computing=Computing("cuda:0")),
        replace(RUN, computing=replace(CPU, quality="fine")),
    ]
    for run in (RUN, *others):
        remember(run, "cpu")
    assert [recall(run.card_sha256, run.computing) for run in (RUN, *others)] == [(r,) for r in (RUN, *others)]


def test_a_way_of_computing_that_never_ran_is_foretold_from_the_nearest(own_home):
    fast = replace(RUN, computing=replace(CPU, precision="fast"))
    remember(RUN, "cpu")
    remember(fast, "cpu")
    assert recall("0" * 64, replace(CPU, precision="fast", quality="fine")) == (fast,)
    assert recall("0" * 64, replace(CPU, precision="reference")) == (RUN, fast)


def test_the_file_never_grows_beyond_its_limit(own_home):
    for n in range(KEPT_IN_ALL + 20):
        remember(replace(RUN, card_sha256=f"{n:064d}"), "cpu")
    assert len(parse_json(History, file().read_bytes()).runs) == KEPT_IN_ALL
    assert file().stat().st_size < history.MAX_BYTES


DAMAGE = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: b"",
    "no text": lambda text: os.urandom(200),
    "another record": lambda text: b'{"runs": 3}',
    "negative": lambda text: text.replace(b"1000", b"-1000"),
    "infinite": lambda text: text.replace(b"1000", b"1e999"),
    "endless": lambda text: text.replace(b"1000", b"1000" + b"0" * 400),
    "another version": lambda text: text.replace(b'"schema_version": 1', b'"schema_version": 2'),
    "huge": lambda text: text + b" " * history.MAX_BYTES,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_counts_as_none_and_the_next_run_begins_anew(own_home, damage):
    remember(RUN, "cpu")
    file().write_bytes(damage(file().read_bytes()))
    assert recall("0" * 64, Computing("cpu")) == ()
    remember(taking(2.0), "cpu")
    assert seconds(recall("0" * 64, Computing("cpu"))) == [2.0]


MANY = """
import sys
from MedDLLogic.job import Computing
from MedDLLogic.tasks.history import PastRun, StageTimes, remember
for n in range(20):
    remember(PastRun(sys.argv[1] * 64, Computing("cpu"), n + 1, False, {"read": StageTimes({"": 1.0})}), "cpu")
"""


def test_two_processes_that_remember_at_once_leave_a_whole_file(own_home):
    writers = [subprocess.Popen([sys.executable, "-c", MANY, card]) for card in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert parse_json(History, file().read_bytes()).runs
    assert [path.name for path in file().parent.iterdir()] == ["times.json"]


def test_a_run_succeeds_where_nothing_can_be_remembered_and_the_log_says_so_once(unet_card, caplog):
    settings_folder().parent.mkdir(parents=True)
    settings_folder().write_text("a file where the folder should be")
    history._say_once.cache_clear()
    images = {"first": ball()[0], "second": ball()[0]}
    results = [MedDLLogic.segment(images, model=str(unet_card)) for _ in range(2)]
    assert len(results) == 2 and [record.getMessage() for record in caplog.records] == [
        "times of this run are not remembered (E503)"
    ]


def test_the_file_names_no_path_and_no_person(bright_card, tmp_path):
    MedDLLogic.segment(ball()[0], model=str(bright_card))
    text = file().read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "sha256" in text

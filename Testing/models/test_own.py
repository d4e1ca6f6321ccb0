"""A model of the user's own comes and goes as a whole, whatever happens in between."""

import os
import signal
import subprocess
import sys

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models import own
from MedDLLogic.models.imports.importing import import_model
from MedDLLogic.models.own import keep, remove_own
from MedDLLogic.models.registry import find_card, list_cards
from MedDLLogic.models.store import missing_weights
from MedDLLogic.scratch import FolderLock
from MedDLLogic.storage import models_folder

from .imports.files import write_onnx

KILLED_BEFORE = """
import os, signal, sys
from pathlib import Path

from MedDLLogic.models import own
from MedDLLogic.models.imports.importing import import_model
foreign = import_model(sys.argv[1])
real, left = Path.NAME, [int(sys.argv[2])]
def fatal(self, *a, **k):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *a, **k)
Path.NAME = fatal
own.keep(foreign.card, foreign.files)
"""


@pytest.fixture
def foreign(own_home, tmp_path):
    return import_model(write_onnx(tmp_path / "net.onnx"))


def here():
    return sorted(str(path.relative_to(models_folder())) for path in models_folder().rglob("*") if path.is_file())


def test_what_was_added_is_listed_and_found_with_its_weights(foreign):
    found = keep(foreign.card, foreign.files)
    assert found.card.network_stages[0].weights.source.path == "net/network.onnx"
    assert not missing_weights(found, check_hashes=True) and find_card("net").sha256 == found.sha256


def test_a_name_that_is_taken_is_refused_and_the_old_one_stays(foreign):
    before = keep(foreign.card, foreign.files).sha256
    with pytest.raises(MedDLError, match=r"E101.*--name"):
        keep(foreign.card, foreign.files)
    assert find_card("net").sha256 == before


@pytest.mark.parametrize("name", ["brain-t1", "tissue-t1"])
def test_the_name_of_a_shipped_model_is_refused(own_home, name):
    with pytest.raises(MedDLError, match=r"E101"):
        own.require_free_name(name)


def test_removal_takes_card_and_files_and_nothing_else(foreign):
    keep(foreign.card, foreign.files)
    (models_folder() / "other.txt").write_text("mine")
    assert remove_own(find_card("net")) > len(foreign.files["network.onnx"])
    assert here() == ["lock", "other.txt"] and not (models_folder() / "net").exists()


def test_a_file_of_the_users_in_the_models_folder_stays(foreign):
    keep(foreign.card, foreign.files)
    (models_folder() / "net" / "notes.txt").write_text("mine")
    remove_own(find_card("net"))
    assert here() == ["lock", "net/notes.txt"]


def test_a_folder_of_the_users_is_not_taken_over(foreign):
    (models_folder() / "net").mkdir(parents=True)
    (models_folder() / "net" / "notes.txt").write_text("mine")
    with pytest.raises(MedDLError, match=r"E503"):
        keep(foreign.card, foreign.files)
    assert here() == ["lock", "net/notes.txt"]


def test_files_that_the_card_does_not_name_are_refused(foreign):
    with pytest.raises(MedDLError, match=r"E401"):
        keep(foreign.card, {**foreign.files, "more": b""})


def test_a_disk_that_fails_at_the_card_leaves_nothing(foreign, monkeypatch):
    def full(*_, **__):
        raise MedDLError("E501", "disk full")

    monkeypatch.setattr(own, "write_text", full)
    with pytest.raises(MedDLError, match=r"E501"):
        keep(foreign.card, foreign.files)
    assert here() == ["lock"] and not (models_folder() / "net").exists()


def test_two_processes_do_not_add_at_once(foreign):
    models_folder().mkdir(parents=True)
    with FolderLock(models_folder()), pytest.raises(MedDLError, match=r"E601"):
        keep(foreign.card, foreign.files)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX kills")
@pytest.mark.parametrize(("name", "count"), [("rename", 1), ("replace", 1), ("replace", 2), ("write_bytes", 2)])
def test_a_kill_leaves_no_broken_card_and_the_next_try_works(foreign, tmp_path, name, count):
    code = KILLED_BEFORE.replace("NAME", name)
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "net.onnx", str(count)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    broken = []
    assert "net" not in {found.card.name for found in list_cards(broken.append)} and not broken
    keep(foreign.card, foreign.files)
    assert here() == ["lock", "net.json", "net/network.onnx"]

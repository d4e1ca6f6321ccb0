from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import pytest

from MedDLLogic import scratch
from MedDLLogic.scratch import ScratchFolder, sweep

HOLD = "import sys, pathlib, MedDLLogic.scratch as s; f = s.ScratchFolder(pathlib.Path(sys.argv[1]), 'x-'); print(flush=True); input()"


def test_a_scratch_folder_goes_with_its_content(tmp_path):
    with ScratchFolder(tmp_path, "x-") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_another_process_keeps_its_folder_until_it_is_killed(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        child.stdout.readline()
        assert sweep(tmp_path, "x-") == 0
        child.kill()
        child.wait()
    assert sweep(tmp_path, "x-") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_lock_yet_is_a_stray(tmp_path):
    (tmp_path / "x-1").mkdir()
    assert sweep(tmp_path, "x-") == 1


def test_a_sweep_between_folder_and_lock_does_no_harm(tmp_path, monkeypatch):
    honest = scratch._open_lock
    swept = []

    def swept_first(folder):
        if not swept:
            swept.append(folder)
            folder.rmdir()
        return honest(folder)

    monkeypatch.setattr(scratch, "_open_lock", swept_first)
    with ScratchFolder(tmp_path, "x-") as folder:
        assert folder.is_dir()
        assert folder != swept[0]


@pytest.mark.parametrize(("age_s", "swept"), [(60, 0), (48 * 3600, 1)])
def test_without_locks_only_age_tells(tmp_path, monkeypatch, age_s, swept):
    def unsupported(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(scratch, "_lock", unsupported)
    with ScratchFolder(tmp_path, "x-") as folder:
        os.utime(folder, (time.time() - age_s,) * 2)
        assert sweep(tmp_path, "x-") == swept


def test_a_parent_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        ScratchFolder(tmp_path / "missing", "x-")
    assert sweep(tmp_path / "missing", "x-") == 0

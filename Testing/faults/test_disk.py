"""A disk that is full, read-only or gone is one line, and no half file."""

from __future__ import annotations

import shutil
import subprocess
import time

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.jobs.exchange import write_result
from MedDLLogic.jobs.manifest import CaseFailed, Manifest, read_history
from Testing.faults import rig
from Testing.faults.products import IMAGE, RESULT, SCENE_WRITERS, WRITERS


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    assert len(str(caught.value)) <= 200
    assert "/" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("size_kib", [64, 512, 1024])
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_too_small_is_told_and_left_as_it_was(disk, capfd, name, size_kib):
    small = disk(size_kib)
    assert code_of(lambda: WRITERS[name](small)) == "E501"
    assert list(small.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "size_kib"), [(".seg.nrrd", 64), (".mrb", 64), (".mrb", 1024)])
def test_a_disk_too_small_for_the_scenes_files_is_told(disk, capfd, name, size_kib):
    small = disk(size_kib)
    assert code_of(lambda: SCENE_WRITERS[name](small)) == "E501"
    assert list(small.iterdir()) == []
    assert "nrrd" not in capfd.readouterr().err


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_with_no_free_block_is_told(disk, name):
    small = disk(256)
    rig.fill(small)
    assert code_of(lambda: WRITERS[name](small)) == "E501"
    assert [path.name for path in small.iterdir()] == ["ballast"]


def test_a_mask_whose_file_was_cut_in_its_zeros_is_not_taken_for_whole(disk):
    """The reader would give zeros for what is missing, and zeros are what was meant."""
    voxels = np.zeros((1, 64, 128, 128), np.uint8)
    voxels[:, :4] = 1
    assert code_of(lambda: write_volume(disk(512) / "a.nii", IMAGE.with_voxels(voxels))) == "E501"


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk_is_told(disk, name):
    small = disk(8192)
    rig.make_read_only(small)
    assert code_of(lambda: WRITERS[name](small)) == "E503"


def test_a_result_handed_over_through_a_full_disk_is_told(disk):
    assert code_of(lambda: write_result(disk(512) / "r", RESULT)) == "E501"


def test_a_line_of_the_manifest_is_whole_or_not_there(disk):
    small, line = disk(8), CaseFailed("a", "E305", "x" * 150, "")
    with Manifest(small) as manifest:
        assert code_of(lambda: [manifest.append(line) for _ in range(1000)]) == "E501"
    history = read_history(small)
    assert (set(history.lines), history.warnings) == ({line}, ())


@pytest.mark.parametrize("size_kib", [4, 16, 40, 64, 96])
def test_a_batch_on_a_full_disk_ends_in_one_line(disk, undisturbed, size_kib):
    small = disk(size_kib)
    run = rig.run_until_done(undisturbed.argv(small / "out"))
    assert (run.returncode, run.stderr[:11], run.stderr.count("\n")) == (5, "MEDDL-E501:", 1)
    if (small / "out").exists():
        assert rig.unknown_finals(small / "out") == rig.strays(small / "out") == []


def test_a_batch_goes_on_when_there_is_room_again(disk, undisturbed, tmp_path):
    small = disk(64)
    assert rig.run_until_done(undisturbed.argv(small / "out")).returncode == 5
    shutil.copytree(small / "out", tmp_path / "out")
    assert undisturbed.faults_after(tmp_path / "out") == []


def test_a_batch_on_a_read_only_disk_ends_in_one_line(disk, undisturbed):
    small = disk(1024)
    rig.make_read_only(small)
    run = rig.run_until_done(undisturbed.argv(small / "out"))
    assert (run.returncode, run.stderr[:11], run.stderr.count("\n")) == (5, "MEDDL-E503:", 1)


def test_a_batch_whose_folder_goes_away_ends_in_one_line(undisturbed, tmp_path):
    output = tmp_path / "out"
    run = subprocess.Popen(undisturbed.argv(output), stderr=subprocess.PIPE, text=True)
    while not any(output.glob("case-*")) and run.poll() is None:
        time.sleep(0.01)
    output.rename(tmp_path / "elsewhere")
    _, errors = run.communicate(timeout=rig.TIME_LIMIT_S)
    assert (run.returncode, errors[:11], errors.count("\n")) == (5, "MEDDL-E503:", 1)
    assert rig.unknown_finals(tmp_path / "elsewhere") == []

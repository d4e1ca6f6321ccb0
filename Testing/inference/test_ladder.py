"""Each way down is taken in order and told; what lies on disk is gone afterwards."""

from __future__ import annotations

import errno
import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import ladder
from MedDLLogic.inference.ladder import climb_down, in_memory, on_disk, rungs_for
from MedDLLogic.storage import exchange_base
from Testing.faults import rig

MAPS = Path("/proc/self/maps")
BYTES = np.dtype(np.uint8)
LACKS = [MemoryError(), MedDLError("E502", "not enough GPU memory")]


def falling(*errors):
    """An attempt that raises these, one after the other, and then tells where it stood."""
    left = list(errors)

    def attempt(rung):
        if left:
            raise left.pop(0)
        return rung

    return attempt


@pytest.mark.parametrize("lack", LACKS)
def test_lack_of_memory_goes_one_rung_down_which_is_told(lack):
    told = []
    assert climb_down(("planned", "batch-1", "accumulate-on-disk"), falling(lack), told.append) == "batch-1"
    assert told == ["batch-1"]


def test_with_memory_enough_nothing_is_told():
    told = []
    assert climb_down(rungs_for("cpu"), falling(), told.append) == "planned" and told == []


@pytest.mark.parametrize("lack", LACKS)
@pytest.mark.parametrize("device", ["cpu", "cuda:0", "mps"])
def test_after_the_last_rung_there_is_one_line_with_a_hint(device, lack):
    told, rungs = [], rungs_for(device)
    with pytest.raises(MedDLError, match=r"E502.*region"):
        climb_down(rungs, falling(*[lack] * len(rungs)), told.append)
    assert tuple(told) == rungs[1:]


@pytest.mark.parametrize("rungs_before", [0, 1, 4])
@pytest.mark.parametrize("error", [MedDLError("E606", "no numbers"), MedDLError("E501", ""), ZeroDivisionError()])
def test_any_other_error_passes_from_every_rung(error, rungs_before):
    told = []
    with pytest.raises(type(error)) as caught:
        climb_down(rungs_for("cuda:0"), falling(*[MemoryError()] * rungs_before, error), told.append)
    assert caught.value is error and len(told) == rungs_before


def test_only_a_gpu_has_the_cpu_to_go_to():
    assert "compute-on-cpu" not in rungs_for("cpu")
    assert rungs_for("cuda:1") == rungs_for("mps") and rungs_for("mps")[-1] == "compute-on-cpu"


def test_what_a_failed_attempt_held_is_gone_before_the_next():
    held = []

    def attempt(rung):
        gc.disable()
        assert all(array() is None for array in held)
        array = in_memory((9, 9), BYTES)
        held.append(weakref.ref(array))
        if len(held) < 3:
            raise MemoryError

    try:
        climb_down(("planned", "batch-1", "accumulate-on-disk"), attempt, lambda rung: None)
    finally:
        gc.enable()
    assert len(held) == 3


@pytest.mark.parametrize("make", [in_memory, on_disk])
def test_an_array_is_of_zeros_and_can_be_written(own_home, make):
    array = make((3, 700, 5), np.dtype(np.float32))
    assert (array.shape, array.dtype, type(array)) == ((3, 700, 5), np.float32, np.ndarray) and not array.any()
    array[1:, ::2] = 7
    assert array.sum() == 2 * 350 * 5 * 7


@pytest.mark.skipif(not MAPS.exists(), reason="this system does not list what a process has mapped")
def test_a_file_of_an_array_has_no_name_and_goes_with_the_array(own_home):
    array = on_disk((1 << 20,), BYTES)
    assert list(exchange_base().iterdir()) == []
    assert str(exchange_base()) in MAPS.read_text()
    del array
    assert str(exchange_base()) not in MAPS.read_text()


@pytest.mark.parametrize("reserves", [True, False])
@pytest.mark.skipif(not rig.can_mount(), reason="only an administrator of Linux can mount a small disk")
def test_a_disk_that_has_no_room_for_an_array_is_told(tmp_path, monkeypatch, reserves):
    if not reserves:
        monkeypatch.delattr(os, "posix_fallocate")
    with rig.small_disk(tmp_path / "disk", 256) as disk:
        monkeypatch.setattr(ladder, "exchange_base", lambda: disk)
        with pytest.raises(MedDLError, match="E501"):
            on_disk((1 << 20,), BYTES)


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(ladder, "exchange_base", lambda: tmp_path / "file" / "folder")
    with pytest.raises(MedDLError, match="E503"):
        on_disk((9,), BYTES)


def test_no_addresses_left_is_lack_of_memory_too(own_home, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(np, "memmap", full)
    with pytest.raises(MemoryError):
        on_disk((9,), BYTES)

"""A whole network run that finds too little memory at any moment: the same labels to the byte, or one line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import ladder
from MedDLLogic.inference.run import run_network
from MedDLLogic.inference.sliding import slab_axes
from MedDLLogic.models.card import Tiling
from MedDLLogic.storage import exchange_base

from .slow_engine import Moody, dense

VOXELS = np.random.default_rng(2).normal(size=(1, 11, 30, 14)).astype(np.float32)
TILING = Tiling((8, 8, 8), 0.5)
LABELS = np.dtype(np.uint8)


class Labels:
    """The strongest channel of each voxel, in an array that the engine's allocator gives."""

    def __init__(self, allocate, axes):
        shape_kji = VOXELS.shape[1:]
        self.volume = allocate(shape_kji, LABELS)
        self.planes = self.volume.transpose(axes)

    def take(self, planes, first):
        self.planes[first : first + len(planes)] = planes.argmax(axis=-1)

    def finish(self):
        return self.volume


def run(network=None, device="cpu", on_rung=lambda rung: None, tiling=TILING, ready=None):
    ready = ready or (lambda device: network or Moody())
    return run_network(ready, device, VOXELS, {}, tiling, Labels, lambda part: None, on_rung)


class Failing:
    """Raises at the calls of those numbers, through whatever it is put in front of."""

    def __init__(self, *numbers, error=MemoryError):
        self.calls, self.numbers, self.error = itertools.count(1), numbers, error

    def before(self, function):
        def called(*args, **kwargs):
            if next(self.calls) in self.numbers:
                raise self.error
            return function(*args, **kwargs)

        return called


@pytest.fixture
def fail(own_home, monkeypatch):
    """Lets allocators of both kinds, loading and predicting, counted together, fail at some calls."""

    def put(*numbers, error=MemoryError):
        failing = Failing(*numbers, error=error)
        for name in ("in_memory", "on_disk"):
            monkeypatch.setattr(ladder, name, failing.before(getattr(ladder, name)))
        network = Moody()
        network.predict = failing.before(network.predict)
        return failing.before(lambda device: network)

    return put


def test_labels_are_those_of_all_voxels():
    assert slab_axes(VOXELS.shape[1:], TILING) == (1, 0, 2)
    expected = dense(Moody(), VOXELS, TILING).argmax(axis=-1)
    assert len(np.unique(expected)) > 1 and np.array_equal(run(), expected)


@pytest.mark.parametrize("number", range(1, 41))
@pytest.mark.parametrize("error", [MemoryError(), MedDLError("E502", "")], ids=["python", "device"])
def test_once_too_little_memory_changes_no_byte(fail, number, error):
    told, expected = [], run()
    assert run(ready=fail(number, error=error), on_rung=told.append).tobytes() == expected.tobytes()
    assert told == ["accumulate-on-disk"] and list(exchange_base().iterdir()) == []


@pytest.mark.parametrize("number", range(1, 41))
def test_too_little_memory_for_good_is_one_line_and_nothing_stays_on_disk(fail, number):
    with pytest.raises(MedDLError, match="E502"):
        run(ready=fail(*range(number, 999)))
    assert not exchange_base().exists() or list(exchange_base().iterdir()) == []


@pytest.mark.parametrize("rung", ladder.rungs_for("cuda:0"))
def test_every_rung_gives_the_same_labels(own_home, monkeypatch, rung):
    monkeypatch.setattr(ladder, "rungs_for", lambda device: (rung,))
    assert run(device="cuda:0").tobytes() == run().tobytes()


def test_the_last_rung_of_a_gpu_loads_the_network_on_the_cpu(own_home):
    asked = []

    def ready(device):
        asked.append(device)
        if device != "cpu":
            raise MedDLError("E502", "not enough GPU memory")
        return Moody()

    assert run(device="cuda:0", ready=ready).tobytes() == run().tobytes()
    assert asked[-1] == "cpu" and set(asked[:-1]) == {"cuda:0"}


def test_the_sink_is_told_the_axes_along_which_its_planes_come():
    told = []

    def decoding(allocate, axes):
        told.append(axes)
        return Labels(allocate, axes)

    run_network(lambda device: Moody(), "cpu", VOXELS, {}, TILING, decoding, lambda part: None, told.append)
    assert told == [slab_axes(VOXELS.shape[1:], TILING)] == [(1, 0, 2)]


def test_a_network_without_patches_is_run_whole():
    network = Moody()
    run(network, tiling=Tiling())
    assert network.shapes == [VOXELS.shape[1:]]


def test_labels_are_the_same_to_the_byte_from_run_to_run():
    assert len({run().tobytes() for _ in range(20)}) == 1


def test_another_error_ends_the_run_at_once(fail):
    told = []
    with pytest.raises(MedDLError, match="E606"):
        run(ready=fail(7, error=MedDLError("E606", "")), on_rung=told.append)
    assert told == []

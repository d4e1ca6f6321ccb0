"""A whole run on a device that finds too little memory at any operation; tried on the CPU, by its name with a number."""

import gc
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import ladder
from MedDLLogic.inference.decode import Decoding
from MedDLLogic.inference.device_averaged import DeviceAveraged
from MedDLLogic.inference.device_predictor import DevicePredictor
from MedDLLogic.inference.run import run_network
from MedDLLogic.models.card import Decode, Network, Tiling
from MedDLLogic.storage import exchange_base

from ..geometries import grid

DEVICE = "cpu:0"
"""No "cpu" to the engine, which takes the way of a graphics card; the same CPU to torch."""

WORKING = grid((11, 8, 9))
NATIVE = WORKING.respaced((0.8, 0.7, 1.6))
VOXELS = np.random.default_rng(4).normal(size=(1, *WORKING.shape_kji)).astype(np.float32)
RULE = Decode("argmax", ("", "a", "b"), "softmax")
TILING = Tiling((8, 8, 8), 0.5)


def network(device=DEVICE, kind=DevicePredictor, precision="exact"):
    torch.manual_seed(9)
    layers = [nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4), nn.LeakyReLU(), nn.Conv3d(4, 3, 1, bias=False)]
    return kind(nn.Sequential(*layers).eval(), Network("torchscript"), device, precision)


LOADED = network()


def decoding(allocate, axes):
    wanted = {"probabilities_of": {"a"}, "uncertainty": True}
    return Decoding(RULE, {}, WORKING, NATIVE, axes, allocate=allocate, **wanted)


def run(ready=lambda device: LOADED, on_rung=lambda rung: None, tiling=TILING):
    return run_network(ready, DEVICE, VOXELS, {}, tiling, decoding, lambda part: None, on_rung)


def content(made):
    volumes = (*made.masks.volumes, *made.probabilities.values(), *made.uncertainty.values())
    return b"".join(volume.tobytes() for volume in volumes)


class Short(TorchDispatchMode):
    """Has too little memory at some of torch's operations, counted from 1."""

    def __init__(self, *numbers):
        super().__init__()
        self.done, self.numbers = 0, numbers

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.done += 1
        if self.done in self.numbers:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return operation(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _one_thread():
    """Hundreds of tiny operations take longer with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def planned():
    return content(run())


@pytest.fixture
def as_planned(own_home):
    return planned()


def test_a_device_gives_the_labels_of_the_cpu(as_planned):
    made = run_network(lambda device: OnCpu(), "cpu", VOXELS, {}, TILING, decoding, lambda part: None, None)
    found = run()
    assert len(np.unique(made.masks.volumes[0])) == 3
    assert np.array_equal(made.masks.volumes[0], found.masks.volumes[0])
    np.testing.assert_allclose(found.uncertainty["entropy"], made.uncertainty["entropy"], atol=1e-5)


class OnCpu:
    """The same network for the engine that works with arrays."""

    device = "cpu"

    def __init__(self):
        self.predict = network("cpu").predict


@pytest.mark.parametrize("number", [*range(1, 41), *range(80, 800, 90)])
def test_once_too_little_memory_changes_no_byte(as_planned, number):
    told = []
    with Short(number):
        made = run(on_rung=told.append)
    assert content(made) == as_planned
    assert told == ["batch-1"]


@pytest.mark.parametrize("rung", ladder.rungs_for("cuda:0")[:-1])
def test_every_rung_of_the_device_gives_the_same_bytes(as_planned, monkeypatch, rung):
    monkeypatch.setattr(ladder, "rungs_for", lambda device: (rung,))
    assert content(run()) == as_planned
    assert not exchange_base().exists() or list(exchange_base().iterdir()) == []


def test_what_never_fits_the_device_is_computed_on_the_cpu(as_planned):
    told = []

    class TooSmall(DevicePredictor):
        def forward(self, patches, side):
            raise MedDLError("E502", "not enough GPU memory")

    made = run(lambda device: OnCpu() if device == "cpu" else network(kind=TooSmall), told.append)
    assert content(made)[: NATIVE.shape_kji[0] ** 3] == as_planned[: NATIVE.shape_kji[0] ** 3]
    assert told == ["batch-1", "accumulate-on-cpu", "accumulate-on-disk", "compute-on-cpu"]


def test_nothing_is_held_after_runs_that_failed(own_home):
    tensors = lambda: sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())
    run()
    gc.collect()
    before = tensors()
    for number in (5, 200):
        with Short(*range(number, 10**5)), pytest.raises(MedDLError, match="E502"):
            run()
    gc.collect()
    assert tensors() == before and list(exchange_base().iterdir()) == []


class InBatches(DevicePredictor):
    def patches_at_once(self):
        return 4


def test_batches_give_the_labels_of_single_patches(as_planned):
    in_batches, alone = run(lambda device: network(kind=InBatches)).masks.volumes[0], run().masks.volumes[0]
    for value in (1, 2):
        overlap = ((in_batches == value) & (alone == value)).sum()
        assert 2 * overlap >= 0.999 * ((in_batches == value).sum() + (alone == value).sum())


def test_after_a_lack_of_memory_the_network_rests_and_patches_go_alone(own_home):
    told = []

    class Watched(InBatches):
        def forward(self, patches, side):
            told.append(len(patches))
            if len(patches) > 1:
                raise MedDLError("E502", "not enough GPU memory")
            return super().forward(patches, side)

        def rest(self):
            told.append("rest")

    watched = network(kind=Watched)
    run(lambda device: watched)
    assert told[:3] == [1, 4, "rest"] and set(told[3:]) == {1}


def test_half_precision_gives_nearly_the_labels_of_the_reference(own_home):
    reference, fast = run(lambda device: network(precision="reference")), run(lambda device: network(precision="fast"))
    assert (reference.masks.volumes[0] == fast.masks.volumes[0]).mean() > 0.97
    assert 0 < np.abs(reference.probabilities["a"] - fast.probabilities["a"]).max() < 0.02


def test_mirrored_members_run_on_the_device_too(own_home):
    average = DeviceAveraged([network(), network()], ("i",), with_variance=False)
    assert (run(lambda device: average).masks.volumes[0] == run().masks.volumes[0]).mean() > 0.8


def test_a_network_without_patches_is_run_whole(own_home):
    whole = run(tiling=Tiling())
    assert content(whole) == content(run(tiling=Tiling()))
    assert (whole.masks.volumes[0] == run().masks.volumes[0]).mean() > 0.7

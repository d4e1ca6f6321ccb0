"""The engine of a graphics card, tried on the CPU against the engine that works with arrays."""

import numpy as np
import pytest
import torch
from torch import nn

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import device_copies
from MedDLLogic.inference.device_engine import ArraySink, slide_on_device
from MedDLLogic.inference.device_predictor import DevicePredictor
from MedDLLogic.inference.ladder import on_disk
from MedDLLogic.inference.patches import tile_count
from MedDLLogic.inference.sliding import slab_axes, slide
from MedDLLogic.models.card import Network, Tiling

PATCHES = Tiling((16, 12, 20), 0.5)
TILINGS = [PATCHES, Tiling((16, 12, 20), 0.25, "constant"), Tiling((20, 16, 12), 0.5, placement="even"), Tiling()]
SHAPES = [(40, 30, 25), (10, 30, 25), (9, 8, 7), (33, 17, 50)]


class Keeping:
    """A sink that keeps all planes, and sees that each comes once and the last one before it again."""

    def __init__(self):
        self.planes = []

    def take(self, planes, first):
        planes = planes.numpy().copy() if hasattr(planes, "numpy") else planes.copy()
        again = 0 if first == 0 and not self.planes else 1
        assert first + again == len(self.planes)
        assert again == 0 or np.array_equal(planes[0], self.planes[-1])
        self.planes += list(planes[again:])


class InBatches(DevicePredictor):
    """Has room for three patches, and says how many came at once."""

    batches: tuple = ()

    def patches_at_once(self):
        return 3

    def forward(self, patches, side):
        self.batches += (len(patches),)
        return super().forward(patches, side)


def network(kind=DevicePredictor, precision="exact"):
    torch.manual_seed(3)
    layers = [nn.Conv3d(2, 6, 3, padding=1), nn.InstanceNorm3d(6), nn.LeakyReLU(), nn.Conv3d(6, 3, 1)]
    return kind(nn.Sequential(*layers).eval(), Network("torchscript"), "cpu", precision)


def image(shape_kji):
    return np.random.default_rng(5).random((2, *shape_kji), dtype=np.float32)


def by_arrays(shape_kji, tiling):
    sink = Keeping()
    slide(network(), image(shape_kji), {}, tiling, slab_axes(shape_kji, tiling), sink, lambda part: None)
    return np.stack(sink.planes)


def by_tensors(shape_kji, tiling, sink=None, predictor=None, on_progress=lambda part: None, **how):
    kept = Keeping()
    axes = slab_axes(shape_kji, tiling)
    slide_on_device(
        predictor or network(), image(shape_kji), {}, tiling, axes, sink or kept, on_progress, **how
    )  # fmt: skip
    return np.stack(kept.planes) if sink is None else None


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("shape_kji", SHAPES)
def test_activations_are_those_of_the_engine_for_arrays(shape_kji, tiling):
    assert np.array_equal(by_tensors(shape_kji, tiling), by_arrays(shape_kji, tiling))


@pytest.mark.parametrize("tiling", TILINGS)
def test_a_slab_in_memory_or_on_disk_gives_the_same_bytes(tiling, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDL_HOME", str(tmp_path))
    on_device = by_tensors((40, 30, 25), tiling)
    for allocate in (np.zeros, on_disk):
        assert by_tensors((40, 30, 25), tiling, allocate=allocate).tobytes() == on_device.tobytes()


@pytest.mark.parametrize("planes", [1, 3])
def test_planes_in_parts_are_the_same(planes, monkeypatch):
    expected = by_arrays((40, 30, 25), PATCHES)
    monkeypatch.setattr(device_copies, "HOST_WORK_BYTES", planes * 4 * 30 * 25 * 3)
    assert np.array_equal(by_tensors((40, 30, 25), PATCHES), expected)


def test_the_first_patch_goes_alone_and_then_batches_do():
    predictor, told = network(InBatches), []
    found = by_tensors((40, 30, 25), PATCHES, predictor=predictor, on_progress=told.append)
    assert predictor.batches[0] == 1 and set(predictor.batches[1:]) == {3}
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1
    np.testing.assert_allclose(found, by_arrays((40, 30, 25), PATCHES), atol=1e-5)


def test_one_at_a_time_is_one_at_a_time():
    predictor = network(InBatches)
    by_tensors((40, 30, 25), PATCHES, predictor=predictor, one_at_a_time=True)
    assert predictor.batches == (1,) * tile_count((40, 30, 25), PATCHES)


def test_a_sink_of_arrays_gets_the_last_plane_as_it_left_it():
    class Marking:
        def take(self, planes, first):
            assert first == 0 or (planes[0] == -7).all()
            planes[...] = -7

    by_tensors((40, 30, 25), PATCHES, sink=ArraySink(Marking()))


def test_numbers_that_are_not_finite_are_refused():
    broken = DevicePredictor(nn.Threshold(0.5, float("nan")), Network("torchscript"), "cpu", "exact")
    with pytest.raises(MedDLError, match="E606"):
        by_tensors((40, 30, 25), PATCHES, predictor=broken)


@pytest.mark.parametrize("error", [MedDLError("E602", "cancelled"), RuntimeError("own"), KeyboardInterrupt()])
def test_what_progress_raises_comes_out_as_it_went_in(error):
    def stop(part):
        if part > 0.2:
            raise error

    with pytest.raises(type(error)) as caught:
        by_tensors((40, 30, 25), PATCHES, on_progress=stop)
    assert caught.value is error


def test_a_defect_in_a_sink_is_not_taken_for_a_wrong_image():
    class Broken:
        def take(self, planes, first):
            raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        by_tensors((40, 30, 25), PATCHES, sink=Broken())

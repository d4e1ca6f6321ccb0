"""The rolling slab against an engine that adds everything up in one volume, and against MONAI's."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers.utils import sliding_window_inference
from scipy.ndimage import uniform_filter

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.sliding import slab_axes, slide
from MedDLLogic.models.card import Tiling

from .slow_engine import Kept, Moody, Points, dense

TILINGS = st.builds(
    Tiling,
    st.tuples(*[st.integers(1, 9)] * 3),
    st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    st.sampled_from(["gaussian", "constant"]),
    st.sampled_from(["regular", "even"]),
)
ORDERS = st.sampled_from(list(itertools.permutations(range(3))))
QUIET = lambda part: None


def image(*shape):
    return np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)


def slid(network, voxels, tiling, axes=(0, 1, 2), sink=None, on_progress=QUIET):
    sink = sink or Kept()
    slide(network, voxels, {}, tiling, axes, sink, on_progress)
    return sink


@settings(max_examples=80, deadline=None)
@given(st.tuples(*[st.integers(1, 14)] * 3), TILINGS, ORDERS, st.integers(1, 4))
def test_planes_are_what_adding_up_in_one_volume_gives(shape_kji, tiling, axes, channels):
    voxels = image(2, *shape_kji)
    found = slid(Moody(channels), voxels, tiling, axes).finish()
    assert found.dtype == np.float32
    assert np.allclose(found, dense(Moody(channels), voxels, tiling).transpose(*axes, 3), atol=1e-5)


@pytest.mark.parametrize("shape_kji", [(20, 17, 12), (9, 30, 5), (24, 8, 31)])
def test_without_weights_it_is_what_monai_gives(shape_kji):
    voxels, network = image(1, *shape_kji), Moody()
    theirs = sliding_window_inference(
        torch.from_numpy(voxels[None]),
        (12, 10, 8),
        1,
        lambda p: torch.from_numpy(network.raw(p[0].numpy()).transpose(3, 0, 1, 2)[None].copy()),
        0.25,
        "constant",
    )
    found = slid(network, voxels, Tiling((12, 10, 8), 0.25, "constant")).finish()
    assert np.allclose(found.transpose(3, 0, 1, 2), theirs[0].numpy(), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 14)] * 3), TILINGS, ORDERS)
def test_each_plane_comes_once_in_order_and_the_last_one_again(shape_kji, tiling, axes):
    calls = slid(Points(), image(1, *shape_kji), tiling, axes).calls
    ends = [first + count for first, count in calls]
    assert calls[0][0] == 0 and ends[-1] == shape_kji[axes[0]]
    assert all(first == end - 1 for (first, _), end in zip(calls[1:], ends, strict=False))


class Marking(Kept):
    def take(self, planes, first):
        super().take(planes, first)
        if first:
            assert (planes[0] == -first).all()
        planes[-1] = -(first + len(planes) - 1)


def test_the_plane_that_comes_again_is_as_the_sink_left_it():
    sink = slid(Points(), image(1, 40, 9, 9), Tiling((8, 8, 8), 0.5), sink=Marking())
    assert len(sink.calls) == 9 and np.stack(sink.planes).min() >= -1


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_a_whole_volume_is_one_call_and_one_take(axes):
    network, voxels = Points(), image(2, 9, 8, 7)
    sink = slid(network, voxels, Tiling(), axes)
    assert (network.shapes, network.blends, sink.calls) == ([(9, 8, 7)], {None}, [(0, (9, 8, 7)[axes[0]])])
    assert np.array_equal(sink.finish(), network.raw(voxels).transpose(*axes, 3))


@pytest.mark.parametrize(("shape_kji", "blend"), [((8, 8, 8), None), ((5, 8, 3), None), ((9, 8, 8), "gaussian")])
def test_one_window_alone_has_no_weights_and_keeps_every_bit(shape_kji, blend):
    network, voxels = Points(), image(1, *shape_kji)
    found = slid(network, voxels, Tiling((8, 8, 8))).finish()
    assert network.blends == {blend}
    assert np.array_equal(found, network.raw(voxels)) == (blend is None)


def test_a_network_of_planes_gets_one_plane_at_a_time():
    network = Points()
    found = slid(network, image(1, 6, 20, 21), Tiling((1, 16, 16), 0.5, placement="even")).finish()
    assert set(network.shapes) == {(1, 16, 16)} and len(network.shapes) == 6 * 2 * 2
    assert np.allclose(found, network.raw(image(1, 6, 20, 21)), atol=1e-6)


@pytest.mark.parametrize(
    ("shape_kji", "patch_kji", "axes"),
    [
        ((192, 192, 160), (96, 96, 96), (0, 1, 2)),
        ((200, 273, 273), (112, 112, 128), (1, 0, 2)),
        ((100, 100, 300), (64, 64, 64), (2, 0, 1)),
        ((100, 100, 110), (64, 64, 64), (0, 1, 2)),
        ((30, 300, 512), (1, 256, 256), (0, 1, 2)),
        ((9, 8, 700), None, (0, 1, 2)),
    ],
)
def test_windows_go_along_the_axis_that_takes_the_least_memory(shape_kji, patch_kji, axes):
    assert slab_axes(shape_kji, Tiling(patch_kji)) == axes


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_memory_is_a_slab_and_one_patch(axes):
    voxels, network, sink = np.zeros((1, 96, 96, 96), np.float32), Points(8), Kept()
    sink.take = lambda planes, first: None
    tracemalloc.start()
    slid(network, voxels, Tiling((32, 32, 32)), axes, sink)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    slab, patch = 33 * 96 * 96 * 8 * 4, 32**3 * 8 * 4
    assert slab < peak < slab + 4 * patch


def test_progress_is_told_within_patches():
    told = []
    slid(Points(), image(1, 20, 20, 20), Tiling((14, 14, 14)), on_progress=told.append)
    assert told[:3] == [0.5 / 8, 1 / 8, 1.5 / 8]


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("patch_kji", [(8, 8, 8), (32, 8, 20)])
def test_the_share_of_patches_done_grows_and_ends_at_one(patch_kji, overlap):
    told = []
    slid(Points(), image(1, 20, 18, 22), Tiling(patch_kji, overlap), on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0


class Blur(Points):
    """A network that sees one voxel around, and zeros beyond the edge."""

    def raw(self, patch):
        return uniform_filter(patch[0], 3, mode="constant")[..., None] * self.factors


def test_patches_blended_by_weights_give_what_the_whole_gives():
    voxels = image(1, 40, 36, 44)
    whole = slid(Blur(), voxels, Tiling()).finish()
    patches = slid(Blur(), voxels, Tiling((24, 24, 24), 0.5)).finish()
    # Zeros around a patch touch its outermost voxel, which the blending weights least.
    assert np.abs(whole - patches).max() < 0.02 < np.abs(whole).max()


def test_what_progress_raises_passes():
    def stop(part):
        if part > 0.3:
            raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match="E602"):
        slid(Points(), image(1, 20, 20, 20), Tiling((12, 12, 12)), on_progress=stop)


@pytest.mark.parametrize("tiling", [Tiling(), Tiling((8, 8, 8))])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_activations_that_are_no_numbers_are_refused(tiling, bad):
    voxels = image(1, 20, 9, 9)
    voxels[0, 17, 4, 4] = bad
    with pytest.raises(MedDLError, match="E606"):
        slid(Points(2), voxels, tiling)


def test_large_numbers_whose_sum_is_none_are_taken():
    voxels = np.full((1, 9, 9, 9), 1e38, np.float32)
    assert slid(Points(2), voxels, Tiling((9, 9, 8), 0.0, "constant")).finish().max() == np.float32(1e38)


@pytest.mark.parametrize("tiling", [Tiling(), Tiling((8, 8, 8))])
def test_a_network_that_answers_in_another_size_is_refused(tiling):
    network = Points()
    network.raw = lambda patch: patch[0, ::2, ::2, ::2, None].copy()
    network.predict = lambda patch, *rest: network.raw(patch)
    with pytest.raises(MedDLError, match="E406"):
        slid(network, image(1, 9, 9, 9), tiling)

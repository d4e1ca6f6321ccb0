"""Where windows lie and what they weigh, against MONAI, and against nnU-Net's rule as its paper's code states it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map, dense_patch_slices

from MedDLLogic.inference.windows import axis_weights, cut_axis, padding_before, plane_sums, starts, weights
from MedDLLogic.models.card import Tiling

OVERLAPS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.625, 0.75, 0.9])
SIZES = st.integers(1, 90)


def tiling(overlap, placement, blend="gaussian"):
    return Tiling((1, 1, 1), overlap, blend, placement)


@given(SIZES, SIZES, OVERLAPS)
def test_regular_windows_lie_where_monai_has_them(size, patch, overlap):
    step = max(1, int(patch * (1 - overlap)))
    expected = dense_patch_slices((max(size, patch),), (patch,), (step,), return_slice=False)
    assert starts(size, patch, tiling(overlap, "regular")) == tuple(int(pair[0][0]) for pair in expected)


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [
        (110, 64, (0, 23, 46)),
        (192, 96, (0, 48, 96)),
        (160, 96, (0, 32, 64)),
        (101, 30, (0, 14, 28, 43, 57, 71)),
        (13, 8, (0, 2, 5)),
        (20, 64, (0,)),
    ],
)
def test_even_windows_lie_where_nnunet_has_them(size, patch, expected):
    assert starts(size, patch, tiling(0.5, "even")) == expected


@given(SIZES, SIZES, OVERLAPS, st.sampled_from(["regular", "even"]))
def test_windows_reach_from_end_to_end_without_a_gap_and_none_stands_twice(size, patch, overlap, placement):
    found = starts(size, patch, tiling(overlap, placement))
    assert (found[0], found[-1]) == (0, max(0, size - patch))
    assert all(1 <= gap <= patch for gap in np.diff(found))


@given(SIZES, SIZES, OVERLAPS)
def test_even_windows_are_spread_evenly_and_no_more_than_their_overlap_asks_for(size, patch, overlap):
    found = starts(size, patch, tiling(overlap, "even"))
    assert np.ptp(np.diff(found)) <= 1 if len(found) > 1 else True
    assert len(found) - 1 == math.ceil(max(0, size - patch) / max(1.0, patch * (1 - overlap)))


def test_planes_are_taken_one_by_one():
    assert starts(5, 1, tiling(0.5, "even")) == starts(5, 1, tiling(0.5, "regular")) == (0, 1, 2, 3, 4)


def test_weights_are_monais_but_for_its_floor():
    theirs = compute_importance_map((24, 7, 16), "gaussian").numpy()
    ours = weights((24, 7, 16), "gaussian")
    assert ours.dtype == np.float32 and np.allclose(np.maximum(ours, 1e-3), theirs, atol=1e-7)


@pytest.mark.parametrize("length", [1, 2, 9, 128])
def test_a_mirrored_patch_has_the_same_weights_and_none_is_zero(length):
    row = axis_weights(length, "gaussian")
    assert np.array_equal(row, row[::-1])
    assert weights((length,) * 3, "gaussian").min() > 1e-11


@settings(max_examples=40)
@given(SIZES, SIZES, OVERLAPS, st.sampled_from(["regular", "even"]), st.sampled_from(["gaussian", "constant"]))
def test_the_sums_are_those_of_weights_laid_down_one_by_one(size, patch, overlap, placement, blend):
    cut = tiling(overlap, placement, blend)
    counted = np.zeros(max(size, patch))
    for start in starts(size, patch, cut):
        counted[start : start + patch] += axis_weights(patch, blend)
    low = padding_before(size, patch)
    assert np.allclose(cut_axis(size, patch, cut).sums, counted[low : low + size], rtol=1e-12)


@pytest.mark.parametrize("blend", ["gaussian", "gaussian_floored", "gaussian_on_voxel", "constant"])
def test_the_sums_of_a_plane_are_those_of_the_weights_of_all_windows_on_it(blend):
    shape, patch, cut = (11, 7, 20), (6, 9, 8), tiling(0.4, "even", blend)
    axes = tuple(cut_axis(size, length, cut) for size, length in zip(shape, patch, strict=True))
    counted = np.zeros(shape)
    inside = weights(patch, blend)[tuple(axis.inside for axis in axes)]
    for corner in itertools.product(*(axis.starts for axis in axes)):
        counted[tuple(slice(c, c + axis.extent) for c, axis in zip(corner, axes, strict=True))] += inside
    sums = plane_sums(axes, blend)
    assert all(np.allclose(sums(plane), counted[plane], rtol=1e-5) for plane in range(11))


def test_a_floor_is_monais():
    theirs = compute_importance_map((24, 7, 16), "gaussian").numpy()
    assert np.allclose(weights((24, 7, 16), "gaussian_floored"), theirs, atol=1e-7)

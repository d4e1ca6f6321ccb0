"""Planes in the size of a network: in their own proportions, with the mean of what a larger pixel covers."""

import numpy as np
import pytest

from MedDLLogic.recipe import Pad, ResampleToLongest
from Testing.geometries import grid
from Testing.preprocess.working_images import after, noise, working


@pytest.mark.parametrize(
    ("shape", "expected"), [((3, 40, 64), (3, 20, 32)), ((1, 64, 5), (1, 32, 3)), ((2, 8, 16), (2, 16, 32))]
)
def test_the_longer_side_gets_what_was_asked_for_and_slices_stay(shape, expected):
    assert after(ResampleToLongest(32), working(noise(shape))).geometry.shape_kji == expected


def test_it_covers_the_same_box():
    shape = (2, 30, 50)
    image = working(noise(shape), grid(shape, (0.7, 0.7, 3.0), (5, 10, -20)))
    made = after(ResampleToLongest(25), image).geometry
    edges = [
        geometry.lps_of([[-0.5] * 3, [n - 0.5 for n in geometry.shape_kji[::-1]]])
        for geometry in (image.geometry, made)
    ]
    assert np.allclose(*edges)


def test_a_larger_pixel_holds_the_mean_of_what_it_covers():
    voxels = noise((2, 12, 18))
    blocks = voxels.reshape(2, 4, 3, 6, 3).mean(axis=(2, 4))
    assert np.allclose(after(ResampleToLongest(6), working(voxels)).voxels[0], blocks, atol=1e-4)


def test_a_pixel_that_covers_parts_of_others_weighs_them():
    made = after(ResampleToLongest(2), working(np.array([[[0.0, 6.0, 12.0]]], dtype=np.float32)))
    assert np.allclose(made.voxels, [[[[2.0, 10.0]]]])


def test_smaller_pixels_are_interpolated_and_masks_follow():
    mask = np.zeros((1, 4, 4), dtype=bool)
    mask[0, 1:3] = True
    made = after(ResampleToLongest(8), working(mask.astype(np.float32), inside=mask))
    assert np.array_equal(made.masks["inside"][0, :, 0], [0, 0, 1, 1, 1, 1, 0, 0])
    assert np.allclose(made.voxels[0, 0, :, 0], [0, 0.25, 0.75, 1, 1, 0.75, 0.25, 0])


def test_all_padding_may_go_to_the_end():
    image = working(noise((1, 5, 7)))
    made = after(Pad((1, 8, 8), at="end"), image)
    assert np.array_equal(made.voxels[:, :, :5, :7], image.voxels) and not made.voxels[:, :, 5:].any()
    assert made.geometry.origin_lps_mm == image.geometry.origin_lps_mm

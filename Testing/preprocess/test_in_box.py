"""Another spacing in the same box, as skimage's resize and nnU-Net's preprocessing have it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from skimage.transform import resize

from MedDLLogic.errors import MedDLError
from MedDLLogic.recipe import ResampleInBox
from Testing.geometries import grid
from Testing.preprocess.working_images import a_ball, a_picture, after, found_by, noise, working

ORDERS = {"nearest": 0, "linear": 1, "cubic": 3}


def resampled(spacing_ijk_mm, old_ijk_mm, shape_kji=(12, 14, 16), **options):
    step = ResampleInBox(spacing_ijk_mm, **options)
    return after(step, working(noise(shape_kji), grid(shape_kji, old_ijk_mm)))


def by_skimage(volume, shape_kji, order=3):
    return resize(volume.astype(np.float64), shape_kji, order, mode="edge", anti_aliasing=False)


@pytest.mark.parametrize("interpolation", ORDERS)
@pytest.mark.parametrize("spacing", [(0.7, 0.6, 0.9), (1.9, 2.3, 1.4), (0.5, 2.0, 1.0)])
def test_values_are_those_of_skimage(interpolation, spacing):
    found = resampled(spacing, (1.0, 1.1, 1.2), interpolation=interpolation, apart_above=None).voxels[0]
    expected = by_skimage(noise((12, 14, 16)), found.shape, ORDERS[interpolation])
    assert np.abs(found - expected).max() < 1e-4  # of values about 100, summed in float32


def test_each_axis_has_the_number_of_voxels_that_comes_nearest():
    # 16 * 1.0 / 1.6, 14 * 1.1 / 2.0 and 12 * 1.2 / 0.9 voxels
    image = resampled((1.6, 2.0, 0.9), (1.0, 1.1, 1.2)).geometry
    assert image.shape_kji == (16, 8, 10)
    assert np.allclose(image.center_lps_mm, grid((12, 14, 16), (1.0, 1.1, 1.2)).center_lps_mm)
    assert np.allclose(np.asarray(image.spacing_ijk_mm) * (10, 8, 16), np.array([1.0, 1.1, 1.2]) * (16, 14, 12))


def test_half_a_voxel_goes_to_the_even_number():
    assert resampled((2.0, 2.0, 2.0), (1.0, 1.0, 1.0), (5, 7, 9)).geometry.shape_kji == (2, 4, 4)


def test_an_axis_of_spacing_zero_stays():
    assert resampled((2.0, 2.0, 0.0), (1.0, 1.0, 1.0)).geometry.shape_kji == (12, 7, 8)


def test_the_same_spacing_changes_no_bit():
    assert np.array_equal(resampled((1.0, 1.1, 1.2), (1.0, 1.1, 1.2)).voxels[0], noise((12, 14, 16)))


def test_thick_planes_are_resampled_each_by_itself_and_taken_by_nearest():
    found = resampled((0.8, 1.3, 2.0), (1.0, 1.0, 4.0)).voxels[0]
    planes = np.stack([by_skimage(plane, (11, 20)) for plane in noise((12, 14, 16))])
    places = np.meshgrid(12 / 24 * (np.arange(24) + 0.5) - 0.5, np.arange(11), np.arange(20), indexing="ij")
    assert np.abs(found - map_coordinates(planes, places, order=0, mode="nearest")).max() < 1e-4


@pytest.mark.parametrize(
    ("old", "new", "options", "apart"),
    [
        ((1.0, 1.0, 4.0), (1.0, 1.0, 2.0), {}, "k"),  # the old grid has thick planes
        ((1.0, 1.0, 2.0), (4.0, 1.0, 1.0), {}, "i"),  # the new one
        ((1.0, 1.0, 3.0), (1.0, 1.0, 2.0), {}, ""),  # not above three times
        ((4.0, 4.0, 1.0), (2.0, 2.0, 1.0), {}, ""),  # two axes are long
        ((1.0, 1.0, 4.0), (1.0, 1.0, 2.0), {"apart_above": None}, ""),
    ],
)
def test_planes_are_apart_where_one_axis_alone_is_long(old, new, options, apart):
    image = working(noise((6, 7, 8)), grid((6, 7, 8), old))
    assert found_by(ResampleInBox(new, **options), image)["apart"] == apart


def test_no_value_leaves_the_range_of_its_channel():
    ball = a_ball().astype(np.float32)
    found = after(ResampleInBox((0.6, 0.6, 0.6)), working(np.stack([ball, 50 * ball]))).voxels
    assert [(v.min(), v.max()) for v in found] == [(0.0, 1.0), (0.0, 50.0)]


def test_masks_follow_by_nearest_neighbour():
    ball = a_ball()
    moved = after(ResampleInBox((0.5, 0.5, 0.5)), working(ball.astype(np.float32), ball=ball))
    assert np.array_equal(moved.masks["ball"], ball.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_millimetres_of_a_picture_and_a_grid_that_no_memory_holds_are_refused():
    for image, code in ((a_picture(), "E330"), (working(noise(), grid(noise().shape)), "E304")):
        with pytest.raises(MedDLError) as caught:
            after(ResampleInBox((0.001, 0.001, 0.001), apart_above=None), image)
        assert caught.value.code == code

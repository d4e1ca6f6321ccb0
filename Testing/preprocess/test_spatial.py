from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.preprocess.grid import regrid
from MedDLLogic.preprocess.run import apply_recipe
from MedDLLogic.recipe import CropToBox, CropToMask, Flip, Orient, Pad, ResampleToShape, ResampleToSpacing, Rotate
from Testing.geometries import axis_orders, codes, grid, numbered, oblique_grids, stored_as
from Testing.preprocess.working_images import a_ball, a_picture, after, counted, found_by, working

sizes = st.tuples(*[st.integers(1, 12)] * 3)
exact_steps = st.one_of(
    st.builds(Orient, codes),
    st.builds(Flip, st.sets(st.sampled_from("ijk"), min_size=1).map(tuple)),
    st.builds(CropToBox, st.tuples(*[st.integers(-3, 6)] * 3), sizes, st.just(-1.0)),
    st.builds(Pad, sizes, st.integers(1, 5), st.just(-1.0)),
)
exact_recipes = st.lists(exact_steps, max_size=6).map(tuple)


def place_of(value, image):
    """Point in mm of the voxel that has this value."""
    k, j, i = np.argwhere(image.voxels[0] == value)[0]
    return image.geometry.lps_of([[i, j, k]])[0]


@settings(max_examples=150, deadline=None)
@given(oblique_grids, exact_recipes)
def test_every_voxel_that_was_kept_comes_back_bit_by_bit(geometry, steps):
    image = counted(geometry.shape_kji, geometry)
    last, _ = apply_recipe(steps, image)
    back = regrid(last.voxels, last.geometry, geometry, fill=-2.0)
    kept = np.isin(image.voxels, last.voxels)
    assert np.array_equal(back[kept], image.voxels[kept])
    assert (back[~kept] < 0).all()


@settings(max_examples=60, deadline=None)
@given(oblique_grids, exact_recipes)
def test_no_voxel_that_was_kept_moves_in_space(geometry, steps):
    image = counted(geometry.shape_kji, geometry)
    last, _ = apply_recipe(steps, image)
    for value in last.voxels[last.voxels > 0][:3]:
        assert np.allclose(place_of(value, last), place_of(value, image), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(oblique_grids, exact_recipes)
def test_masks_follow_the_image(geometry, steps):
    voxels = numbered(geometry.shape_kji, np.float32)
    last, _ = apply_recipe(steps, working(voxels, geometry, odd=voxels % 2 == 1))
    assert np.array_equal(last.masks["odd"], (last.voxels[0] > 0) & (last.voxels[0] % 2 == 1))


@settings(max_examples=40, deadline=None)
@given(oblique_grids, axis_orders, codes)
def test_every_axis_order_of_a_file_is_prepared_to_the_same_voxels(geometry, order, wanted):
    steps = (Orient(wanted), ResampleToSpacing((0.9, 1.1, 1.3)), ResampleToShape((5, 6, 7)))
    stored = stored_as(numbered(geometry.shape_kji, np.float32), geometry, *order)
    plain, _ = apply_recipe(steps, counted(geometry.shape_kji, geometry))
    other, _ = apply_recipe(steps, working(*stored))
    assert np.array_equal(plain.voxels, other.voxels)


def test_orienting_records_how_the_image_came():
    found = found_by(Orient("RAS"), counted())
    assert (found["came_as"], found["orientation"], found["shape_kji"]) == ("LPS", "RAS", [4, 5, 6])


def test_flipping_keeps_the_anatomy_and_turns_the_array():
    flipped = after(Flip(("i",)), counted())
    assert np.array_equal(flipped.voxels, counted().voxels[..., ::-1])
    assert flipped.geometry.orientation == "RPS"


def test_padding_is_even_and_reaches_a_multiple():
    padded = after(Pad((1, 1, 9), 4, fill=-5.0), counted((4, 5, 6)))
    assert padded.geometry.shape_kji == (4, 8, 12)
    assert np.array_equal(padded.voxels[0, :, 1:6, 3:9], counted().voxels[0])
    assert (padded.voxels[0, :, 0] == -5.0).all()


def test_padding_a_large_enough_image_changes_nothing():
    assert after(Pad((2, 2, 2)), counted()).geometry == counted().geometry


def test_cropping_to_a_mask_keeps_its_box_and_the_margin():
    mask = np.zeros((20, 20, 20), dtype=bool)
    mask[5:15, 8:10, 6] = True
    geometry = grid((20, 20, 20), (1.0, 1.0, 2.0))
    found = found_by(
        CropToMask("m", margin_fraction=0.1, margin_mm=3.0), working(np.ones(mask.shape), geometry, m=mask)
    )
    assert found["start_kji"] == [5 - 3, 8 - 4, 6 - 4]  # k: 1 + 1.5 voxels, j: 0.2 + 3, i: 0.1 + 3
    assert found["shape_kji"] == [10 + 6, 2 + 8, 1 + 8]


def test_the_margin_ends_where_the_grid_ends():
    mask = a_ball((20, 22, 24))
    cropped = after(CropToMask("m", margin_fraction=5.0), working(np.ones(mask.shape), m=mask))
    assert cropped.geometry == grid((20, 22, 24))


def test_planes_with_little_mask_are_cropped_away():
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[3:7, 3:7, 3:7] = True
    mask[0, 5, 5] = True
    cropped = after(CropToMask("m", min_plane_fraction=0.02), working(np.ones(mask.shape), m=mask))
    assert cropped.geometry.shape_kji == (4, 4, 4)


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_nothing_to_crop_to_is_an_error(fraction):
    mask = np.zeros((4, 5, 6), dtype=bool)
    mask[1, 1, 1] = fraction > 0
    with pytest.raises(MedDLError) as caught:
        after(CropToMask("m", min_plane_fraction=fraction), counted(m=mask))
    assert caught.value.code == "E607"


def test_a_mask_that_nothing_made_is_an_error():
    with pytest.raises(MedDLError) as caught:
        after(CropToMask("brain"), counted())
    assert caught.value.code == "E103"


def test_turning_once_around_comes_back():
    turned = after(Rotate((0.0, 360.0, 0.0)), counted())
    assert np.array_equal(turned.voxels, counted().voxels)


def test_a_quarter_turn_of_a_cube_is_an_exact_copy():
    cube = working(numbered((5, 5, 5), np.float32))
    turned = after(Rotate((0.0, 0.0, 90.0)), cube)
    assert np.array_equal(turned.voxels[0], np.rot90(cube.voxels[0], 1, axes=(2, 1))) or np.array_equal(
        turned.voxels[0], np.rot90(cube.voxels[0], -1, axes=(2, 1))
    )


def test_turning_keeps_center_shape_and_spacing():
    image = counted((6, 7, 8), grid((6, 7, 8), (0.5, 1.0, 3.0), (5.0, -10.0, 15.0), (4.0, 5.0, 6.0)))
    turned = after(Rotate((10.0, 20.0, 30.0)), image).geometry
    assert np.allclose(turned.center_lps_mm, image.geometry.center_lps_mm)
    assert np.allclose(turned.spacing_ijk_mm, image.geometry.spacing_ijk_mm)
    assert turned.shear < 1e-9


def test_the_first_angle_turns_j_towards_k():
    turned = after(Rotate((90.0, 0.0, 0.0)), counted()).geometry
    assert np.allclose(turned.direction @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_a_ball_prepared_and_brought_back_is_the_same_ball():
    ball = a_ball()
    geometry = grid(ball.shape, (1.0, 1.2, 0.8), (5.0, 6.0, 7.0))
    steps = (
        Orient("RAS"),
        CropToMask("ball", margin_mm=3.0),
        ResampleToSpacing((0.5, 0.5, 0.5)),
        Rotate((9.0, 8.0, 7.0)),
    )
    last, _ = apply_recipe(steps, working(ball.astype(np.float32), geometry, ball=ball))
    back = regrid(last.voxels[0], last.geometry, geometry) > 0.5
    assert 2 * (back & ball).sum() / (back.sum() + ball.sum()) > 0.98


def test_millimetres_of_a_picture_are_refused_but_sizes_in_voxels_are_not():
    with pytest.raises(MedDLError) as caught:
        after(ResampleToSpacing((1.0, 1.0, 1.0)), a_picture())
    assert caught.value.code == "E330"
    assert after(ResampleToShape((1, 8, 8)), a_picture()).geometry.frame == UNKNOWN


def test_a_margin_in_millimetres_of_a_picture_is_refused():
    picture = a_picture().with_mask("m", np.ones((1, 24, 32), dtype=bool))
    assert after(CropToMask("m"), picture).geometry.shape_kji == (1, 24, 32)
    with pytest.raises(MedDLError) as caught:
        after(CropToMask("m", margin_mm=1.0), picture)
    assert caught.value.code == "E330"


def test_a_spacing_that_makes_a_grid_no_memory_holds_is_refused():
    huge = counted((60, 60, 60), Geometry((60, 60, 60), np.eye(4)))
    with pytest.raises(MedDLError) as caught:
        after(ResampleToSpacing((0.01, 0.01, 0.01)), huge)
    assert caught.value.code == "E304"

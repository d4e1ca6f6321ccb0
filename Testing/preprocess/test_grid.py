from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.preprocess.grid import lines_along, regrid
from Testing.geometries import axis_orders, codes, grid, numbered, oblique_grids, shapes, stored_as

few = settings(max_examples=60, deadline=None)
starts = st.tuples(*[st.integers(-4, 8)] * 3)


def ramp(geometry, slope_lps=(1.0, -2.0, 0.5), offset=7.0):
    """(k, j, i) float32 volume whose values depend linearly on the place in mm."""
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.lps_of(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    return (points @ slope_lps + offset).reshape(geometry.shape_kji).astype(np.float32)


def is_inside(target, source):
    """(k, j, i) whether the voxel of the target lies among the voxel centers of the source."""
    k, j, i = np.indices(target.shape_kji)
    indices = source.ijk_of(target.lps_of(np.stack([i, j, k], axis=-1).reshape(-1, 3)))
    last = np.array(source.shape_kji[::-1]) - 1
    return ((indices >= 1e-6) & (indices <= last - 1e-6)).all(axis=1).reshape(target.shape_kji)


@few
@given(oblique_grids, axis_orders)
def test_another_axis_order_is_an_exact_copy(geometry, order):
    voxels = numbered(geometry.shape_kji)
    stored, stored_grid = stored_as(voxels, geometry, *order)
    assert np.array_equal(regrid(stored, stored_grid, geometry), voxels)
    assert np.array_equal(regrid(voxels, geometry, stored_grid), stored)


@few
@given(oblique_grids, codes, starts, shapes)
def test_reordered_and_cropped_voxels_go_back_bit_by_bit(geometry, wanted, start_kji, shape):
    voxels = numbered(geometry.shape_kji)
    working = geometry.reoriented(wanted).cropped(start_kji, shape)
    moved = regrid(voxels, geometry, working, fill=-1)
    back = regrid(moved, working, geometry, fill=-2)
    kept = np.isin(voxels, moved)
    assert np.array_equal(back[kept], voxels[kept])
    assert (back[~kept] == -2).all()


@few
@given(oblique_grids, starts, shapes)
def test_outside_the_source_is_the_fill(geometry, start_kji, shape):
    voxels = numbered(geometry.shape_kji)
    moved = regrid(voxels, geometry, geometry.cropped(start_kji, shape), fill=-1)
    ends = [max(0, min(s + n, size) - max(s, 0)) for s, n, size in zip(start_kji, shape, voxels.shape, strict=True)]
    assert np.count_nonzero(moved != -1) == np.prod(ends)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.int64, np.float16, np.float32, np.float64])
def test_nearest_and_exact_copies_keep_the_type(dtype):
    voxels = (numbered((4, 5, 6)) % 2).astype(dtype)
    assert regrid(voxels, grid(), grid().reoriented("RAS")).dtype == dtype
    assert regrid(voxels, grid(), grid().resized((8, 10, 12)), "nearest").dtype == dtype


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_interpolated_voxels_are_float32(interpolation):
    assert regrid(numbered((4, 5, 6)), grid(), grid().resized((8, 10, 12)), interpolation).dtype == np.float32


@few
@given(oblique_grids, oblique_grids)
def test_linear_interpolation_finds_a_linear_image_at_every_place(source, target):
    moved = regrid(ramp(source), source, target, fill=np.nan)
    inside = is_inside(target, source)
    assert np.allclose(moved[inside], ramp(target)[inside], rtol=1e-4, atol=1e-2)


@few
@given(oblique_grids, st.floats(-0.4, 0.4))
def test_a_sheared_grid_is_read_at_its_true_places(geometry, shear):
    map_of_space = np.eye(4)
    map_of_space[0, 1] = shear
    sheared = geometry.transformed(map_of_space)
    inside = is_inside(sheared, geometry)
    moved = regrid(ramp(geometry), geometry, sheared)
    assert np.allclose(moved[inside], ramp(sheared)[inside], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
@settings(max_examples=20, deadline=None)
@given(source=oblique_grids, shape=st.tuples(*[st.integers(1, 20)] * 3))
def test_a_resized_image_has_no_fill_at_its_rim(interpolation, source, shape):
    assume(interpolation != "cubic" or 2 not in source.shape_kji)
    constant = np.full(source.shape_kji, 5.0, dtype=np.float32)
    moved = regrid(constant, source, source.resized(shape), interpolation, fill=-100.0)
    assert np.allclose(moved, 5.0, atol=1e-3)


@few
@given(oblique_grids, st.tuples(*[st.floats(0.2, 9.0)] * 3))
def test_a_respaced_image_has_no_fill_and_comes_back_without(source, spacing):
    constant = np.full(source.shape_kji, 5.0, dtype=np.float32)
    respaced = source.respaced(spacing)
    moved = regrid(constant, source, respaced, fill=-100.0)
    assert np.allclose(moved, 5.0)
    assert np.allclose(regrid(moved, respaced, source, fill=-100.0), 5.0)


@pytest.mark.parametrize(("size", "expected"), [(4, [1, 3, 5, 7]), (2, [2, 6]), (16, np.repeat(np.arange(8), 2))])
def test_halves_go_to_the_larger_index(size, expected):
    source = grid((1, 1, 8), (0.7, 1.0, 1.0), (10.0, 20.0, 30.0), (1.1, 2.2, 3.3))
    voxels = np.arange(8, dtype=np.int16).reshape(1, 1, 8)
    assert regrid(voxels, source, source.resized((1, 1, size)), "nearest").ravel().tolist() == list(expected)


def test_halves_go_to_the_larger_index_everywhere_in_a_large_volume():
    source = grid((2, 90, 254), (0.93, 1.07, 1.0), (7.0, 8.0, 9.0), (-91.3, 12.7, 55.1))
    voxels = numbered(source.shape_kji)
    halved = regrid(voxels, source, source.resized((1, 45, 127)), "nearest")
    assert np.array_equal(halved, voxels[1::2, 1::2, 1::2])


@few
@given(oblique_grids, axis_orders, codes)
def test_the_axis_order_of_the_file_leaves_no_trace_after_reorienting_and_resizing(geometry, order, wanted):
    voxels = numbered(geometry.shape_kji, np.float32)
    stored, stored_grid = stored_as(voxels, geometry, *order)
    results = [
        regrid(regrid(v, g, g.reoriented(wanted)), g.reoriented(wanted), g.reoriented(wanted).resized((5, 6, 7)))
        for v, g in ((voxels, geometry), (stored, stored_grid))
    ]
    assert np.array_equal(*results)


def test_channels_are_moved_one_by_one():
    voxels = np.stack([numbered((4, 5, 6)), -numbered((4, 5, 6))])
    moved = regrid(voxels, grid(), grid().cropped((1, 1, 1), (2, 2, 2)))
    assert np.array_equal(moved, voxels[:, 1:3, 1:3, 1:3])


def test_the_result_is_new_memory_even_on_the_same_grid():
    voxels = numbered((4, 5, 6))
    assert not np.shares_memory(regrid(voxels, grid(), grid()), voxels)


def test_a_grid_moved_by_less_than_a_ten_thousandth_of_a_voxel_is_copied():
    voxels = numbered((4, 5, 6))
    assert np.array_equal(regrid(voxels, grid(), grid(origin=(5e-5, 0, 0))), voxels)
    assert regrid(voxels, grid(), grid(origin=(1e-3, 0, 0))).dtype == np.float32


def test_a_small_turn_of_a_long_grid_is_no_copy():
    voxels = np.zeros((1, 4, 2000), dtype=np.int16)
    turned = grid((1, 4, 2000), degrees=(0.0, 0.0, 0.01))
    assert regrid(voxels, grid((1, 4, 2000)), turned).dtype == np.float32


@pytest.mark.parametrize("shape", [(4, 5, 7), (5, 6), (1, 1, 4, 5, 6)])
def test_voxels_that_do_not_fit_their_grid_are_refused(shape):
    with pytest.raises(MedDLError) as caught:
        regrid(np.zeros(shape), grid(), grid())
    assert caught.value.code == "E303"


def test_an_interpolation_that_is_not_known_is_refused():
    with pytest.raises(MedDLError) as caught:
        regrid(numbered((4, 5, 6)), grid(), grid(), "lanczos")
    assert caught.value.code == "E103"


def test_two_voxels_are_too_few_for_a_cubic():
    with pytest.raises(MedDLError) as caught:
        regrid(numbered((4, 2, 6)), grid((4, 2, 6)), grid((4, 2, 6)).resized((8, 4, 12)), "cubic")
    assert caught.value.code == "E103"


def test_a_grid_that_no_memory_holds_is_refused():
    with pytest.raises(MedDLError) as caught:
        regrid(numbered((4, 5, 6)), grid(), grid().resized((4000, 4000, 4000)))
    assert caught.value.code == "E304"


def test_a_picture_is_not_moved_into_a_patient():
    with pytest.raises(MedDLError) as caught:
        regrid(numbered((4, 5, 6)), grid(), Geometry((4, 5, 6), np.eye(4), UNKNOWN))
    assert caught.value.code == "E330"


def test_a_mask_of_a_whole_head_is_moved_in_well_under_a_second():
    source, target = grid((256, 256, 256)), grid((256, 256, 256), (1.2, 0.9, 2.1))
    mask = np.ones(source.shape_kji, dtype=bool)
    started_s = time.perf_counter()
    regrid(mask, source, target, "nearest")
    assert time.perf_counter() - started_s < 2.0


@few
@given(oblique_grids, axis_orders, shapes)
def test_each_axis_of_a_reordered_grid_of_other_voxels_runs_along_one_of_the_first(geometry, order, shape):
    _, stored = stored_as(numbered(geometry.shape_kji), geometry, *order)
    target = stored.resized(shape)
    for number, line in enumerate(lines_along(target, geometry)):
        places = np.zeros((line.indices.size, 3))
        places[:, 2 - number] = np.arange(line.indices.size)
        expected = geometry.ijk_of(target.lps_of(places))[:, 2 - line.axis]
        assert line.axis == order[0][number] and np.allclose(line.indices, expected, atol=1e-4)


def test_axes_of_a_turned_grid_run_along_none():
    assert lines_along(grid((5, 6, 7), degrees=(0, 0, 1)), grid((5, 6, 7))) is None

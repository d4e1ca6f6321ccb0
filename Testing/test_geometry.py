from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import (
    UNKNOWN,
    Geometry,
    conjugate_lps_ras,
    flip_lps_ras,
    orientation_of,
    require_millimetres,
)
from Testing.geometries import (
    AXIS_ORDERS,
    axis_orders,
    codes,
    grid,
    numbered,
    oblique_grids,
    shapes,
    spacings,
    stored_as,
)

few = settings(max_examples=60, deadline=None)


def refused(code, shape=(2, 3, 4), matrix=None, frame="patient"):
    with pytest.raises(MedDLError) as caught:
        Geometry(shape, np.eye(4) if matrix is None else matrix, frame)
    return caught.value.code == code


def corners(geometry):
    k, j, i = geometry.shape_kji
    return np.array([[a, b, c] for a in (-0.5, i - 0.5) for b in (-0.5, j - 0.5) for c in (-0.5, k - 0.5)])


def box_of_space(geometry):
    """The corners of the grid's box in mm, in an order that does not depend on the axes."""
    return np.array(sorted(geometry.lps_of(corners(geometry)).round(6).tolist()))


def test_a_grid_of_identity_runs_to_left_posterior_superior():
    assert grid().orientation == "LPS"


@few
@given(oblique_grids)
def test_flipping_lps_and_ras_twice_changes_nothing(geometry):
    assert np.array_equal(flip_lps_ras(flip_lps_ras(geometry.ijk_to_lps)), geometry.ijk_to_lps)


@few
@given(oblique_grids, oblique_grids)
def test_a_transform_in_ras_does_in_ras_what_it_does_in_lps(transform, geometry):
    moved = conjugate_lps_ras(transform.ijk_to_lps) @ flip_lps_ras(geometry.ijk_to_lps)
    assert np.allclose(moved, flip_lps_ras(transform.ijk_to_lps @ geometry.ijk_to_lps))


@few
@given(oblique_grids)
def test_indices_of_points_undo_points_of_indices(geometry):
    assert np.allclose(geometry.ijk_of(geometry.lps_of(corners(geometry))), corners(geometry), atol=1e-6)


@few
@given(oblique_grids, codes)
def test_reorienting_keeps_the_box_and_gives_the_orientation(geometry, wanted):
    reoriented = geometry.reoriented(wanted)
    assert reoriented.orientation == wanted
    assert np.allclose(box_of_space(reoriented), box_of_space(geometry), atol=1e-5)


@few
@given(oblique_grids, axis_orders, codes)
def test_every_axis_order_reorients_to_the_same_grid(geometry, order, wanted):
    _, stored = stored_as(numbered(geometry.shape_kji), geometry, *order)
    assert stored.reoriented(wanted).is_same_grid(geometry.reoriented(wanted))


def test_there_are_48_axis_orders_and_all_have_different_names():
    stored = [stored_as(numbered((2, 3, 4)), grid((2, 3, 4)), *order)[1] for order in AXIS_ORDERS]
    assert len({geometry.orientation for geometry in stored}) == 48


@few
@given(oblique_grids, st.tuples(*[st.integers(-5, 5)] * 3), shapes)
def test_a_cropped_grid_starts_at_its_first_voxel(geometry, start_kji, shape):
    cropped = geometry.cropped(start_kji, shape)
    assert np.allclose(cropped.origin_lps_mm, geometry.lps_of([start_kji[::-1]])[0])
    assert cropped.shape_kji == shape


@few
@given(oblique_grids, st.tuples(*[st.integers(-5, 5)] * 3), shapes)
def test_cropping_back_gives_the_first_grid(geometry, start_kji, shape):
    there = geometry.cropped(start_kji, shape)
    back = there.cropped(tuple(-start for start in start_kji), geometry.shape_kji)
    assert back.is_same_grid(geometry)


@few
@given(oblique_grids, shapes)
def test_a_resized_grid_covers_the_same_box(geometry, shape):
    assert np.allclose(box_of_space(geometry.resized(shape)), box_of_space(geometry), atol=1e-5)


@few
@given(oblique_grids, spacings)
def test_a_respaced_grid_has_the_spacing_and_the_center(geometry, spacing):
    respaced = geometry.respaced(spacing)
    assert np.allclose(respaced.spacing_ijk_mm, spacing)
    assert np.allclose(respaced.center_lps_mm, geometry.center_lps_mm, atol=1e-6)


@few
@given(oblique_grids, spacings)
def test_a_respaced_grid_covers_the_box_with_less_than_a_voxel_to_spare(geometry, spacing):
    respaced = geometry.respaced(spacing)
    spare = np.array(respaced.shape_kji) * spacing[::-1] - np.array(geometry.shape_kji) * geometry.spacing_ijk_mm[::-1]
    assert (spare > -0.01 * np.array(spacing[::-1])).all()
    assert (spare < spacing[::-1]).all()


@few
@given(oblique_grids, axis_orders, st.floats(0.3, 4.0))
def test_every_axis_order_respaces_to_the_same_voxels(geometry, order, spacing):
    _, stored = stored_as(numbered(geometry.shape_kji), geometry, *order)
    again = stored.respaced((spacing,) * 3).reoriented("LPS")
    assert again.is_same_grid(geometry.respaced((spacing,) * 3).reoriented("LPS"), 1e-5)


@few
@given(oblique_grids, oblique_grids)
def test_a_transformed_grid_moves_every_voxel(geometry, transform):
    moved = geometry.transformed(transform.ijk_to_lps)
    assert np.allclose(moved.lps_of(corners(geometry)), transform.lps_of(geometry.lps_of(corners(geometry))))


@few
@given(oblique_grids)
def test_voxel_volume_of_an_orthogonal_grid_is_the_product_of_its_spacing(geometry):
    assert geometry.voxel_volume_mm3 == pytest.approx(np.prod(geometry.spacing_ijk_mm))
    assert geometry.shear < 1e-6


def test_shear_makes_the_voxel_smaller_than_its_spacing_says():
    sheared = grid().transformed(np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert sheared.voxel_volume_mm3 == pytest.approx(1.0)
    assert sheared.shear == pytest.approx(0.4472, abs=1e-4)


@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (2, 3), (2, 3, 65536), (-1, 3, 4), (2.5, 3, 4), (float("nan"), 3, 4), (2, 3, 4, 5)]
)
def test_a_shape_that_cannot_be_is_refused(shape):
    assert refused("E303", shape)


@pytest.mark.parametrize(
    "row", [(1, 1, 0), (np.nan, 0, 0), (np.inf, 0, 0), (0, 1e-9, 0)], ids=["singular", "nan", "inf", "nearly singular"]
)
def test_a_matrix_that_cannot_be_is_refused(row):
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    matrix[0, :3], matrix[1, :3] = row, (1, 1, 0)
    assert refused("E307", matrix=matrix)


def test_a_spacing_of_zero_is_refused():
    assert refused("E306", matrix=np.diag([1.0, 0.0, 1.0, 1.0]))


def test_a_projective_matrix_is_refused():
    assert refused("E307", matrix=np.vstack([np.eye(4)[:3], [0, 0, 0.1, 1]]))


def test_an_unknown_name_of_a_frame_is_refused():
    assert refused("E303", frame="world")


@pytest.mark.parametrize("wanted", ["RA", "RAA", "RLS", "ras", "XYZ", "", "RASL"])
def test_an_orientation_that_cannot_be_is_refused(wanted):
    with pytest.raises(MedDLError) as caught:
        grid().reoriented(wanted)
    assert caught.value.code == "E103"


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, np.nan), (1, 1, np.inf)])
def test_a_target_spacing_that_cannot_be_is_refused(spacing):
    with pytest.raises(MedDLError) as caught:
        grid().respaced(spacing)
    assert caught.value.code == "E306"


def test_a_target_spacing_that_makes_a_grid_too_long_is_refused():
    with pytest.raises(MedDLError) as caught:
        grid().respaced((1e-300, 1.0, 1.0))
    assert caught.value.code == "E303"


def test_a_single_thick_plane_stays_a_plane_through_its_own_center():
    plane = grid((1, 8, 8), (1.0, 1.0, 5.0)).respaced((2.0, 2.0, 20.0))
    assert plane.shape_kji == (1, 4, 4)
    assert plane.origin_lps_mm[2] == pytest.approx(0.0)


def test_the_same_grid_up_to_a_millionth_of_a_millimetre_is_the_same():
    assert grid().is_same_grid(grid(origin=(5e-7, 0, 0)))
    assert not grid().is_same_grid(grid(origin=(1e-5, 0, 0)))
    assert not grid((4, 5, 6)).is_same_grid(grid((4, 5, 7)))


def test_equal_grids_are_equal_and_hash_alike():
    assert len({grid(), grid(), grid(origin=(1, 0, 0)), Geometry((4, 5, 6), np.eye(4), UNKNOWN)}) == 3


def test_a_grid_cannot_be_changed_from_outside():
    matrix = np.eye(4)
    geometry = Geometry((2, 2, 2), matrix)
    matrix[0, 3] = 7.0
    assert geometry.origin_lps_mm == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        geometry.ijk_to_lps[0, 3] = 7.0


def test_millimetres_of_a_picture_without_a_patient_are_refused():
    require_millimetres(grid())
    with pytest.raises(MedDLError) as caught:
        require_millimetres(Geometry((1, 4, 4), np.eye(4), UNKNOWN))
    assert caught.value.code == "E330"


def test_an_oblique_grid_is_named_by_the_closest_axes():
    assert orientation_of(grid(degrees=(0, 0, 30)).ijk_to_lps) == "LPS"
    assert orientation_of(grid(degrees=(0, 0, 60)).ijk_to_lps) == "PRS"

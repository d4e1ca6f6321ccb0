from __future__ import annotations

import time

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.postprocess.run import apply_postprocess
from MedDLLogic.recipe import FillHoles, LargestComponent, RemoveSmall, Smooth
from Testing.geometries import grid
from Testing.preprocess.working_images import a_ball

EVERY_STEP = [LargestComponent(), FillHoles(), RemoveSmall(5.0), Smooth(1.0)]


def cleaned(step, mask, geometry=None):
    return apply_postprocess((step,), {"m": mask}, geometry or grid(mask.shape))["m"]


def empty(shape_kji=(10, 12, 14)):
    return np.zeros(shape_kji, dtype=bool)


def test_only_the_largest_piece_is_kept():
    ball = a_ball()
    with_specks = ball.copy()
    with_specks[0, 0, 0] = with_specks[-1, -1, -3:] = True
    assert np.array_equal(cleaned(LargestComponent(), with_specks), ball)


def test_pieces_that_touch_at_a_corner_are_one():
    mask = empty()
    mask[2, 2, 2] = mask[3, 3, 3] = True
    assert np.array_equal(cleaned(LargestComponent(), mask), mask)


def test_of_two_equal_pieces_the_first_in_the_array_is_kept():
    mask = empty()
    mask[1, 1, 1:3] = mask[7, 7, 7:9] = True
    assert np.argwhere(cleaned(LargestComponent(), mask)).tolist() == [[1, 1, 1], [1, 1, 2]]


def test_a_cavity_is_filled():
    shell = a_ball() & ~a_ball(radius=3.0)
    assert np.array_equal(cleaned(FillHoles(), shell), a_ball())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_cavity_that_reaches_the_border_of_the_volume_stays(axis):
    tube = np.ones((5, 6, 7), dtype=bool)
    tube[tuple(slice(None) if n == axis else 2 for n in range(3))] = False
    assert np.array_equal(cleaned(FillHoles(), tube), tube)


def test_a_flat_ring_in_a_volume_has_no_cavity():
    ring = empty()
    ring[5, 3:8, 3:8] = True
    ring[5, 5, 5] = False
    assert np.array_equal(cleaned(FillHoles(), ring), ring)


def test_a_flat_ring_at_the_border_of_a_volume_has_no_cavity():
    ring = empty()
    ring[0, 3:8, 3:8] = True
    ring[0, 5, 5] = False
    assert np.array_equal(cleaned(FillHoles(), ring), ring)


def test_a_ring_in_a_single_plane_is_filled():
    ring = empty((1, 12, 14))
    ring[0, 3:8, 3:8] = True
    ring[0, 5, 5] = False
    assert cleaned(FillHoles(), ring).sum() == 25


def test_pieces_below_a_volume_go_and_those_that_have_it_stay():
    mask = empty()
    mask[1, 1, 1:4] = mask[5, 5, 5:9] = True
    left = cleaned(RemoveSmall(8.0), mask, grid(mask.shape, (2.0, 1.0, 1.0)))
    assert np.argwhere(left).tolist() == [[5, 5, n] for n in range(5, 9)]


@pytest.mark.parametrize("spacing", [0.1, 0.3, 0.7, 1.1])
def test_a_piece_of_exactly_the_volume_stays_whatever_the_rounding(spacing):
    mask = empty()
    mask[2:4, 2:4, 2:4] = True
    geometry = grid(mask.shape, (spacing,) * 3, (11.0, 12.0, 13.0))
    assert cleaned(RemoveSmall(8 * spacing**3), mask, geometry).sum() == 8


def test_smoothing_takes_a_spike_and_keeps_the_size():
    spiky = a_ball()
    spiky[9, 10, 18:22] = True
    smooth = cleaned(Smooth(1.0), spiky)
    assert not smooth[9, 10, 20]
    assert smooth.sum() == pytest.approx(a_ball().sum(), rel=0.05)


def test_a_mask_cut_off_at_the_border_is_not_rounded_there():
    block = empty((12, 20, 20))
    block[:, 5:15, 5:15] = True
    assert np.array_equal(*cleaned(Smooth(1.0), block)[[0, 6]])


def test_cleaning_in_the_box_is_cleaning_in_the_whole_volume():
    small, large = a_ball((40, 40, 40), 6.0, (20, 20, 20)), np.zeros((60, 60, 60), dtype=bool)
    large[10:50, 10:50, 10:50] = small
    for step in EVERY_STEP:
        assert np.array_equal(cleaned(step, large)[10:50, 10:50, 10:50], cleaned(step, small))


@pytest.mark.parametrize("step", EVERY_STEP)
def test_an_empty_mask_stays_empty(step):
    assert not cleaned(step, empty()).any()


@pytest.mark.parametrize("step", EVERY_STEP)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5), (1, 5, 5), (5, 5, 5)])
def test_a_full_mask_stays_full(step, shape):
    assert cleaned(step, np.ones(shape, dtype=bool), grid(shape, (2.0, 2.0, 2.0))).all()


def test_only_the_named_segments_are_cleaned():
    specks = empty()
    specks[1, 1, 1] = specks[5, 5, 5:7] = True
    masks = apply_postprocess((LargestComponent(("a",)),), {"a": specks, "b": specks}, grid(specks.shape))
    assert (masks["a"].sum(), masks["b"].sum()) == (2, 3)


def test_steps_follow_one_another_and_what_came_in_stays():
    shell = a_ball() & ~a_ball(radius=3.0)
    shell[0, 0, 0] = True
    before = shell.copy()
    masks = apply_postprocess((LargestComponent(), FillHoles()), {"m": shell}, grid(shell.shape))
    assert np.array_equal(masks["m"], a_ball())
    assert np.array_equal(shell, before)


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(MedDLError) as caught:
        apply_postprocess((FillHoles(("heart",)),), {"m": empty()}, grid(empty().shape))
    assert caught.value.code == "E103"


@pytest.mark.parametrize("mask", [empty((3, 3, 3)), empty().astype(np.uint8)])
def test_a_mask_that_does_not_lie_on_the_grid_is_an_error(mask):
    with pytest.raises(MedDLError) as caught:
        apply_postprocess((), {"m": mask}, grid(empty().shape))
    assert caught.value.code == "E332"


@pytest.mark.parametrize("step", [RemoveSmall(5.0), Smooth(1.0)])
def test_millimetres_of_a_picture_are_refused(step):
    with pytest.raises(MedDLError) as caught:
        cleaned(step, empty((1, 8, 8)), Geometry((1, 8, 8), np.eye(4), UNKNOWN))
    assert caught.value.code == "E330"


def test_the_largest_piece_of_a_whole_head_is_found_in_half_a_second():
    head = np.zeros((256, 256, 256), dtype=bool)
    head[40:220, 40:220, 40:220] = a_ball((180, 180, 180), 80.0, (90, 90, 90))
    head[5, 5, 5] = True
    started_s = time.perf_counter()
    assert not cleaned(LargestComponent(), head)[5, 5, 5]
    assert time.perf_counter() - started_s < 2.0  # half a second when nothing else runs

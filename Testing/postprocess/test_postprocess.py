from __future__ import annotations

import time

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.masks import Masks
from MedDLLogic.postprocess.run import apply_postprocess
from MedDLLogic.recipe import FillHoles, LargestComponent, RemoveSmall, Smooth
from Testing.geometries import grid
from Testing.preprocess.working_images import a_ball

EVERY_STEP = [LargestComponent(), FillHoles(), RemoveSmall(5.0), Smooth(1.0)]


def cleaned(step, mask, geometry=None):
    return apply_postprocess((step,), Masks.of({"m": mask}, mask.shape), geometry or grid(mask.shape))["m"]


def together(**masks):
    """Masks that do not overlap, in one label volume."""
    volume = sum(n * mask.astype(np.uint8) for n, mask in enumerate(masks.values(), start=1))
    return Masks(volume.shape, (volume,), {name: (0, n) for n, name in enumerate(masks, start=1)})


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
    both = Masks.of({"a": specks, "b": specks}, specks.shape)
    masks = apply_postprocess((LargestComponent(("a",)),), both, grid(specks.shape))
    assert (masks["a"].sum(), masks["b"].sum()) == (2, 3)


def test_steps_follow_one_another_and_what_came_in_stays():
    shell = a_ball() & ~a_ball(radius=3.0)
    shell[0, 0, 0] = True
    given = Masks.of({"m": shell}, shell.shape)
    masks = apply_postprocess((LargestComponent(), FillHoles()), given, grid(shell.shape))
    assert np.array_equal(masks["m"], a_ball())
    assert np.array_equal(given["m"], shell)


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(MedDLError) as caught:
        apply_postprocess((FillHoles(("heart",)),), Masks.of({"m": empty()}, empty().shape), grid(empty().shape))
    assert caught.value.code == "E103"


def test_a_mask_that_does_not_lie_on_the_grid_is_an_error():
    with pytest.raises(MedDLError) as caught:
        apply_postprocess((), Masks.of({"m": empty((3, 3, 3))}, (3, 3, 3)), grid(empty().shape))
    assert caught.value.code == "E332"


@pytest.mark.parametrize("step", EVERY_STEP)
def test_masks_in_one_volume_are_cleaned_as_each_alone(step):
    shell = a_ball() & ~a_ball(radius=3.0)
    shell[0, 0, 0] = True
    core = a_ball(radius=2.0)
    core[9, 10, 12] = False
    given = together(shell=shell, core=core, speck=np.roll(a_ball(radius=1.0), 8, axis=0))
    alone = {name: cleaned(step, mask) for name, mask in given.items()}
    masks = apply_postprocess((step,), given, grid(shell.shape))
    assert all(np.array_equal(masks[name], mask) for name, mask in alone.items())


def test_a_mask_that_grows_over_another_leaves_it_whole_and_needs_one_volume_more():
    shell = a_ball() & ~a_ball(radius=3.0)
    given = together(shell=shell, core=a_ball(radius=2.0))
    masks = apply_postprocess((FillHoles(),), given, grid(shell.shape))
    assert np.array_equal(masks["shell"], a_ball()) and np.array_equal(masks["core"], a_ball(radius=2.0))
    assert len(masks.volumes) == 2 and given.volumes[0].max() == 2


def test_masks_that_only_shrink_stay_in_one_volume():
    specks = np.roll(a_ball(radius=1.0), 8, axis=0)
    specks[0, 0, 0] = True
    masks = apply_postprocess((LargestComponent(),), together(ball=a_ball(), specks=specks), grid(specks.shape))
    assert len(masks.volumes) == 1 and not masks["specks"][0, 0, 0]


def test_a_hundred_smoothed_neighbours_take_few_volumes():
    blocks = np.kron(np.arange(1, 65).reshape(4, 4, 4), np.ones((5, 5, 5))).astype(np.uint8)
    masks = Masks(blocks.shape, (blocks,), {f"b{n}": (0, n) for n in range(1, 65)})
    smooth = apply_postprocess((Smooth(1.5),), masks, grid(blocks.shape))
    assert all(np.array_equal(smooth[n], cleaned(Smooth(1.5), masks[n])) for n in masks)
    assert len(smooth.volumes) < 12


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

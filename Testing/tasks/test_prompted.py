"""What boxes hold: on their slices, on the image's grid, however that lies."""

from dataclasses import replace

import numpy as np
import pytest

import MedDLLogic
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Reporter
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.inference.warm import Networks
from MedDLLogic.job import Box, BoxPrompt, CardRef, InputRef, Job
from MedDLLogic.models.registry import read_card
from MedDLLogic.tasks.box_places import box_of_voxels, placed
from MedDLLogic.tasks.plan import plan_run, quality_has_effect
from MedDLLogic.tasks.run import run_job
from MedDLLogic.tasks.stages import Run, run_card

from ..geometries import AXIS_ORDERS, grid, stored_as
from ..prompted_model import trusted_box_card
from ..small_models import ball

SHAPE = (20, 24, 32)
ON_SLICE_9 = (slice(9, 10), slice(5, 16), slice(8, 21))  # voxels of the box (8, 5) to (20, 15) on slice 9


def drawn(card, image, *prompts, **options):
    return MedDLLogic.segment(image, model=str(card), prompts=prompts, device="cpu", backend="torch", **options)


def on_slice(geometry, k=9, segment="object", first=(8, 5), last=(20, 15)):
    return box_of_voxels(geometry, (*first, k), (*last, k), segment)


def refusal(card, image, *prompts):
    with pytest.raises(MedDLError) as caught:
        drawn(card, image, *prompts)
    return caught.value.code, caught.value.what


@pytest.fixture
def bright():
    """An image whose voxels are bright or dark by chance."""
    voxels = np.random.default_rng(3).integers(0, 2, SHAPE).astype(np.float32)
    return Image(voxels[None], grid(SHAPE, (1.0, 1.2, 3.0), (10, -15, 20)))


@pytest.fixture
def in_the_box(bright):
    expected = np.zeros(SHAPE, dtype=bool)
    expected[ON_SLICE_9] = bright.voxels[0][ON_SLICE_9] > 0.5
    return expected


def test_it_finds_what_the_box_holds_and_nothing_on_other_slices(box_card, bright, in_the_box):
    result = drawn(box_card, bright, on_slice(bright.geometry))
    assert np.array_equal(result.mask_of("object"), in_the_box)
    assert result.geometry == bright.geometry


@pytest.mark.parametrize("order", AXIS_ORDERS[::5], ids=str)
def test_the_same_box_in_the_patient_finds_the_same_however_the_image_is_stored(box_card, bright, in_the_box, order):
    voxels, geometry = stored_as(bright.voxels[0], bright.geometry, *order)
    result = drawn(box_card, bright.with_voxels(voxels[None], geometry), on_slice(bright.geometry))
    assert result.geometry == geometry
    assert np.array_equal(result.mask_of("object"), stored_as(in_the_box, bright.geometry, *order)[0])


def test_a_network_sees_the_same_plane_however_the_image_is_stored(bright):
    places = [
        placed((on_slice(bright.geometry),), stored_as(bright.voxels[0], bright.geometry, *order)[1])[0]
        for order in AXIS_ORDERS
    ]
    grids = [stored_as(bright.voxels[0], bright.geometry, *order)[1] for order in AXIS_ORDERS]
    first, *others = [place.where.upright(geometry) for place, geometry in zip(places, grids, strict=True)]
    assert all(other.is_same_grid(first) for other in others) and first.orientation == "LPS"


def test_boxes_of_one_name_are_one_segment(box_card, bright):
    result = drawn(box_card, bright, *(on_slice(bright.geometry, k, "left-kidney") for k in (4, 5, 9)))
    assert [(s.id, s.name) for s in result.table] == [("left-kidney", "Left kidney")]
    assert np.flatnonzero(result.mask_of("left-kidney").any(axis=(1, 2))).tolist() == [4, 5, 9]


def test_segments_lie_in_one_layer_unless_they_overlap(box_card, bright):
    boxes = [on_slice(bright.geometry, 9, "a"), on_slice(bright.geometry, 10, "b"), on_slice(bright.geometry, 9, "c")]
    result = drawn(box_card, bright, *boxes)
    assert [segment.layer for segment in result.table] == [0, 0, 1]
    assert np.array_equal(result.mask_of("a"), result.mask_of("c"))
    assert len({segment.color for segment in result.table}) == 3


def test_a_box_may_lie_on_a_slice_across_any_axis(own_home, tmp_path, bright):
    card = trusted_box_card(tmp_path, longest=SHAPE[1])
    box = box_of_voxels(bright.geometry, (12, 3, 2), (12, 20, 17), "object")
    expected = np.zeros(SHAPE, dtype=bool)
    expected[2:18, 3:21, 12] = bright.voxels[0][2:18, 3:21, 12] > 0.5
    assert np.array_equal(drawn(card, bright, box).mask_of("object"), expected)


@pytest.mark.parametrize("edge", [48, 20])
def test_a_plane_of_another_size_comes_back_within_a_pixel(box_card, edge):
    image, inside = ball((9, edge, edge - 7), (1.0, 1.0, 2.0), radius_mm=edge / 4)
    box = box_of_voxels(image.geometry, (0, 0, 4), (edge - 8, edge - 1, 4), "object")
    found = drawn(box_card, image, box).mask_of("object")[4]
    assert 2 * np.count_nonzero(found & inside[4]) / (np.count_nonzero(found) + np.count_nonzero(inside[4])) > 0.93


def test_a_picture_without_a_place_takes_a_box_too(box_card):
    picture = Image(np.ones((1, 1, 30, 32), dtype=np.float32), Geometry((1, 30, 32), np.eye(4), UNKNOWN))
    box = box_of_voxels(picture.geometry, (3, 4, 0), (9, 11, 0), "object")
    assert np.count_nonzero(drawn(box_card, picture, box).mask_of("object")) == 7 * 8


def test_a_region_of_interest_is_what_the_network_sees(box_card, bright, in_the_box):
    low, high = bright.geometry.lps_of([[0, 0, 0], [31, 23, 19]])
    whole = Box(tuple(np.minimum(low, high) - 30), tuple(np.maximum(low, high) + 30))
    result = drawn(box_card, bright, on_slice(bright.geometry), roi=whole)
    assert np.array_equal(result.mask_of("object"), in_the_box)


def test_an_image_under_a_transform_takes_boxes_of_the_world(box_card, bright, in_the_box):
    turned = np.eye(4)
    turned[:3] = [[0, -1, 0, 40], [1, 0, 0, -7], [0, 0, 1, 3]]
    rows = tuple(tuple(float(v) for v in row) for row in turned)
    box = on_slice(bright.geometry.transformed(turned))
    job = job_of(box_card, box, inputs={"image": InputRef(handle="x", lps_to_world=rows)})
    assert np.array_equal(run(job, bright, Networks()).mask_of("object"), in_the_box)


def job_of(card, *prompts, **changed):
    job = Job(
        "segment",
        {"image": InputRef(handle="x")},
        card=CardRef(str(card)),
        prompts=prompts,
        device="cpu",
        backend="torch",
    )
    return replace(job, **changed)


def run(job, image, networks):
    reporter = Reporter(
        job.case, lambda event: None, lambda: False, {"read": 1.0, "load": 1.0, "draw": 1.0, "measure": 1.0}
    )
    return run_job(job, reporter, {"x": image}, networks=networks).made


def seen_before(result):
    return [step.found["slices_seen_before"] for step in result.provenance.steps if step.step["kind"] == "draw"]


def test_a_further_box_on_a_slice_needs_no_second_look_at_it(box_card, bright):
    networks = Networks(4)
    first = run(job_of(box_card, on_slice(bright.geometry)), bright, networks)
    second = run(
        job_of(box_card, on_slice(bright.geometry, last=(25, 20)), on_slice(bright.geometry, 3)), bright, networks
    )
    assert (seen_before(first), seen_before(second)) == ([0], [1])


def test_numbers_are_given_where_they_are_asked_for(box_card, bright, in_the_box):
    result = drawn(box_card, bright, on_slice(bright.geometry), probabilities=True, uncertainty=True)
    assert np.array_equal(result.probabilities["object"] > 0.5, in_the_box)
    entropy = result.uncertainty["entropy"]
    assert (entropy[9] > 0).all() and not entropy[8].any() and entropy.max() < 0.01


def test_a_box_that_holds_nothing_is_told(box_card, bright):
    dark = bright.with_voxels(np.zeros_like(bright.voxels))
    warnings = drawn(box_card, dark, on_slice(bright.geometry, 2), on_slice(bright.geometry, 3)).provenance.warnings
    assert [text for text in warnings if "box" in text] == [f"E607: nothing found in box {n}" for n in (1, 2)]


def test_boxes_that_do_not_lie_on_the_image_are_refused(box_card, bright):
    def between(first, last):
        return refusal(box_card, bright, box_of_voxels(bright.geometry, first, last, "object"))

    assert between((2, 2, 3), (9, 9, 6)) == ("E102", "box 1 lies on no slice of the image")
    assert between((2, 2, 3), (2, 9, 3)) == ("E102", "box 1 has no area")
    assert (
        between((2, 2, 40), (9, 9, 40)) == between((50, 2, 4), (59, 9, 4)) == ("E102", "box 1 lies outside the image")
    )


def test_a_model_gets_boxes_just_when_it_asks_for_them(box_card, bright_card, bright):
    assert refusal(box_card, bright)[1] == "this model needs a box"
    assert refusal(bright_card, bright, on_slice(bright.geometry))[1] == "this model takes no boxes"


@pytest.mark.parametrize("wrong", [{"segment": "../liver"}, {"segment": ""}, {"corner_lps_mm": (0, 0, float("nan"))}])
def test_a_box_needs_a_name_and_finite_corners(wrong):
    with pytest.raises(MedDLError) as caught:
        BoxPrompt(**({"corner_lps_mm": (0, 0, 0), "opposite_lps_mm": (1, 1, 0)} | wrong))
    assert caught.value.code == "E102"


def test_a_model_that_draws_boxes_is_no_stage_of_another(box_card):
    with pytest.raises(MedDLError) as caught:
        run_card(read_card(box_card), {}, Run("cpu", Reporter("case", lambda event: None, lambda: False, {})))
    assert caught.value.code == "E401"


def test_a_plan_counts_the_slices_that_have_boxes(box_card, bright):
    boxes = tuple(on_slice(bright.geometry, k) for k in (4, 4, 9))
    plan = plan_run(read_card(box_card), bright.geometry, prompts=boxes)
    assert (plan.tiles, plan.stages[0].tile_kji) == (2, (1, 32, 32))
    assert not quality_has_effect(read_card(box_card))

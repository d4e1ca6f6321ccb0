"""The segment task on images whose answer is known: results lie where the image lies."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import MedDLLogic
from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.job import Box
from MedDLLogic.models.registry import read_card
from MedDLLogic.models.store import trust
from MedDLLogic.recipe import Recipe
from MedDLLogic.records import parse_json

from ..geometries import axis_orders, grid, stored_as
from ..small_models import ball, card_json, input_json, make_bright_card, save_card, segment_json


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def trusted_card(folder, **options):
    from MedDLLogic.models.registry import read_card
    from MedDLLogic.models.store import trust

    path = make_bright_card(folder, **options)
    trust(stage.weights.sha256 for stage in read_card(path).card.network_stages)
    return str(path)


def test_the_mask_is_the_bright_ball(bright_card):
    image, inside = ball()
    result = MedDLLogic.segment(image, model=str(bright_card))
    assert np.array_equal(result.mask_of("bright"), inside)
    assert result.geometry == image.geometry


SPATIAL_STEPS = {
    "orient": [{"kind": "orient", "codes": "SAR"}],
    "crop and pad": [{"kind": "foreground"}, {"kind": "crop_to_mask", "margin_mm": 3}, {"kind": "pad", "multiple": 16}],
    "flip": [{"kind": "flip", "axes": ["i", "k"]}],
}
RESAMPLING_STEPS = {
    "spacing": [{"kind": "orient", "codes": "LPS"}, {"kind": "resample_to_spacing", "spacing_ijk_mm": [0.8, 1.3, 1.1]}],
    "shape": [{"kind": "resample_to_shape", "shape_kji": [30, 32, 34]}],
    "rotation": [{"kind": "rotate", "degrees_ijk": [10, -7, 25]}],
}


@pytest.mark.parametrize("recipe", SPATIAL_STEPS.values(), ids=SPATIAL_STEPS)
def test_steps_that_only_reorder_are_undone_exactly(own_home, tmp_path, recipe):
    image, inside = ball()
    result = MedDLLogic.segment(image, model=trusted_card(tmp_path, recipe=recipe))
    assert np.array_equal(result.mask_of("bright"), inside)


@pytest.mark.parametrize("recipe", RESAMPLING_STEPS.values(), ids=RESAMPLING_STEPS)
def test_steps_that_resample_are_undone_within_half_a_voxel(own_home, tmp_path, recipe):
    image, inside = ball(radius_mm=9.0)
    result = MedDLLogic.segment(image, model=trusted_card(tmp_path, recipe=recipe))
    assert dice(result.mask_of("bright"), inside) > 0.97


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=axis_orders, degrees=st.tuples(*[st.floats(-20, 20)] * 3))
def test_a_head_stored_in_another_axis_order_gives_the_same_voxels(bright_card, order, degrees):
    image, _ = ball(geometry=grid((18, 20, 22), (1.0, 1.2, 2.0), degrees))
    plain = MedDLLogic.segment(image, model=str(bright_card))
    voxels, geometry = stored_as(image.voxels[0], image.geometry, *order)
    other = MedDLLogic.segment(image.with_voxels(voxels[None], geometry), model=str(bright_card))
    assert other.geometry.is_same_grid(geometry)
    expected, _ = stored_as(plain.layers[0], image.geometry, *order)
    assert np.array_equal(other.layers[0], expected)


def test_only_the_region_of_interest_is_searched(bright_card):
    image, inside = ball()
    x, y, z = image.geometry.center_lps_mm
    result = MedDLLogic.segment(image, model=str(bright_card), roi=Box((x, y - 90, z - 90), (x + 90, y + 90, z + 90)))
    right_half = image.geometry.lps_of([[i, 0, 0] for i in range(inside.shape[2])])[:, 0] >= x
    assert np.array_equal(result.mask_of("bright"), inside & right_half)


def test_a_region_outside_the_image_is_refused(bright_card):
    with pytest.raises(MedDLError, match=r"E102.*region"):
        MedDLLogic.segment(ball()[0], model=str(bright_card), roi=Box((900, 900, 900), (901, 901, 901)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused_unless_a_value_is_given(bright_card, value):
    image, inside = ball()
    voxels = image.voxels.copy()
    voxels[0, 0, 0, 0] = value
    with pytest.raises(MedDLError, match=r"E309"):
        MedDLLogic.segment(image.with_voxels(voxels), model=str(bright_card))
    result = MedDLLogic.segment(image.with_voxels(voxels), model=str(bright_card), nan_fill=0.0)
    assert np.array_equal(result.mask_of("bright"), inside)
    assert any(warning.startswith("E309") for warning in result.provenance.warnings)


def test_volumes_are_counted_in_millilitres(bright_card):
    image, inside = ball(spacing_ijk_mm=(1.0, 1.0, 2.0))
    result = MedDLLogic.segment(image, model=str(bright_card))
    volume = next(m for m in result.measurements if m.quantity == "volume")
    assert (volume.value, volume.unit) == (pytest.approx(np.count_nonzero(inside) * 2 / 1000), "ml")


def test_a_picture_without_millimetres_has_no_volume(bright_card):
    image, _ = ball(geometry=Geometry((1, 40, 40), np.eye(4), UNKNOWN), radius_mm=9.0)
    result = MedDLLogic.segment(image, model=str(bright_card))
    assert {m.quantity for m in result.measurements} == {"voxels", "mean", "sd"}


def test_nothing_found_is_a_result_too(bright_card):
    image, _ = ball()
    result = MedDLLogic.segment(image.with_voxels(np.zeros_like(image.voxels)), model=str(bright_card))
    assert not result.layers[0].any()
    assert [m.quantity for m in result.measurements] == ["voxels", "volume"]


def test_probabilities_come_on_the_grid_of_the_image_when_asked_for(bright_card):
    image, inside = ball()
    result = MedDLLogic.segment(image, model=str(bright_card), probabilities=True)
    assert np.array_equal(result.probabilities["bright"] > 0.5, inside)


def test_how_unsure_the_model_is_comes_when_asked_for(bright_card):
    image, _ = ball()
    result = MedDLLogic.segment(image, model=str(bright_card), uncertainty=True)
    entropy = result.uncertainty["entropy"]
    assert list(result.uncertainty) == ["entropy"] and 0 <= entropy.min() and entropy.max() <= 1
    rim = (image.voxels[0] > 0) & (image.voxels[0] < 1)
    assert entropy[rim].min() > 0 == entropy[~rim].max()


def test_predictions_that_are_averaged_have_a_variance(unet_card):
    card = json.loads(unet_card.read_text())
    card["stages"][0]["tiling"]["mirror_axes"] = ["i", "k"]
    unet_card.write_text(json.dumps(card))
    image, _ = ball()
    two = {"first": image, "second": image.with_voxels(1 - image.voxels)}
    result = MedDLLogic.segment(two, model=str(unet_card), mirroring=True, uncertainty=True)
    assert result.uncertainty["variance"].max() > 0 and result.uncertainty["variance"].shape == image.voxels.shape[1:]
    assert result.provenance.steps[-1].found["mirrored_axes"] == ["i", "k"]


def test_the_record_says_who_computed_and_how(unet_card):
    image, _ = ball()
    result = MedDLLogic.segment({"first": image, "second": image}, model=str(unet_card), precision="reference")
    step = next(step for step in result.provenance.steps if step.step["kind"] == "predict")
    told = {key: step.found[key] for key in ("backend", "precision", "device", "members", "mirrored_axes", "rung")}
    assert told == {
        "backend": "torch",
        "precision": "reference",
        "device": "cpu",
        "members": 1,
        "mirrored_axes": [],
        "rung": "planned",
    }
    assert step.found["tiles"] == MedDLLogic.plan_segment({"first": image, "second": image}, model=str(unet_card)).tiles


def no_memory(shape, dtype):
    raise MemoryError


def test_short_of_memory_the_run_goes_on_over_the_disk_and_says_so(unet_card, monkeypatch):
    images = {"first": ball()[0], "second": ball()[0]}
    usual = MedDLLogic.segment(images, model=str(unet_card))
    monkeypatch.setattr("MedDLLogic.inference.ladder.in_memory", no_memory)
    told = []
    short = MedDLLogic.segment(images, model=str(unet_card), on_event=told.append)
    assert short.layers[0].tobytes() == usual.layers[0].tobytes()
    assert [event.code for event in told if event.kind == "warning"] == ["E502"]
    assert short.provenance.steps[-1].found["rung"] == "accumulate-on-disk"
    assert any("E502" in warning for warning in short.provenance.warnings)


def test_volumes_of_numbers_that_are_many_lie_on_the_disk(bright_card, monkeypatch):
    image, _ = ball()
    usual, large = [], []
    for made in (usual, large):
        result = MedDLLogic.segment(image, model=str(bright_card), probabilities=True)
        made.append(result.probabilities["bright"])
        monkeypatch.setattr("MedDLLogic.tasks.stages.MOST_IN_MEMORY", 0)
    assert isinstance(large[0].base, np.memmap) and not isinstance(usual[0].base, np.memmap)
    assert np.array_equal(usual[0], large[0])


def two_stages(folder, bright_card, second):
    """A card whose second stage makes a segment of its own, of the image after the steps ``second``."""
    inner = json.loads(bright_card.read_text())
    stage = inner["stages"][0] | {"name": "again", "recipe": second}
    stage["decode"] = {"rule": "threshold", "channels": ["", "other"]}
    segments = [segment_json("bright", 1), segment_json("other", 2)]
    return save_card(folder, inner | {"name": "twice", "stages": [inner["stages"][0], stage], "segments": segments})


def test_two_networks_may_share_a_layer(bright_card, tmp_path):
    image, inside = ball()
    dark = [{"kind": "linear", "scale": -1, "shift": 1}]
    result = MedDLLogic.segment(image, model=str(two_stages(tmp_path, bright_card, dark)))
    assert np.array_equal(result.layers[0] == 1, inside)
    assert np.array_equal(result.layers[0] == 2, image.voxels[0] < 0.5)


def test_two_networks_that_claim_the_same_voxel_of_a_layer_are_refused(bright_card, tmp_path):
    with pytest.raises(MedDLError, match=r"E402.*other"):
        MedDLLogic.segment(ball()[0], model=str(two_stages(tmp_path, bright_card, [])))


def test_the_record_names_what_the_result_hangs_on(bright_card):
    provenance = MedDLLogic.segment(ball()[0], model=str(bright_card), seed=3).provenance
    assert len(provenance.card_sha256) == len(provenance.input_sha256["image"]) == 64
    assert provenance.weights_sha256 and provenance.seed == 3 and provenance.versions["torch"]


def test_two_runs_give_the_same_bytes(unet_card):
    image, _ = ball()
    two = {"first": image, "second": image.with_voxels(1 - image.voxels)}
    first, second = (MedDLLogic.segment(two, model=str(unet_card)).layers[0] for _ in range(2))
    assert first.tobytes() == second.tobytes() and first.dtype == np.uint16


def test_a_channel_on_another_grid_is_resampled_onto_the_first_by_its_place(unet_card):
    image, _ = ball()
    shifted = image.geometry.cropped((-2, 3, -1), (30, 24, 26))
    other = ball(geometry=shifted)[0]
    moved = Image(np.asarray(ball()[0].voxels), image.geometry)
    from MedDLLogic.preprocess.grid import regrid

    on_shifted = Image(regrid(moved.voxels, image.geometry, shifted), shifted)
    same = MedDLLogic.segment({"first": image, "second": moved}, model=str(unet_card))
    there = MedDLLogic.segment({"first": image, "second": on_shifted}, model=str(unet_card))
    assert other.geometry == shifted
    assert there.geometry == image.geometry
    assert any("resampled" in warning for warning in there.provenance.warnings)
    covered = regrid(np.ones(shifted.shape_kji, dtype=bool), shifted, image.geometry, "nearest")
    assert np.mean(same.layers[0][covered] == there.layers[0][covered]) > 0.95


def test_a_channel_from_another_frame_of_reference_needs_a_yes(unet_card):
    image, _ = ball()
    one = Image(image.voxels, image.geometry, frame_of_reference="1.2.3")
    other = Image(image.voxels, image.geometry, frame_of_reference="1.2.4")
    with pytest.raises(MedDLError, match=r"E331.*frame"):
        MedDLLogic.segment({"first": one, "second": other}, model=str(unet_card))
    assert MedDLLogic.segment({"first": one, "second": other}, model=str(unet_card), allow_other_frame=True)


def test_a_channel_elsewhere_in_space_is_refused(unet_card):
    image, _ = ball()
    far = image.with_voxels(image.voxels, image.geometry.cropped((900, 0, 0), image.geometry.shape_kji))
    with pytest.raises(MedDLError, match=r"E331.*overlap"):
        MedDLLogic.segment({"first": image, "second": far}, model=str(unet_card))


def test_a_missing_channel_is_named(unet_card):
    with pytest.raises(MedDLError, match=r"E331.*second"):
        MedDLLogic.segment({"first": ball()[0]}, model=str(unet_card))


def test_another_modality_than_the_model_wants_is_told(bright_card):
    image, _ = ball()
    ct = Image(image.voxels, image.geometry, modality="CT")
    assert any("MR" in text for text in MedDLLogic.segment(ct, model=str(bright_card)).provenance.warnings)


def test_a_cancel_ends_the_run_with_its_own_code(bright_card):
    with pytest.raises(MedDLError, match=r"E602"):
        MedDLLogic.segment(ball()[0], model=str(bright_card), is_cancelled=lambda: True)


def test_progress_only_grows_and_ends_at_one(unet_card):
    image, _ = ball()
    told = []
    MedDLLogic.segment({"first": image, "second": image}, model=str(unet_card), on_event=told.append)
    fractions = [event.fraction for event in told if event.kind == "progress"]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_the_models_first_role_gives_the_grid_in_whatever_order_the_images_come(unet_card):
    first, second = ball()[0], ball(shape_kji=(30, 24, 18))[0]
    one, other = (
        MedDLLogic.segment(images, model=str(unet_card))
        for images in ({"first": first, "second": second}, {"second": second, "first": first})
    )
    assert one.geometry == other.geometry == first.geometry
    assert one.layers[0].tobytes() == other.layers[0].tobytes()


def test_a_region_in_millimetres_needs_an_image_that_has_them(bright_card):
    image, _ = ball(geometry=Geometry((1, 40, 40), np.eye(4), UNKNOWN), radius_mm=9.0)
    with pytest.raises(MedDLError, match=r"E330"):
        MedDLLogic.segment(image, model=str(bright_card), roi=Box((0, 0, 0), (9, 9, 9)))


@pytest.mark.parametrize("far", [900.0, 1e300])
def test_a_region_that_reaches_far_beyond_the_image_is_the_whole_image(bright_card, far):
    image, inside = ball()
    result = MedDLLogic.segment(image, model=str(bright_card), roi=Box((-far,) * 3, (far,) * 3))
    assert np.array_equal(result.mask_of("bright"), inside)


def test_a_card_that_runs_another_keeps_only_what_that_one_promises(own_home, tmp_path):
    inner = json.loads(Path(trusted_card(tmp_path)).read_text())
    inner["stages"][0]["decode"] = {"rule": "argmax", "channels": ["dark", "bright"]}
    save_card(tmp_path, inner)
    use = {"kind": "card", "name": "inner", "card": "bright", "inputs": {"image": {"role": "image"}}}
    dark = use | {"name": "again", "inputs": {"image": {"role": "image", "within": "dark"}}}
    outer = save_card(tmp_path, inner | {"name": "outer", "stages": [use, dark]})
    with pytest.raises(MedDLError, match=r"E401.*dark"):
        MedDLLogic.segment(ball()[0], model=str(outer))


def test_a_recipe_from_a_script_gives_the_image_on_the_recipes_grid():
    recipe = parse_json(Recipe, '{"steps": [{"kind": "orient", "codes": "RAS"}, {"kind": "linear", "scale": 2}]}')
    image, _ = ball()
    made = MedDLLogic.run_recipe(image, recipe=recipe)
    assert made.geometry == image.geometry.reoriented("RAS") and made.voxels.dtype == np.float32
    assert np.array_equal(made.voxels[0], 2 * image.voxels[0, :, ::-1, ::-1])


def test_a_modality_that_is_none_is_not_repeated_since_it_may_be_a_name(bright_card):
    odd = Image(ball()[0].voxels, ball()[0].geometry, modality="DOE^JOHN")
    warnings = MedDLLogic.segment(odd, model=str(bright_card)).provenance.warnings
    assert warnings and "DOE" not in " ".join(warnings)


def test_a_picture_without_millimetres_is_refused_where_the_model_needs_them(unet_card):
    image, _ = ball(geometry=Geometry((1, 40, 40), np.eye(4), UNKNOWN), radius_mm=9.0)
    with pytest.raises(MedDLError, match=r"E330"):
        MedDLLogic.segment({"first": image, "second": image}, model=str(unet_card))


def test_an_implausible_volume_is_a_result_with_a_doubt(bright_card):
    card = json.loads(bright_card.read_text()) | {"plausible_ml": {"bright": [100, 200]}}
    bright_card.write_text(json.dumps(card))
    told = []
    result = MedDLLogic.segment(ball()[0], model=str(bright_card), on_event=told.append)
    assert any(warning.startswith("E608") for warning in result.provenance.warnings)
    assert [event.code for event in told if event.kind == "warning"] == ["E608"]


def test_a_plausible_volume_raises_no_doubt(bright_card):
    card = json.loads(bright_card.read_text()) | {"plausible_ml": {"bright": [0.1, 200]}}
    bright_card.write_text(json.dumps(card))
    assert MedDLLogic.segment(ball()[0], model=str(bright_card)).provenance.warnings == ()


def test_what_a_card_finds_in_a_cut_out_lies_within_the_cut(bright_card, tmp_path):
    smoothed = make_bright_card(
        tmp_path, name="smooth", recipe=[{"kind": "gaussian", "sigma_mm": 3}, {"kind": "linear", "scale": 3}]
    )
    read = [read_card(path) for path in (bright_card, smoothed)]
    trust(stage.weights.sha256 for found in read for stage in found.card.network_stages)
    stages = [
        {"kind": "card", "name": "cut", "card": "bright", "inputs": {"image": {"role": "image"}}},
        {
            "kind": "card",
            "name": "inside",
            "card": "smooth",
            "inputs": {"image": {"role": "image", "within": "bright"}},
        },
    ]
    chain = card_json("chain", inputs=[input_json("image")], stages=stages, segments=[segment_json("bright")])
    image, inside = ball()
    alone = MedDLLogic.segment(image, model=str(smoothed)).mask_of("bright")
    found = MedDLLogic.segment(image, model=str(save_card(tmp_path, chain))).mask_of("bright")
    assert (alone & ~inside).any() and found.any() and not (found & ~inside).any()

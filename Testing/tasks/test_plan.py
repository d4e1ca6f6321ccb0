"""Plans against what runs really did: grids, tiles, seconds and memory."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import MedDLLogic
from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.job import Box, Computing
from MedDLLogic.models.registry import find_card, read_card
from MedDLLogic.models.store import trust
from MedDLLogic.tasks import history
from MedDLLogic.tasks.history import PastRun, StageTimes
from MedDLLogic.tasks.plan import can_mirror, plan_run, planned_stages, predictions, quality_has_effect, rough_bytes

from ..geometries import grid
from ..small_models import ball, card_json, input_json, make_bright_card, make_unet_card, save_card, segment_json

ON_CPU = Computing("cpu")
IMAGE, LONG = ball()[0], ball(shape_kji=(24, 44, 20))[0]


def bright(folder, **options):
    path = make_bright_card(folder, **options)
    trust(stage.weights.sha256 for stage in read_card(path).card.network_stages)
    return path


def prediction(result, stage=""):
    return next(s for s in result.provenance.steps if s.step["kind"] == "predict" and s.stage.endswith(stage))


RECIPES = {
    "orient": [{"kind": "orient", "codes": "SAR"}],
    "spacing": [{"kind": "orient", "codes": "LPS"}, {"kind": "resample_to_spacing", "spacing_ijk_mm": [0.8, 1.3, 1.1]}],
    "shape": [{"kind": "resample_to_shape", "shape_kji": [30, 32, 34]}],
    "box and pad": [
        {"kind": "crop_to_box", "start_kji": [-2, 3, 1], "shape_kji": [20, 21, 22]},
        {"kind": "pad", "min_shape_kji": [25, 1, 1], "multiple": 8},
    ],
    "flip and turn": [{"kind": "flip", "axes": ["i"]}, {"kind": "rotate", "degrees_ijk": [10, -7, 25]}],
    "shape after a crop": [
        {"kind": "foreground"},
        {"kind": "crop_to_mask", "margin_mm": 3},
        {"kind": "resample_to_shape", "shape_kji": [30, 32, 34]},
    ],
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("patch_kji", [None, [12, 10, 8]])
def test_the_planned_grid_and_tiles_are_those_of_the_run(own_home, tmp_path, recipe, patch_kji):
    path = str(bright(tmp_path, recipe=recipe, tiling={"patch_kji": patch_kji, "overlap": 0.5}))
    image, _ = ball(geometry=grid((18, 20, 22), (1.0, 1.2, 2.0), (5, -8, 12)))
    (planned,) = MedDLLogic.plan_segment(image, model=path).stages
    found = prediction(MedDLLogic.segment(image, model=path)).found
    assert (list(planned.shape_kji), planned.tiles) == (found["shape_kji"], found["tiles"])
    assert not planned.is_upper_bound


CROP = [{"kind": "foreground"}, {"kind": "crop_to_mask", "margin_mm": 2}]


def test_a_crop_that_only_voxels_tell_is_planned_as_the_whole_grid_until_a_run_taught_better(own_home, tmp_path):
    path = str(bright(tmp_path, recipe=CROP))
    before = MedDLLogic.plan_segment(IMAGE, model=path)
    found = prediction(MedDLLogic.segment(IMAGE, model=path)).found
    after = MedDLLogic.plan_segment(IMAGE, model=path)
    assert before.is_upper_bound and before.stages[0].shape_kji == IMAGE.geometry.shape_kji
    assert not after.is_upper_bound and list(after.stages[0].shape_kji) == found["shape_kji"] < list(before.shape_kji)


def test_the_networks_of_used_cards_are_planned_under_the_names_they_run_by(own_home, tmp_path, bright_card):
    stages = [{"kind": "card", "name": "again", "card": "bright", "inputs": {"image": {"role": "image"}}}]
    save_card(
        tmp_path, card_json("outer", inputs=[input_json("image")], stages=stages, segments=[segment_json("bright")])
    )
    path = str(tmp_path / "outer.json")
    (planned,) = MedDLLogic.plan_segment(IMAGE, model=path).stages
    assert planned.name == prediction(MedDLLogic.segment(IMAGE, model=path)).stage == "again: find"


def test_only_the_part_inside_the_region_is_planned(own_home, bright_card):
    x, y, z = IMAGE.geometry.center_lps_mm
    roi = Box((x, y - 90, z - 90), (x + 90, y + 90, z + 90))
    plan = MedDLLogic.plan_segment(IMAGE, model=str(bright_card), roi=roi)
    assert plan.shape_kji == (24, 28, 10)


def test_a_region_outside_the_image_and_a_picture_without_millimetres_are_refused_as_the_run_would(own_home, tmp_path):
    path = str(bright(tmp_path, recipe=RECIPES["spacing"]))
    with pytest.raises(MedDLError, match="E102"):
        MedDLLogic.plan_segment(IMAGE, model=path, roi=Box((900, 900, 900), (901, 901, 901)))
    with pytest.raises(MedDLError, match="E330"):
        plan_run(find_card(path), Geometry((1, 40, 40), np.eye(4), UNKNOWN))


def test_a_plan_needs_neither_weights_nor_trust(own_home, tmp_path):
    path = make_unet_card(tmp_path)
    (tmp_path / "two-channels.safetensors").unlink()
    assert plan_run(find_card(str(path)), IMAGE.geometry).tiles == 8


def test_before_the_first_run_nothing_is_said_of_time_and_memory_only_where_the_card_knows_its_network(
    own_home, unet_card, bright_card
):
    known, unknown = (plan_run(find_card(str(path)), IMAGE.geometry) for path in (unet_card, bright_card))
    assert (known.seconds, known.load_seconds, known.is_learned) == (None, None, False)
    assert known.memory_bytes > 400e6 and unknown.memory_bytes is None


def pair():
    return {"first": IMAGE, "second": IMAGE.with_voxels(1 - IMAGE.voxels)}


def test_after_a_run_the_plan_is_learned(unet_card):
    result = MedDLLogic.segment(pair(), model=str(unet_card), device="cpu")
    plan = MedDLLogic.plan_segment(pair(), model=str(unet_card), device="cpu")
    assert plan.is_learned and 0 < plan.seconds <= result.provenance.seconds + 5
    assert not MedDLLogic.plan_segment(pair(), model=str(unet_card), device="cuda:7").is_learned


def test_auto_is_planned_as_the_device_it_came_to_last(unet_card):
    MedDLLogic.segment(pair(), model=str(unet_card), device="cpu")
    assert not MedDLLogic.plan_segment(pair(), model=str(unet_card)).is_learned
    MedDLLogic.segment(pair(), model=str(unet_card))
    assert MedDLLogic.plan_segment(pair(), model=str(unet_card)).is_learned


@pytest.fixture
def learned(own_home, tmp_path):
    """A card in patches of 16 with one past run: 2 s to read, 1 s around the network and 8 s in it, 3 s to load."""
    found = find_card(str(make_unet_card(tmp_path)))
    rough = rough_bytes(IMAGE.geometry, planned_stages(found, IMAGE.geometry, ON_CPU), "cpu")
    stages = {
        "read": StageTimes({"": 2.0}),
        "divide": StageTimes({"prepare": 0.5, "load": 3.0, "network": 8.0, "": 0.5}, work=8 * 16**3),
        "write": StageTimes({"": 4.0}),
    }
    history.remember(PastRun(found.sha256, ON_CPU, 24 * 28 * 20, True, stages, 10**9, rough), "cpu")
    return found


def test_a_learned_plan_keeps_loading_and_writing_apart(learned):
    plan = plan_run(learned, IMAGE.geometry, ON_CPU)
    assert (plan.tiles, plan.seconds, plan.load_seconds, plan.write_seconds) == (8, pytest.approx(11), 3.0, 4.0)


def test_learned_seconds_grow_with_the_tiles_for_the_network_and_with_the_voxels_for_the_rest(learned):
    twice = Geometry((48, 28, 20), IMAGE.geometry.ijk_to_lps)
    plan = plan_run(learned, twice, ON_CPU)
    assert plan.seconds == pytest.approx(2 * 3 + 8 * 16 / 8) and plan.tiles == 16


@pytest.mark.parametrize(("quality", "tiles"), [("fast", 8), ("fine", 18)])
def test_a_quality_that_never_ran_is_foretold_from_the_others(learned, quality, tiles):
    plan = plan_run(learned, IMAGE.geometry, Computing("cpu", quality))
    assert plan.is_learned and plan.tiles == tiles and plan.seconds == pytest.approx(3 + 8 * tiles / 8)


def test_learned_memory_takes_the_place_of_the_formula_and_follows_the_size(learned):
    sizes = [Geometry((k, 28, 20), IMAGE.geometry.ijk_to_lps) for k in (24, 2400, 24000)]
    small, large, huge = (plan_run(learned, size, ON_CPU).memory_bytes for size in sizes)
    assert small == 10**9 < large < huge


def test_the_median_of_the_last_runs_counts_not_the_slowest(learned):
    (past,) = history.recall(learned.sha256, ON_CPU)
    slow = {**past.stages, "read": StageTimes({"": 500.0})}
    history.remember(replace(past, stages=slow), "cpu")
    history.remember(past, "cpu")
    assert plan_run(learned, IMAGE.geometry, ON_CPU).seconds == pytest.approx(11)


def test_mirroring_and_members_multiply_what_a_run_takes(learned):
    (stage,) = learned.card.network_stages
    both = replace(stage, tiling=replace(stage.tiling, mirror_axes=("i", "k")), ensemble=(sha("1"), sha("2")))
    assert [predictions(both, Computing(mirroring=m, members=n)) for m, n in ((False, 0), (True, 1), (True, 2))] == [
        3,
        4,
        8,
    ]
    assert not can_mirror(learned)


def sha(letter):
    (stage,) = find_card("tissue-t1").card.network_stages
    return replace(stage.weights, sha256=letter * 64)


def test_quality_has_an_effect_where_any_network_runs_in_patches(unet_card, bright_card):
    assert [quality_has_effect(find_card(str(path))) for path in (unet_card, bright_card)] == [True, False]
    assert not quality_has_effect(find_card("brain-tissue-t1"))


def test_fast_and_fine_change_the_tiles_and_hardly_the_mask_and_the_record_says_which(unet_card):
    images = {"first": LONG, "second": LONG.with_voxels(1 - LONG.voxels)}
    made = {q: MedDLLogic.segment(images, model=str(unet_card), quality=q) for q in ("fast", "standard", "fine")}
    steps = {quality: prediction(result) for quality, result in made.items()}
    assert {q: step.step["overlap"] for q, step in steps.items()} == {"fast": 0.125, "standard": 0.25, "fine": 0.625}
    assert [step.found["tiles"] for step in steps.values()] == [12, 16, 36]
    layers = [result.layers[0] for result in made.values()]
    assert all(0.9 < np.mean(layers[1] == other) < 1 for other in (layers[0], layers[2]))


def test_a_card_that_runs_others_without_number_is_refused_and_not_waited_for(own_home, tmp_path, bright_card):
    for level in range(12):
        use = {
            "kind": "card",
            "card": f"level-{level - 1}" if level else "bright",
            "inputs": {"image": {"role": "image"}},
        }
        stages = [use | {"name": "one"}, use | {"name": "two"}]
        card = card_json(
            f"level-{level}", inputs=[input_json("image")], stages=stages, segments=[segment_json("bright")]
        )
        save_card(tmp_path, card)
    with pytest.raises(MedDLError, match=r"E401.*too many"):
        plan_run(find_card(str(tmp_path / "level-11.json")), IMAGE.geometry)


def test_planning_imports_nothing_heavy():
    script = "import sys; from MedDLLogic.tasks.plan import plan_run, quality_has_effect; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    loaded = {name.split(".")[0] for name in told.stdout.split()}
    assert not loaded & {"torch", "monai", "scipy", "SimpleITK", "skimage", "pydicom", "PIL"}


def test_the_first_progress_of_a_run_that_was_learned_tells_the_time_left(unet_card):
    def remaining():
        told = []
        MedDLLogic.segment(pair(), model=str(unet_card), on_event=told.append)
        return [event.remaining_s for event in told if event.kind == "progress"]

    assert remaining()[0] is None
    assert remaining()[0] is not None

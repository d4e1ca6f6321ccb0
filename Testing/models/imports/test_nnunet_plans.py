"""Plans to a network and a recipe, new plans and old ones; what is not known is refused by its name."""

import json

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.nnunet_network import network_of
from MedDLLogic.models.imports.nnunet_plans import configurations_in, read_plans
from MedDLLogic.models.imports.nnunet_recipe import recipe_of, tiling_of
from MedDLLogic.recipe import (
    ApplyMask,
    Clip,
    CropToMask,
    Linear,
    MinMax,
    Nonzero,
    Orient,
    ResampleInBox,
    Transpose,
    ZScore,
)

from .nnunet_files import SAMPLER, old_configuration, plans_json


def plans(name="3d_fullres", outer=None, **changes):
    return read_plans(json.dumps(plans_json(**changes) | (outer or {})), name)


def refusal(**changes):
    with pytest.raises(MedDLError) as caught:
        recipe_of(plans(**changes), 1)
    return caught.value


def normalization(scheme, *, masked=False):
    return recipe_of(plans(normalization_schemes=[scheme], use_mask_for_norm=[masked]), 1)[2:-1]


def test_ct_is_clipped_and_scaled_by_the_foreground_of_the_training_data():
    assert normalization("CTNormalization") == (Clip(-100.0, 200.0), Linear(1 / 20.0, -40.0 / 20.0))


@pytest.mark.parametrize(
    ("scheme", "masked", "steps"),
    [
        ("ZScoreNormalization", False, (ZScore(),)),
        ("ZScoreNormalization", True, (ZScore("nonzero"), ApplyMask("nonzero"))),
        ("RescaleTo01Normalization", False, (MinMax(),)),
        ("RGBTo01Normalization", False, (Linear(1 / 255),)),
        ("NoNormalization", False, ()),
    ],
)
def test_every_scheme_of_nnunet_is_known(scheme, masked, steps):
    assert normalization(scheme, masked=masked) == steps


def test_channels_are_normalized_each_in_its_own_way():
    schemes = {"normalization_schemes": ["ZScoreNormalization", "NoNormalization", "RescaleTo01Normalization"]}
    recipe = recipe_of(plans(**schemes, use_mask_for_norm=[True, False, False]), 3)
    assert recipe[2:-1] == (ZScore("nonzero", (0,)), ApplyMask("nonzero", channels=(0,)), MinMax("", (2,)))
    assert recipe[0] == Nonzero("nonzero", filled=True)


def test_the_recipe_crops_first_and_resamples_last():
    recipe = recipe_of(plans(), 1)
    assert recipe[:2] == (Nonzero("nonzero"), CropToMask("nonzero"))
    assert recipe[-1] == ResampleInBox((1.5, 1.0, 2.0), "cubic", 3.0)


def test_planes_keep_the_distance_between_them():
    assert recipe_of(plans("2d"), 1)[-1] == ResampleInBox((1.5, 1.0, 0.0), "cubic", 3.0)


def test_axes_are_exchanged_as_the_plans_say():
    recipe = recipe_of(plans(outer={"transpose_forward": [2, 0, 1]}), 1)
    assert recipe[0] == Transpose(("j", "k", "i"))  # k, j, i run along the old i, k, j


@pytest.mark.parametrize("reader", ["NibabelIOWithReorient", "SimpleITKIOWithReorient"])
def test_readers_that_turn_images_turn_them_here_too(reader):
    assert recipe_of(plans(outer={"image_reader_writer": reader}), 1)[0] == Orient("RAS")


def test_planes_may_be_told_never_to_be_resampled_apart():
    options = SAMPLER["resampling_fn_data_kwargs"] | {"force_separate_z": False}
    assert recipe_of(plans(resampling_fn_data_kwargs=options), 1)[-1].apart_above is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"normalization_schemes": ["os.system"]}, "os.system"),
        ({"preprocessor_name": "MyPreprocessor"}, "MyPreprocessor"),
        ({"resampling_fn_data": "resample_torch_fornnunet"}, "resample_torch_fornnunet"),
        ({"outer": {"image_reader_writer": "NaturalImage2DIO"}}, "NaturalImage2DIO"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(changes, named):
    error = refusal(**changes)
    assert error.code == "E407" and named in error.why


@pytest.mark.parametrize(
    "changes",
    [
        {"normalization_schemes": []},
        {"use_mask_for_norm": [1]},
        {"patch_size": [8, 16.5, 16]},
        {"patch_size": [64]},
        {"spacing": [1.0, "wide", 1.0]},
        {"spacing": [1.0, float("nan"), 1.0]},
        {"inherits_from": "3d_fullres"},
        {"outer": {"transpose_forward": [0, 0, 1]}},
        {"outer": {"configurations": []}},
        {"outer": {"foreground_intensity_properties_per_channel": {"0": {"mean": 1.0}}}},
    ],
)
def test_plans_that_nnunet_never_wrote_are_refused(changes):
    assert refusal(**changes).code == "E401"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"configurations": 1}'])
def test_a_file_that_is_not_plans_is_refused(text):
    with pytest.raises(MedDLError) as caught:
        configurations_in(text)
    assert caught.value.code == "E401"


def test_old_plans_describe_the_same_network():
    new, old = plans(), plans(outer={"configurations": {"3d_fullres": old_configuration()}})
    assert network_of(new.configuration, 1, 3) == network_of(old.configuration, 1, 3)


@pytest.mark.parametrize("axes", [(3,), (-1,)])
def test_mirroring_along_an_axis_that_is_not_there_is_refused(axes):
    with pytest.raises(MedDLError) as caught:
        tiling_of(plans(), axes)
    assert caught.value.code == "E401"

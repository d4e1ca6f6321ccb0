from __future__ import annotations

import math
from typing import get_args

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.recipe import (
    ApplyMask,
    BiasField,
    Clahe,
    Clip,
    CropToBox,
    CropToMask,
    CurvatureDiffusion,
    DeviationsAboveMinimum,
    DisplayWindow,
    FillHoles,
    Flip,
    Foreground,
    Gaussian,
    LargestComponent,
    Linear,
    Median,
    MinMax,
    Nonzero,
    Orient,
    Pad,
    Percentile,
    PostStep,
    Recipe,
    RemoveSmall,
    ResampleFromFirst,
    ResampleInBox,
    ResampleToLongest,
    ResampleToShape,
    ResampleToSpacing,
    Rotate,
    Sharpen,
    Sigmoid,
    Smooth,
    SoftLimit,
    Step,
    SuppressBright,
    Transpose,
    Window,
    ZScore,
    ZScoreNonzero,
)
from MedDLLogic.records import from_json, to_json

NAN, INF = math.nan, math.inf

EVERY_STEP = (
    Orient("RAS"),
    ResampleToSpacing((1.0, 1.5, 2.0), "cubic"),
    ResampleFromFirst((1.0, 0.0, 2.0), 0.25, "nearest"),
    ResampleInBox((1.0, 0.0, 2.0), "linear", None),
    ResampleToShape((8, 9, 10)),
    CropToMask(margin_fraction=0.1, margin_mm=5.0, min_plane_fraction=0.01, margin_voxels=2),
    CropToBox((-1, 2, 3), (4, 5, 6)),
    Pad((16, 16, 16), 8, -1.0),
    ResampleToLongest(256),
    DisplayWindow(ct_high=300.0),
    Flip(("i", "k")),
    Transpose(("k", "j", "i")),
    Rotate((10.0, 0.0, -90.0)),
    Foreground(None, "head"),
    Nonzero("body", filled=True),
    ApplyMask("head", -1000.0, (1,)),
    Window(-160.0, 240.0),
    Clip(-100.0, 200.0, (0, 2)),
    Percentile(1.0, 99.0, "head"),
    ZScore("head", (0,)),
    ZScoreNonzero((0,)),
    DeviationsAboveMinimum((0,)),
    Sigmoid((0,)),
    SoftLimit(3.0, (0,)),
    MinMax("head", (0,)),
    Linear(2.0, 1.0, (3,)),
    SuppressBright(),
    BiasField(mask="head"),
    Gaussian(1.0),
    Median(2),
    CurvatureDiffusion(),
    Clahe(),
    Sharpen(),
)


def test_every_step_survives_its_json():
    recipe = Recipe(EVERY_STEP)
    assert from_json(Recipe, to_json(recipe), code="E103") == recipe


def test_the_list_above_names_every_step_and_no_two_share_a_kind():
    assert {type(step) for step in EVERY_STEP} == set(get_args(Step))
    kinds = [step.kind for step in (*get_args(Step), *get_args(PostStep))]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(
    ("step", "parameters"),
    [
        (Orient, {"codes": "RAX"}),
        (Orient, {"codes": "RLA"}),
        (Orient, {"codes": ""}),
        (ResampleToSpacing, {"spacing_ijk_mm": (1.0, NAN, 1.0)}),
        (ResampleToSpacing, {"spacing_ijk_mm": (1.0, 0.0, 1.0)}),
        (ResampleToSpacing, {"spacing_ijk_mm": (1.0, INF, 1.0)}),
        (ResampleToSpacing, {"spacing_ijk_mm": (1.0, 1.0)}),
        (ResampleInBox, {"spacing_ijk_mm": (1.0, -1.0, 1.0)}),
        (ResampleInBox, {"spacing_ijk_mm": (1.0, 0.0005, 1.0)}),
        (ResampleInBox, {"spacing_ijk_mm": (1.0, 1.0, 1.0), "apart_above": 0.5}),
        (ResampleInBox, {"spacing_ijk_mm": (1.0, 1.0, 1.0), "apart_above": NAN}),
        (ResampleToShape, {"shape_kji": (0, 1, 1)}),
        (ResampleToShape, {"shape_kji": (1, 1, 2049)}),
        (ResampleToShape, {"shape_kji": (1, 1)}),
        (CropToMask, {"mask": " "}),
        (CropToMask, {"margin_fraction": -0.1}),
        (CropToMask, {"margin_mm": NAN}),
        (CropToMask, {"min_plane_fraction": 1.0}),
        (CropToBox, {"start_kji": (0, 0, 10**6), "shape_kji": (1, 1, 1)}),
        (CropToBox, {"start_kji": (0, 0, 0), "shape_kji": (1, 1, 0)}),
        (CropToBox, {"start_kji": (0, 0, 0), "shape_kji": (1, 1, 1), "fill": NAN}),
        (Pad, {"multiple": 0}),
        (Pad, {"min_shape_kji": (1, 1, 5000)}),
        (Flip, {"axes": ()}),
        (Flip, {"axes": ("i", "i")}),
        (Flip, {"axes": ("x",)}),
        (Rotate, {"degrees_ijk": (0.0, NAN, 0.0)}),
        (Rotate, {"degrees_ijk": (0.0, 361.0, 0.0)}),
        (Foreground, {"above": NAN}),
        (Foreground, {"name": ""}),
        (Nonzero, {"name": ""}),
        (ApplyMask, {"outside": INF}),
        (ApplyMask, {"channels": (1, 1)}),
        (Window, {"low": 1.0, "high": 1.0}),
        (Window, {"low": -INF, "high": 1.0}),
        (Window, {"low": 1.0, "high": NAN}),
        (Percentile, {"low": 60.0, "high": 50.0}),
        (Percentile, {"high": 101.0}),
        (Clip, {"low": 2.0, "high": 1.0}),
        (Clip, {"low": NAN, "high": 1.0}),
        (ZScore, {"channels": (-1,)}),
        (MinMax, {"channels": (256,)}),
        (Linear, {"channels": (0, 0)}),
        (Linear, {"scale": INF}),
        (SuppressBright, {"deviations": 0.0}),
        (SuppressBright, {"bins": 8}),
        (BiasField, {"shrink": 0}),
        (BiasField, {"iterations": ()}),
        (BiasField, {"iterations": (50, 0)}),
        (Gaussian, {"sigma_mm": 0.0}),
        (Gaussian, {"sigma_mm": NAN}),
        (Median, {"radius_voxels": 6}),
        (CurvatureDiffusion, {"time_step": 0.1}),
        (CurvatureDiffusion, {"conductance": INF}),
        (Clahe, {"clip_limit": 0.0}),
        (Clahe, {"tiles": 65}),
        (Sharpen, {"amount": -1.0}),
        (RemoveSmall, {"min_volume_mm3": 0.0}),
        (Smooth, {"sigma_mm": 21.0}),
    ],
)
def test_a_step_with_a_parameter_that_cannot_be_is_refused(step, parameters):
    with pytest.raises(MedDLError) as caught:
        step(**parameters)
    assert caught.value.code == "E103"


def test_a_recipe_with_an_unknown_step_is_refused():
    with pytest.raises(MedDLError) as caught:
        from_json(Recipe, {"steps": [{"kind": "orient", "codes": "RAS"}, {"kind": "teleport"}]}, code="E103")
    assert "steps[1].kind" in caught.value.why


def test_cleaning_steps_hold_for_all_segments_unless_some_are_named():
    assert LargestComponent().segments == FillHoles().segments == ()

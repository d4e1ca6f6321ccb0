from __future__ import annotations

import json
import subprocess
import sys
from typing import get_args

import nibabel
import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Reporter
from MedDLLogic.geometry import Geometry, flip_lps_ras
from MedDLLogic.preprocess.grid import regrid
from MedDLLogic.preprocess.run import STEP_FUNCTIONS, apply_recipe
from MedDLLogic.recipe import (
    CropToMask,
    Foreground,
    Gaussian,
    Orient,
    Percentile,
    ResampleToShape,
    Step,
    Window,
    ZScore,
)
from MedDLLogic.records import to_json, to_json_text
from Testing.preprocess.working_images import counted, noise, working


def test_every_step_of_the_recipe_can_be_carried_out():
    assert set(STEP_FUNCTIONS) == set(get_args(Step))


def test_each_step_is_recorded_with_its_parameters_and_findings():
    steps = (Foreground(None), CropToMask(), ZScore("foreground"))
    _, applied = apply_recipe(steps, working(noise()), stage="brain")
    assert [record.step for record in applied] == [to_json(step) for step in steps]
    assert {record.stage for record in applied} == {"brain"}
    assert all(record.found and record.seconds >= 0 for record in applied)


def test_the_record_can_be_written_as_json():
    _, applied = apply_recipe((Orient("RAS"), Percentile(), Gaussian(1.0)), working(noise()))
    assert json.loads(to_json_text(applied))[0]["found"]["came_as"] == "LPS"


def test_no_step_changes_the_image_that_came_in():
    voxels = noise()
    image = working(voxels)
    apply_recipe((Window(0.0, 1.0), ZScore(), Orient("RAS")), image)
    assert np.array_equal(image.voxels[0], noise())


def test_a_recipe_without_steps_changes_nothing():
    image = counted()
    assert apply_recipe((), image) == (image, ())


def test_whole_numbers_become_float32():
    assert working(np.arange(24, dtype=np.uint16).reshape(2, 3, 4)).voxels.dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 2e30])
def test_values_that_cannot_be_computed_with_are_refused(value):
    with pytest.raises(MedDLError) as caught:
        working(np.array([0.0, value, 1.0]).reshape(1, 1, 3))
    assert caught.value.code == "E309"


@pytest.mark.parametrize("mask", [np.ones((4, 5, 7), dtype=bool), np.ones((4, 5, 6), dtype=np.uint8)])
def test_a_mask_that_does_not_lie_on_the_image_is_refused(mask):
    with pytest.raises(MedDLError) as caught:
        counted(m=mask)
    assert caught.value.code == "E332"


def test_progress_is_told_after_each_step():
    told = []
    clock = iter(range(100))
    reporter = Reporter("case", told.append, stages={"prepare": 1}, clock=lambda: float(next(clock)))
    with reporter.stage("prepare"):
        apply_recipe((Window(0.0, 1.0), ZScore()), working(noise()), reporter)
    assert [event.fraction for event in told] == [0.0, 0.5, 1.0, 1.0]


def test_a_wish_to_cancel_ends_the_run_between_two_steps():
    asked = iter([False, False, True])
    reporter = Reporter("case", lambda event: None, lambda: next(asked))
    with pytest.raises(MedDLError) as caught:
        apply_recipe((Window(0.0, 1.0), ZScore(), ZScore()), working(noise()), reporter)
    assert caught.value.code == "E602"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory can be limited on Linux only")
@pytest.mark.parametrize("step", ["ResampleToShape((1024, 1024, 1024))", "Pad((1024, 1024, 1024))"])
def test_too_little_memory_is_told_as_such(step):
    program = f"""
import resource
from MedDLLogic.preprocess.run import apply_recipe
from MedDLLogic.recipe import Pad, ResampleToShape
from Testing.preprocess.working_images import noise, working
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
apply_recipe(({step},), working(noise()))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MEDDL-E502: not enough memory" in ended.stderr


@pytest.fixture(scope="module")
def a_real_head(real_data):
    """A T1 of 256 x 256 x 256 voxels, and its brain mask."""
    files = [nibabel.load(real_data("mr", "freesurfer_brain", name)) for name in ("norm.mgz", "aparc.a2009s+aseg.mgz")]
    voxels, labels = (np.asarray(file.dataobj).transpose() for file in files)
    return working(voxels, Geometry(voxels.shape, flip_lps_ras(files[0].affine)), brain=labels > 0)


def test_a_brain_mask_comes_back_from_the_networks_grid(a_real_head):
    steps = (
        Orient("RAS"),
        Foreground(),
        CropToMask(margin_fraction=0.1),
        Percentile(),
        ResampleToShape((192, 192, 192)),
    )
    last, _ = apply_recipe(steps, a_real_head)
    back = regrid(last.masks["brain"].astype(np.float32), last.geometry, a_real_head.geometry) > 0.5
    brain = a_real_head.masks["brain"]
    assert last.voxels.shape == (1, 192, 192, 192)
    assert 2 * (back & brain).sum() / (back.sum() + brain.sum()) > 0.98

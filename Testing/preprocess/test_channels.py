"""Steps for some channels leave the others alone; the nonzero region, and limits to values."""

from __future__ import annotations

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.recipe import ApplyMask, Clip, Linear, MinMax, Nonzero, ZScore
from Testing.preprocess.working_images import a_ball, after, found_by, noise, working

STEPS = [ZScore, MinMax, Linear, ApplyMask, Clip]
SHELL = a_ball((12, 14, 16), 5.0, (6.0, 7.0, 8.0)) & ~a_ball((12, 14, 16), 3.0, (6.0, 7.0, 8.0))


def step_of(kind, *channels):
    given = {ApplyMask: {"mask": "shell"}, Clip: {"low": 90.0, "high": 110.0}, Linear: {"scale": 2.0}}.get(kind, {})
    return kind(**given, channels=channels)


def both():
    return working(np.stack([noise(), noise(mean=7.0)]), shell=SHELL)


@pytest.mark.parametrize("kind", STEPS)
def test_only_the_named_channel_changes(kind):
    changed, alone = after(step_of(kind, 1), both()).voxels, after(step_of(kind), working(noise(mean=7.0), shell=SHELL))
    assert np.array_equal(changed[0], noise()) and np.array_equal(changed[1], alone.voxels[0])
    assert not np.array_equal(changed[1], noise(mean=7.0))


@pytest.mark.parametrize("kind", STEPS)
def test_without_names_all_channels_change(kind):
    one_by_one = after(step_of(kind, 1), after(step_of(kind, 0), both()))
    assert np.array_equal(after(step_of(kind), both()).voxels, one_by_one.voxels)


@pytest.mark.parametrize("kind", STEPS)
def test_a_channel_that_the_image_has_not_is_refused(kind):
    with pytest.raises(MedDLError) as caught:
        after(step_of(kind, 0, 2), both())
    assert caught.value.code == "E103" and "2" in caught.value.why


def test_what_is_measured_is_recorded_for_the_named_channels_alone():
    assert len(found_by(ZScore(channels=(1,)), both())["mean"]) == 1


def test_values_are_limited():
    limited = after(Clip(-1.0, 2.0), working(np.array([-5.0, 0.5, 9.0]).reshape(1, 1, 3))).voxels.ravel()
    assert limited.tolist() == [-1.0, 0.5, 2.0]


def test_the_nonzero_region_is_that_of_any_channel_negative_values_too():
    channels = np.zeros((2, 2, 2, 2), dtype=np.float32)
    channels[0, 0, 0, 0], channels[1, 1, 1, 1] = -3.0, 3.0
    assert after(Nonzero("body"), working(channels)).mask("body").sum() == 2


@pytest.mark.parametrize(("filled", "radius"), [(False, None), (True, 5.0)])
def test_cavities_of_the_nonzero_region_are_filled_on_request(filled, radius):
    found = after(Nonzero("body", filled=filled), working(SHELL.astype(np.float32))).mask("body")
    assert np.array_equal(found, a_ball((12, 14, 16), radius, (6.0, 7.0, 8.0)) if radius else SHELL)

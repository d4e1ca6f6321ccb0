from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.recipe import ApplyMask, Foreground, Linear, MinMax, Percentile, SuppressBright, Window, ZScore
from Testing.preprocess.working_images import a_ball, after, counted, found_by, noise, working

TISSUE = a_ball((12, 14, 16), 4.0, (6.0, 7.0, 8.0))
SCALING = [Percentile(), ZScore(), MinMax()]


def test_a_window_is_clipped_and_scaled():
    image = working(np.array([-1000.0, -160.0, 40.0, 240.0, 3000.0]).reshape(1, 1, 5))
    assert np.allclose(after(Window(-160.0, 240.0), image).voxels.ravel(), [0, 0, 0.5, 1, 1])


def test_percentiles_are_clipped_and_scaled():
    image = working(np.arange(101.0).reshape(1, 1, 101))
    scaled = after(Percentile(10.0, 90.0), image).voxels.ravel()
    assert np.allclose(scaled, np.clip((np.arange(101) - 10) / 80, 0, 1), atol=1e-6)
    assert found_by(Percentile(10.0, 90.0), image) == {"low": [10.0], "high": [90.0]}


def test_zscore_has_mean_zero_and_population_deviation_one():
    voxels = after(ZScore(), working(noise())).voxels
    assert abs(voxels.mean()) < 1e-5
    assert voxels.std() == pytest.approx(1.0, abs=1e-5)


def test_minmax_runs_from_zero_to_one():
    voxels = after(MinMax(), working(noise())).voxels
    assert (voxels.min(), voxels.max()) == (0.0, 1.0)


def test_minmax_in_a_mask_is_zero_outside():
    scaled = after(MinMax("tissue"), working(noise(), tissue=TISSUE)).voxels[0]
    assert (scaled[~TISSUE] == 0).all()
    assert (scaled[TISSUE].min(), scaled[TISSUE].max()) == (0.0, 1.0)


def test_zscore_is_measured_in_the_mask_and_applied_everywhere():
    scaled = after(ZScore("tissue"), working(noise(), tissue=TISSUE)).voxels[0]
    assert abs(scaled[TISSUE].mean()) < 1e-5
    assert scaled[TISSUE].std() == pytest.approx(1.0, abs=1e-5)
    assert scaled[~TISSUE].std() > 0.5


def test_percentiles_are_measured_in_the_mask():
    bright_outside = np.where(TISSUE, noise(), 1e6).astype(np.float32)
    assert found_by(Percentile(mask="tissue"), working(bright_outside, tissue=TISSUE))["high"][0] < 1000


@pytest.mark.parametrize("step", SCALING)
def test_each_channel_is_scaled_by_itself(step):
    both = after(step, working(np.stack([noise(), 1000 * noise() + 5]))).voxels
    assert np.allclose(both[0], both[1], atol=1e-3)


@pytest.mark.parametrize("step", SCALING)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e30, 1e-44])
def test_an_image_of_one_value_becomes_zero(step, value):
    assert not after(step, working(np.full((3, 4, 5), value, dtype=np.float32))).voxels.any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=2, max_size=12), st.sampled_from(SCALING))
def test_scaled_voxels_are_always_finite(values, step):
    image = working(np.array(values, dtype=np.float32).reshape(1, 1, -1))
    assert np.isfinite(after(step, image).voxels).all()


@pytest.mark.parametrize("step", [Percentile(mask="m"), ZScore("m"), MinMax("m"), ApplyMask("m")])
def test_an_empty_mask_is_an_error_and_a_missing_one_too(step):
    for masks, code in (({"m": np.zeros((4, 5, 6), dtype=bool)}, "E607"), ({}, "E103")):
        with pytest.raises(MedDLError) as caught:
            after(step, counted(**masks))
        assert caught.value.code == code


def test_linear_multiplies_and_adds():
    assert np.allclose(after(Linear(2.0, -1.0), counted()).voxels, counted().voxels * 2 - 1)


def test_voxels_far_above_the_brightest_tissue_go():
    rng = np.random.default_rng(0)
    tissue = np.concatenate([rng.normal(50, 5, 4000), rng.normal(100, 8, 6000), np.zeros(2000), np.full(20, 400.0)])
    image = working(tissue.reshape(1, 20, -1))
    cleaned = after(SuppressBright(bins=64), image).voxels
    cutoff = found_by(SuppressBright(bins=64), image)["cutoffs"][0]
    assert 110 < cutoff < 200
    assert (cleaned[image.voxels == 400] == 0).all()
    assert np.array_equal(cleaned[image.voxels <= cutoff], image.voxels[image.voxels <= cutoff])


def test_values_far_from_any_peak_leave_nothing_to_measure():
    image = working(np.array([1.0, 1.0, 100.0, 100.0]).reshape(1, 1, 4))
    assert found_by(SuppressBright(), image) == {"cutoffs": [None]}


def test_an_image_without_voxels_above_zero_has_nothing_too_bright():
    image = working(np.full((2, 3, 4), -1.0))
    assert found_by(SuppressBright(), image) == {"cutoffs": [None]}
    assert np.array_equal(after(SuppressBright(), image).voxels, image.voxels)


def test_the_foreground_is_above_a_threshold_in_any_channel():
    channels = np.zeros((2, 2, 2, 2), dtype=np.float32)
    channels[0, 0, 0, 0] = channels[1, 1, 1, 1] = 3.0
    assert after(Foreground(2.0), working(channels)).mask("foreground").sum() == 2


def test_the_foreground_found_by_otsu_is_the_bright_tissue():
    image = working(np.where(TISSUE, noise(mean=500.0), noise()))
    differing = after(Foreground(None, "head"), image).masks["head"] ^ TISSUE
    assert differing.sum() < 0.01 * TISSUE.sum()


def test_an_image_of_one_value_has_no_foreground():
    found = found_by(Foreground(None), working(np.full((3, 4, 5), 7.0)))
    assert found == {"thresholds": [7.0], "voxels": 0}


def test_voxels_outside_a_mask_get_one_value():
    masked = after(ApplyMask("tissue", -1000.0), working(noise(), tissue=TISSUE)).voxels[0]
    assert (masked[~TISSUE] == -1000).all()
    assert np.array_equal(masked[TISSUE], noise()[TISSUE])

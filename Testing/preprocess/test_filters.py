from __future__ import annotations

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.preprocess.working import Working
from MedDLLogic.recipe import BiasField, Clahe, CurvatureDiffusion, Gaussian, Median, Sharpen
from Testing.geometries import grid
from Testing.preprocess.working_images import a_ball, a_picture, a_plane, after, found_by, noise, working

SMOOTHING = [Gaussian(1.0), Median(), CurvatureDiffusion()]
ALL = [*SMOOTHING, Sharpen(), Clahe(), BiasField(shrink=2)]


def roughness(image: Working) -> float:
    return float(np.abs(np.diff(image.voxels, axis=-1)).mean())


@pytest.mark.parametrize("step", SMOOTHING)
def test_smoothing_keeps_the_mean_and_takes_the_noise(step):
    rough, smooth = working(noise()), after(step, working(noise()))
    assert roughness(smooth) < 0.6 * roughness(rough)
    assert smooth.voxels.mean() == pytest.approx(100.0, rel=0.02)


@pytest.mark.parametrize("step", ALL)
def test_every_filter_takes_a_single_plane_and_two_channels(step):
    two = np.concatenate([a_plane().voxels, a_plane().voxels * 3])
    filtered = after(step, working(two, a_plane().geometry))
    assert filtered.voxels.shape == (2, 1, 24, 32)
    assert not np.array_equal(filtered.voxels, two)


@pytest.mark.parametrize("step", [Median(), CurvatureDiffusion(), Clahe(), BiasField(shrink=2)])
def test_filters_without_millimetres_take_a_picture(step):
    assert after(step, a_picture()).voxels.shape == (1, 1, 24, 32)


@pytest.mark.parametrize("step", [Gaussian(1.0), Sharpen()])
def test_filters_in_millimetres_refuse_a_picture(step):
    with pytest.raises(MedDLError) as caught:
        after(step, a_picture())
    assert caught.value.code == "E330"


@pytest.mark.parametrize("step", [Gaussian(1.0), Median(), CurvatureDiffusion(), Sharpen()])
def test_an_image_of_one_value_stays_as_it_is(step):
    assert np.allclose(after(step, working(np.full((5, 6, 7), 3.0))).voxels, 3.0, atol=1e-5)


def test_the_gaussian_is_measured_in_millimetres():
    point = np.zeros((21, 21, 21))
    point[10, 10, 10] = 1.0
    smooth = after(Gaussian(2.0), working(point, grid(point.shape, (1.0, 2.0, 4.0)))).voxels[0]
    assert smooth[10, 10, 12] == pytest.approx(smooth[10, 11, 10], rel=0.15)
    assert found_by(Gaussian(2.0), working(point, grid(point.shape, (1.0, 2.0, 4.0)))) == {
        "sigma_kji_voxels": pytest.approx([0.5, 1.0, 2.0])
    }


def test_sharpening_raises_an_edge():
    ball = working(a_ball().astype(np.float32))
    assert after(Sharpen(1.0, 1.0), ball).voxels.max() > 1.1


def test_the_median_takes_a_single_bright_voxel():
    voxels = np.zeros((5, 6, 7))
    voxels[2, 3, 3] = 1000.0
    assert not after(Median(), working(voxels)).voxels.any()


def test_the_median_of_a_plane_is_that_of_two_dimensions():
    voxels = np.zeros((1, 7, 7))
    voxels[0, 2:5, 2:5] = 1.0
    assert after(Median(), working(voxels)).voxels[0, 0, 2, 3] == 1.0


def test_diffusion_keeps_an_edge_that_a_gaussian_blurs():
    edge = np.zeros((8, 8, 16)) + np.where(np.arange(16) < 8, 0.0, 100.0)
    image = working(edge + noise(edge.shape, 0.0, 1.0))
    step = [float(np.ptp(after(s, image).voxels[0, 4, 4, 7:9])) for s in (CurvatureDiffusion(20), Gaussian(1.5))]
    assert step[0] > 60 > step[1]


def test_small_voxels_shorten_the_time_step_and_it_is_recorded():
    small = working(noise(), grid((12, 14, 16), (0.5, 1.0, 1.0)))
    assert found_by(CurvatureDiffusion(), small) == {"time_step": pytest.approx(0.5 / 16)}
    assert found_by(CurvatureDiffusion(), working(noise())) == {"time_step": 0.0625}


def test_local_contrast_comes_out_between_zero_and_one():
    weak_side = noise((16, 32, 32)) * np.where(np.arange(32) < 16, 0.02, 1.0)
    even = after(Clahe(tiles=2), working(weak_side)).voxels
    assert 0 <= even.min() < even.max() <= 1
    assert even[..., :16].std() > 2 * (weak_side[..., :16].std() / np.ptp(weak_side))


def test_an_image_of_one_value_has_no_local_contrast():
    assert not after(Clahe(), working(np.full((5, 6, 7), 3.0))).voxels.any()


@pytest.fixture
def shaded_ball():
    """A ball of one brightness under a coil that is twice as strong on one side."""
    ball = a_ball((32, 32, 32), 13.0, (16.0, 16.0, 16.0))
    shade = np.linspace(0.67, 1.33, 32)
    return ball, working(np.where(ball, noise(ball.shape, 100.0, 2.0) * shade, 0.0), ball=ball)


@pytest.mark.parametrize("mask", ["", "ball"])
def test_n4_evens_out_a_bias_field(shaded_ball, mask):
    ball, image = shaded_ball
    before, corrected = image.voxels[0][ball], after(BiasField(shrink=2, mask=mask), image).voxels[0][ball]
    assert corrected.std() / corrected.mean() < 0.4 * before.std() / before.mean()


def test_n4_of_an_image_without_voxels_above_zero_is_an_error():
    with pytest.raises(MedDLError) as caught:
        after(BiasField(), working(np.full((8, 8, 8), -1.0)))
    assert caught.value.code == "E607"


def test_n4_that_ends_beyond_all_numbers_is_an_error():
    with pytest.raises(MedDLError) as caught:
        after(BiasField(shrink=1), working(np.full((8, 9, 10), 3e29)))
    assert caught.value.code == "E103"


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 40, 40), (40, 1, 5)])
def test_n4_takes_a_slab_of_few_slices(shape):
    assert after(BiasField(shrink=8), working(noise(shape))).voxels.shape == (1, *shape)


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 1, 1)])
def test_n4_of_a_single_line_of_voxels_is_an_error(shape):
    with pytest.raises(MedDLError) as caught:
        after(BiasField(), working(noise(shape)))
    assert caught.value.code == "E103"

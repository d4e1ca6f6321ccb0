"""Spacing counted from the first voxel, exchanged axes, and bent intensities are as the networks' makers have them."""

import numpy as np
import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry, flip_lps_ras
from MedDLLogic.image import Image
from MedDLLogic.preprocess.run import apply_recipe
from MedDLLogic.preprocess.working import Working
from MedDLLogic.recipe import (
    CropToMask,
    DeviationsAboveMinimum,
    Foreground,
    Orient,
    ResampleFromFirst,
    Sigmoid,
    SoftLimit,
    Transpose,
    ZScoreNonzero,
)


def image(seed=0, channels=1, spacing_ijk_mm=(0.98, 1.5, 3.0), shape_kji=(9, 14, 21), turned=0.0):
    voxels = np.random.default_rng(seed).normal(size=(channels, *shape_kji)).astype(np.float32)
    matrix = np.diag([*spacing_ijk_mm, 1.0])
    cosine, sine = np.cos(turned), np.sin(turned)
    matrix[:2, :2] = np.array([[cosine, -sine], [sine, cosine]]) @ matrix[:2, :2]
    matrix[:3, 3] = (-30, 20, 5)
    return Image(voxels, Geometry(shape_kji, matrix), tuple(map(str, range(channels))), "MR", "")


def after(found, *steps):
    return apply_recipe(steps, Working(found))[0]


@pytest.mark.parametrize("turned", [0.0, 0.3])
@pytest.mark.parametrize("wanted", [(2.0, 2.0, 2.0), (0.5, 4.0, 3.0), (7.0, 1.1, 1.3)])
def test_the_grid_and_the_voxels_are_those_of_monais_spacing(wanted, turned):
    from monai.data import MetaTensor
    from monai.transforms import Orientation, Spacing

    given = image(turned=turned)
    affine = torch.as_tensor(flip_lps_ras(given.geometry.ijk_to_lps))
    tensor = MetaTensor(torch.as_tensor(given.voxels.transpose(0, 3, 2, 1).copy()), affine=affine)
    letters = (("L", "R"), ("P", "A"), ("I", "S"))
    theirs = Spacing(wanted[::-1], mode="bilinear")(Orientation("RAS", labels=letters)(tensor))
    ours = after(given, Orient("SAR"), ResampleFromFirst(wanted))
    assert ours.voxels.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.voxels, theirs.numpy(), atol=1e-6)
    np.testing.assert_allclose(flip_lps_ras(ours.geometry.ijk_to_lps)[:, [2, 1, 0, 3]], theirs.affine, atol=1e-4)


def test_a_spacing_near_enough_stays_and_so_does_one_of_zero():
    grid = after(image(), ResampleFromFirst((1.2, 2.0, 0.0), tolerance=0.2)).geometry
    np.testing.assert_allclose(grid.spacing_ijk_mm, (0.98, 2.0, 3.0))


def test_beyond_the_last_voxel_the_image_goes_on():
    ramp = image(spacing_ijk_mm=(1.0, 1.0, 1.0), shape_kji=(2, 2, 10))
    ramp = ramp.with_voxels(np.broadcast_to(np.arange(10, dtype=np.float32), (1, 2, 2, 10)))
    assert after(ramp, ResampleFromFirst((5.0, 1.0, 1.0))).voxels[0, 0, 0].tolist() == [0.0, 5.0, 9.0]


def test_axes_are_exchanged_and_the_anatomy_stays():
    given = image()
    turned = after(given, Transpose(("k", "j", "i")))
    assert np.array_equal(turned.voxels[0], given.voxels[0].transpose(2, 1, 0))
    assert turned.geometry.lps_of([[2, 3, 4]]).tolist() == given.geometry.lps_of([[4, 3, 2]]).tolist()


@pytest.mark.parametrize("axes", [("i", "i", "k"), ("i", "j"), ("i", "j", "x")])
def test_each_axis_stands_once(axes):
    with pytest.raises(MedDLError):
        Transpose(axes)


def test_a_margin_in_voxels_ends_where_the_grid_ends():
    spot = np.zeros((1, 9, 14, 21), dtype=np.float32)
    spot[0, 4, 1, 10] = 1
    found = after(image().with_voxels(spot), Foreground(), CropToMask(margin_voxels=3))
    assert found.geometry.shape_kji == (7, 5, 7)


def test_values_that_are_not_zero_are_normalized_as_monai_does():
    from monai.transforms import NormalizeIntensity

    given = image(channels=3)
    voxels = np.where(given.voxels > 0.5, given.voxels * 100, 0).astype(np.float32)
    voxels[2] = np.where(voxels[2] > 0, 7, 0)
    theirs = NormalizeIntensity(nonzero=True, channel_wise=True)(torch.as_tensor(voxels.copy()))
    np.testing.assert_allclose(after(given.with_voxels(voxels), ZScoreNonzero()).voxels, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("step", "theirs"),
    [
        (Sigmoid, torch.sigmoid),
        (lambda channels: SoftLimit(3.0, channels), lambda x: 3 * torch.tanh(x / 3)),
        (DeviationsAboveMinimum, lambda x: (x - x.min()) / x.std(unbiased=False)),
    ],
)
def test_a_channel_is_bent_as_torch_does_and_the_others_stay(step, theirs):
    given = image(channels=2)
    ours = after(given, step((1,))).voxels
    np.testing.assert_allclose(ours[1], theirs(torch.as_tensor(given.voxels[1].copy())), atol=1e-6)
    assert np.array_equal(ours[0], given.voxels[0])

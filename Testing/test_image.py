from __future__ import annotations

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.image import Image
from Testing.geometries import grid


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "datetime64[s]", object, [("r", "u1"), ("g", "u1")]])
def test_voxels_that_are_no_real_numbers_are_refused(dtype):
    with pytest.raises(MedDLError) as caught:
        Image(np.zeros((1, 4, 5, 6), dtype=dtype), grid())
    assert caught.value.code == "E310"


@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 6, 5, 4), (2, 4, 5, 6), (1, 4, 5, 6, 1)])
def test_voxels_of_another_shape_than_the_grid_are_refused(shape):
    with pytest.raises(MedDLError) as caught:
        Image(np.zeros(shape), grid())
    assert caught.value.code == "E303"


def test_an_image_without_channels_is_refused():
    with pytest.raises(MedDLError) as caught:
        Image(np.zeros((0, 4, 5, 6)), grid(), ())
    assert caught.value.code == "E303"


def test_voxels_are_not_copied_and_cannot_be_changed_through_the_image():
    voxels = np.zeros((1, 4, 5, 6))
    image = Image(voxels, grid())
    assert np.shares_memory(image.voxels, voxels)
    assert voxels.flags.writeable
    assert not image.voxels.flags.writeable


def test_other_voxels_keep_everything_else():
    image = Image(np.zeros((1, 4, 5, 6)), grid(), ("t1",), "MR", "HU", "1.2.3")
    other = image.with_voxels(np.ones((1, 2, 2, 2)), grid((2, 2, 2)))
    assert (other.channel_names, other.modality, other.units, other.frame_of_reference) == (
        ("t1",),
        "MR",
        "HU",
        "1.2.3",
    )
    assert other.geometry.shape_kji == (2, 2, 2)

"""The window in which an image of any kind is shown."""

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.image import Image
from MedDLLogic.preprocess.working import Working
from MedDLLogic.recipe import DisplayWindow
from Testing.geometries import grid
from Testing.preprocess.working_images import after, found_by, noise, working

STEP = DisplayWindow()
HU = np.array([[[-1000, -160, 40, 240, 3000]]], dtype=np.float32)


def said_to_be(voxels, modality):
    return Working(Image(voxels[None], grid(voxels.shape), modality=modality))


def test_a_ct_is_clipped_to_its_window():
    assert np.allclose(after(STEP, said_to_be(HU, "CT")).voxels, [[[[0, 0, 0.5, 1, 1]]]])


def test_an_image_that_does_not_say_what_it_is_counts_as_a_ct_where_it_holds_air():
    assert np.array_equal(after(STEP, working(HU)).voxels, after(STEP, said_to_be(HU, "CT")).voxels)
    assert found_by(STEP, working(HU)) == {"as": "CT", "because": "smallest value -1000"}


def test_what_an_image_says_counts_more_than_its_values():
    assert found_by(STEP, said_to_be(HU, "MR"))["as"] == "no CT"
    assert found_by(STEP, said_to_be(noise(), "CT"))["as"] == "CT"


def test_other_images_are_clipped_to_percentiles_of_what_is_above_zero():
    voxels = noise((6, 20, 20))
    voxels[:3] = 0
    low, high = np.percentile(voxels[3:], (0.5, 99.5))
    expected = np.clip((voxels - low) / (high - low), 0, 1)
    made = after(STEP, working(voxels))
    assert np.allclose(made.voxels[0], expected, atol=1e-5) and not made.masks


def test_an_image_without_anything_above_zero_is_refused():
    with pytest.raises(MedDLError) as caught:
        after(STEP, working(np.zeros((2, 3, 4), dtype=np.float32)))
    assert caught.value.code == "E607"


@pytest.mark.parametrize("wrong", [{"ct_low": 240}, {"low": 99.5}, {"high": 101}])
def test_a_window_needs_a_lower_and_a_higher_end(wrong):
    with pytest.raises(MedDLError) as caught:
        DisplayWindow(**wrong)
    assert caught.value.code == "E103"

from __future__ import annotations

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result
from Testing.geometries import grid

TABLE = LabelTable((Segment("gray", "Gray", 5, (1, 2, 3)), Segment("lesion", "Lesion", 5, (3, 2, 1), layer=1)))


def layer(dtype=np.uint8, shape=(4, 5, 6)):
    volume = np.zeros(shape, dtype=dtype)
    volume[1:3] = 5
    return volume


def refused(code, **parts):
    with pytest.raises(MedDLError) as caught:
        Result(**{"geometry": grid(), "layers": (layer(), layer()), "table": TABLE} | parts)
    return caught.value.code == code


def test_a_mask_is_where_its_layer_has_its_value():
    result = Result(grid(), (layer(), layer(np.uint16)), TABLE)
    assert result.mask_of("lesion").sum() == 60


def test_a_layer_on_another_grid_is_refused():
    assert refused("E332", layers=(layer(), layer(shape=(6, 5, 4))))


def test_a_probability_volume_on_another_grid_is_refused():
    assert refused("E332", probabilities={"gray": np.zeros((2, 2, 2))})


def test_a_segment_in_a_layer_that_is_not_there_is_refused():
    assert refused("E402", layers=(layer(),))


@pytest.mark.parametrize("dtype", [np.int16, np.float32, bool, np.uint32, ">u2"])
def test_a_layer_of_another_type_is_refused(dtype):
    assert refused("E402", layers=(layer(), layer(dtype)))


def test_layers_cannot_be_changed_through_the_result():
    assert not Result(grid(), (layer(), layer()), TABLE).layers[0].flags.writeable

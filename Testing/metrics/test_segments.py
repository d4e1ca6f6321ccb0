"""Numbers of segments against what can be counted by hand."""

import numpy as np
import pytest

from MedDLLogic.image import Image
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.masks import Masks
from MedDLLogic.metrics.segments import measure_segments

from ..geometries import grid

TABLE = LabelTable((Segment("a", "A", 1, (255, 0, 0)),))
NATIVE = grid((2, 3, 4), (1.0, 2.0, 3.0))


def measured(mask, world=NATIVE, units="HU"):
    voxels = np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4)
    masks = Masks.of({"a": mask}, mask.shape)
    found = measure_segments(TABLE, masks, Image(voxels, world, units=units), NATIVE)
    return {m.quantity: (m.value, m.unit) for m in found}


def test_volume_mean_and_deviation_of_a_whole_volume():
    found = measured(np.ones(NATIVE.shape_kji, dtype=bool))
    assert found["voxels"] == (24, "1")
    assert found["volume"] == (pytest.approx(24 * 6 / 1000), "ml")
    assert found["mean"] == (11.5, "HU") and found["sd"] == (pytest.approx(np.arange(24).std()), "HU")


def test_an_empty_segment_has_no_mean():
    assert set(measured(np.zeros(NATIVE.shape_kji, dtype=bool))) == {"voxels", "volume"}


def test_under_a_scaling_transform_the_worlds_volume_counts_and_the_local_one_stands_beside_it():
    found = measured(np.ones(NATIVE.shape_kji, dtype=bool), NATIVE.transformed(np.diag([2.0, 2.0, 2.0, 1.0])))
    assert found["volume"][0] == pytest.approx(8 * found["local volume"][0])


def far_from_zero(shape=(40, 170, 190)):
    """Values whose spread is a millionth of their size, where one pass over their squares would see none."""
    return (1e6 + np.random.default_rng(0).normal(size=shape)).astype(np.float64)


@pytest.mark.parametrize(
    "values", [far_from_zero(), far_from_zero().astype(np.float32) * -3, far_from_zero().astype(np.int32)]
)
def test_all_segments_of_a_volume_have_the_numbers_that_each_mask_gives(values):
    labels = np.random.default_rng(1).integers(0, 7, values.shape).astype(np.uint16) * 100
    table = LabelTable(tuple(Segment(f"s{n}", "S", n, (0, 0, 0)) for n in range(1, 9)))
    masks = Masks(labels.shape, (labels,), {f"s{n}": (0, 100 * n) for n in range(1, 9)})
    found = measure_segments(table, masks, Image(values[None], grid(values.shape)), grid(values.shape))
    numbers = {(m.segment_id, m.quantity): m.value for m in found}
    for n in range(1, 7):
        inside = values[labels == 100 * n].astype(np.float64)
        assert numbers[f"s{n}", "voxels"] == inside.size
        assert numbers[f"s{n}", "mean"] == pytest.approx(inside.mean(), rel=1e-9)
        assert numbers[f"s{n}", "sd"] == pytest.approx(inside.std(), rel=1e-9)
    assert numbers["s7", "voxels"] == numbers["s8", "voxels"] == 0

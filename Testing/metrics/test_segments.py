"""Numbers of segments against what can be counted by hand."""

import numpy as np
import pytest

from MedDLLogic.image import Image
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.metrics.segments import measure_segments

from ..geometries import grid

TABLE = LabelTable((Segment("a", "A", 1, (255, 0, 0)),))
NATIVE = grid((2, 3, 4), (1.0, 2.0, 3.0))


def measured(mask, world=NATIVE, units="HU"):
    voxels = np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4)
    found = measure_segments(TABLE, {"a": mask}, Image(voxels, world, units=units), NATIVE)
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

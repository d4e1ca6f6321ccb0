"""What nnU-Net does in its own way: weights about a voxel, and thick planes that are not interpolated between."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.averaged import Averaged
from MedDLLogic.inference.restore import route_between
from MedDLLogic.inference.windows import weights
from MedDLLogic.models.card import Decode
from Testing.geometries import grid

PATCH = (4, 6, 7)


class Same:
    """A network that gives what it gets, weighted as it is told."""

    device, backend, precision = "cpu", "torch", "reference"

    def predict(self, patch, side, on_progress, blend=None):
        found = np.moveaxis(patch, 0, -1).copy()
        return found if blend is None else found * weights(patch.shape[1:], blend)[..., None]


def widths(working_mm, native_mm, above, shape_kji=(4, 5, 6)):
    """How many working voxels a native one lies between, along k, j, i."""
    working = grid(shape_kji, working_mm)
    native = working.respaced(native_mm)
    return route_between(working, native, (0, 1, 2), "linear", above).widths


def test_the_peak_of_the_weights_lies_on_the_voxel_that_nnunet_takes():
    point = np.zeros(PATCH)
    point[2, 3, 3] = 1
    expected = gaussian_filter(point, [size / 8 for size in PATCH], mode="constant")
    found = weights(PATCH, "gaussian_on_voxel")
    assert np.unravel_index(found.argmax(), PATCH) == (2, 3, 3)
    assert np.allclose(found, expected / expected.max(), atol=1e-3)


@pytest.mark.parametrize("blend", ["gaussian", "gaussian_on_voxel", "constant"])
def test_mirrored_predictions_are_weighted_where_they_lie(blend):
    patch = np.random.default_rng(0).normal(0, 1, (2, *PATCH)).astype(np.float32)
    averaged = Averaged([Same()], ("k", "i"), with_variance=False)
    found = averaged.predict(patch, {}, lambda part: None, blend)
    assert np.allclose(found, np.moveaxis(patch, 0, -1) * weights(PATCH, blend)[..., None], atol=1e-6)


@pytest.mark.parametrize(
    ("working_mm", "native_mm", "above", "expected"),
    [
        ((1.0, 1.0, 4.0), (0.7, 0.7, 2.3), 3.0, (1, 2, 2)),  # the working grid has thick planes along k
        ((2.0, 1.0, 1.0), (4.3, 0.7, 0.7), 3.0, (2, 2, 1)),  # or the input along i
        ((1.0, 1.0, 4.0), (0.7, 0.7, 2.3), None, (2, 2, 2)),
        ((1.0, 1.0, 4.0), (0.7, 0.7, 2.3), 5.0, (2, 2, 2)),
    ],
)
def test_channels_are_not_interpolated_between_thick_planes(working_mm, native_mm, above, expected):
    assert widths(working_mm, native_mm, above) == expected


@pytest.mark.parametrize("above", [0.5, float("nan"), 2000.0])
def test_a_ratio_that_cannot_be_is_refused(above):
    with pytest.raises(MedDLError) as caught:
        Decode("argmax", ("", "liver"), apart_above=above)
    assert caught.value.code == "E401"

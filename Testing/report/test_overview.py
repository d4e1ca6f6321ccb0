"""The overview shows each plane the right way round, with the colors of the legend."""

import numpy as np
import pytest

from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.report.overview import draw_overview
from MedDLLogic.result import Result

from ..geometries import AXIS_ORDERS, grid, stored_as

TABLE = LabelTable((Segment("a", "A", 1, (255, 0, 0)), Segment("b", "B", 2, (0, 0, 255))))


def drawn(labels, geometry, gray=None):
    image = Image((gray if gray is not None else np.zeros(labels.shape))[None], geometry)
    return draw_overview(Result(geometry, (labels.astype(np.uint8),), TABLE), image, title="t")


def colored(picture, color):
    """Columns and rows at which the pixels of one color lie, above the legend."""
    above = picture[: int(picture.shape[0] * 0.85)].astype(int)
    strong = (above[..., color] > 150) & (above.sum(axis=-1) - above[..., color] < 120)
    return np.nonzero(strong)


@pytest.fixture
def two_blocks():
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[6:14, 6:14, 4:8] = 1  # i grows to the left in LPS: these lie on the patient's right
    labels[6:14, 6:14, 12:16] = 2
    return labels


def test_the_patients_right_is_on_the_left_of_the_picture(two_blocks):
    picture = drawn(two_blocks, grid((20, 20, 20)))
    first_panel = picture[:, : picture.shape[1] // 3]
    assert colored(first_panel, 0)[1].mean() < colored(first_panel, 2)[1].mean()


def test_the_picture_does_not_depend_on_how_the_voxels_are_stored(two_blocks):
    gray = np.random.default_rng(0).random(two_blocks.shape).astype(np.float32)
    expected = drawn(two_blocks, grid((20, 20, 20)), gray)
    for order, flips in AXIS_ORDERS[::7]:
        stored, geometry = stored_as(two_blocks, grid((20, 20, 20)), order, flips)
        stored_gray, _ = stored_as(gray, grid((20, 20, 20)), order, flips)
        assert np.array_equal(drawn(stored, geometry, stored_gray), expected)


def test_thick_slices_are_drawn_in_their_true_proportions(two_blocks):
    picture = drawn(two_blocks, grid((20, 20, 20), (1.0, 1.0, 3.0)))
    third = picture.shape[1] // 3
    rows, columns = colored(picture[:, third : 2 * third], 0)
    assert np.ptp(rows) > 3 * np.ptp(columns)


def test_an_empty_result_and_a_picture_of_one_slice_are_drawn_too(two_blocks):
    assert drawn(np.zeros_like(two_blocks), grid((20, 20, 20))).ndim == 3
    flat = np.ones((1, 30, 40), dtype=np.uint8)
    assert drawn(flat, Geometry((1, 30, 40), np.eye(4), UNKNOWN)).shape[2] == 3

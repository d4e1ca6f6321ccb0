"""Masks held as label volumes are the masks that were put in."""

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.masks import Masks

SHAPE = (2, 3, 4)
LABELS = (np.arange(24) % 4).reshape(SHAPE).astype(np.uint8)


def packed():
    return Masks(SHAPE, (LABELS,), {"one": (0, 1), "two": (0, 2)})


def overlapping():
    return {"all": np.ones(SHAPE, bool), "some": LABELS > 1, "none": np.zeros(SHAPE, bool)}


def same(masks, expected):
    return list(masks) == list(expected) and all(np.array_equal(masks[name], expected[name]) for name in expected)


def test_masks_of_one_volume_are_where_it_has_their_value():
    assert same(packed(), {"one": LABELS == 1, "two": LABELS == 2}) and "three" not in packed()


def test_masks_that_overlap_come_back_as_they_were():
    assert same(Masks.of(overlapping(), SHAPE), overlapping())


def test_joined_masks_are_all_there_and_of_one_name_the_later_counts():
    joined = packed().joined(Masks.of({"two": LABELS > 1, "new": LABELS == 0}, SHAPE))
    assert same(joined, {"one": LABELS == 1, "two": LABELS > 1, "new": LABELS == 0})


def test_volumes_that_nobody_uses_go():
    several = Masks.of(overlapping(), SHAPE)
    assert len(several.only(["some"]).volumes) == len(several.joined(Masks.of(overlapping(), SHAPE)).volumes) / 3 == 1


def test_chosen_masks_come_in_the_order_that_was_asked_for():
    assert same(packed().only(["two", "one"]), {"two": LABELS == 2, "one": LABELS == 1})
    with pytest.raises(KeyError):
        packed().only(["three"])


def test_within_an_area_nothing_lies_outside_and_what_was_given_stays():
    area = np.arange(24).reshape(SHAPE) < 10
    given = packed()
    assert same(given.within(area), {"one": (LABELS == 1) & area, "two": (LABELS == 2) & area})
    assert same(given, packed())


def test_a_volume_of_another_shape_is_refused():
    with pytest.raises(MedDLError, match="E332"):
        Masks((2, 3, 5), (LABELS,), {"one": (0, 1)})


def test_without_masks_there_is_none():
    assert not Masks(SHAPE) and not Masks.of({}, SHAPE)

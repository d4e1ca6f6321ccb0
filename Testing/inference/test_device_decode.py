"""Decoding on a device gives what decoding of arrays gives; tried on the CPU, one rule at a time."""

import numpy as np
import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import device_copies
from MedDLLogic.inference.decode import Decoding
from MedDLLogic.models.card import Decode, NoBackgroundIn

from ..geometries import grid

WORKING = grid((9, 12, 10), (1.0, 1.2, 1.5))
NATIVE = WORKING.respaced((0.7, 1.0, 1.1)).reoriented("PIR").cropped((-1, 0, 1), (16, 14, 9))
TURNED = grid((12, 12, 12), (0.9, 0.9, 0.9), degrees=(0, 0, 10))
EVERYTHING = {"probabilities_of": {"a", "b"}, "uncertainty": True}
RULES = {
    "logits": Decode("argmax", ("", "a", "b")),
    "classes": Decode("argmax", ("", "a", "b"), "softmax"),
    "all named": Decode("argmax", ("c", "a", "b"), "softmax"),
    "nearest": Decode("argmax", ("", "a", "b"), "softmax", restore="nearest"),
    "regions": Decode("threshold", ("", "a", "b"), "sigmoid", threshold=0.6),
    "no background": Decode("argmax", ("", "a", "b"), "softmax", no_background_in=NoBackgroundIn("inside", 1)),
}


def activations(axes, channels=3):
    rough = np.random.default_rng(7).normal(scale=2, size=(*WORKING.shape_kji, channels)).astype(np.float32)
    if channels == 4:
        rough[..., 3] = np.abs(rough[..., 3])
    return np.ascontiguousarray(rough.transpose(*axes, 3))


def decoding(rule, axes, native=NATIVE, **wanted):
    inside = np.zeros(WORKING.shape_kji, dtype=bool)
    inside[2:8, 2:9, 1:9] = True
    masks = {"inside": inside}
    return Decoding(rule, masks, WORKING, native, axes, allocate=np.zeros, **wanted)


def fed(sink, planes, cuts=(0, 1, 2, 7)):
    """Part by part; each begins with the last plane of the one before, as the sink left it."""
    planes = planes.copy() if isinstance(planes, np.ndarray) else planes.clone()
    for start, stop in zip(cuts, [*cuts[1:], len(planes)], strict=True):
        first = max(0, start - 1)
        sink.take(planes[first:stop], first)
    return sink.finish()


def both(rule, axes=(0, 1, 2), native=NATIVE, channels=3, **wanted):
    planes = activations(axes, channels)
    expected = fed(decoding(rule, axes, native, **wanted), planes)
    return expected, fed(decoding(rule, axes, native, **wanted).on_device("cpu"), torch.from_numpy(planes))


def assert_same(found, expected):
    assert found.masks.places == expected.masks.places and sum(mask.any() for mask in expected.masks.values()) > 1
    for one, other in zip(found.masks.volumes, expected.masks.volumes, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)  # these planes have no ties
    for kind in ("probabilities", "uncertainty"):
        one, other = getattr(found, kind), getattr(expected, kind)
        assert list(one) == list(other)
        for name, volume in other.items():
            np.testing.assert_allclose(one[name], volume, atol=1e-5)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_device_decodes_as_arrays_are_decoded(rule, axes):
    expected, found = both(rule, axes, **EVERYTHING)
    assert_same(found, expected)


def test_a_variance_comes_last_and_is_restored_too():
    expected, found = both(RULES["classes"], channels=4, has_variance=True, **EVERYTHING)
    assert_same(found, expected)
    assert found.uncertainty["variance"].max() > 1


def test_rows_in_parts_change_nothing(monkeypatch):
    expected, _ = both(RULES["classes"], **EVERYTHING)
    monkeypatch.setattr(device_copies, "HOST_WORK_BYTES", 1)
    assert_same(both(RULES["classes"], **EVERYTHING)[1], expected)


def test_probabilities_of_the_network_itself_stay_as_they_are():
    rule, planes = RULES["logits"], activations((0, 1, 2))
    shares = np.exp(planes) / np.exp(planes).sum(axis=-1, keepdims=True)
    expected = fed(decoding(rule, (0, 1, 2), **EVERYTHING), shares)
    assert_same(fed(decoding(rule, (0, 1, 2), **EVERYTHING).on_device("cpu"), torch.from_numpy(shares)), expected)


def test_grids_whose_axes_cross_are_decoded_as_arrays():
    expected, found = both(RULES["classes"], native=TURNED, **EVERYTHING)
    assert_same(found, expected)


def test_a_plane_that_needs_no_restoring_keeps_its_labels_to_the_byte():
    expected, found = both(RULES["logits"], native=WORKING)
    assert found.masks.volumes[0].tobytes() == expected.masks.volumes[0].tobytes()


def test_another_number_of_channels_than_the_card_names_is_refused():
    with pytest.raises(MedDLError, match="E406"):
        both(RULES["classes"], channels=4)[1]
    with pytest.raises(MedDLError, match="E406"):
        decoding(RULES["classes"], (0, 1, 2)).on_device("cpu").take(torch.zeros(2, 12, 10, 4), 0)

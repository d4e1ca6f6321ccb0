"""Channels become masks on the input's grid, one rule at a time."""

import numpy as np
import pytest
from scipy.special import softmax

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.decode import decode
from MedDLLogic.models.card import Decode, NoBackgroundIn

from ..geometries import grid

WORKING = grid((6, 6, 6))


def activations(**channels):
    """Zero everywhere but in the named channels' boxes."""
    volumes = [np.zeros(WORKING.shape_kji, dtype=np.float32) for _ in channels]
    for volume, (box, value) in zip(volumes, channels.values(), strict=True):
        volume[box] = value
    return np.stack(volumes)


ALL = np.s_[:, :, :]
LEFT, RIGHT = np.s_[:, :, :3], np.s_[:, :, 2:]


def test_argmax_gives_each_voxel_to_the_strongest_channel():
    made = decode(
        activations(back=(ALL, 1), a=(LEFT, 2), b=(RIGHT, 3)), Decode("argmax", ("", "a", "b")), {}, WORKING, WORKING
    )
    assert not (made.masks["a"] & made.masks["b"]).any()
    assert made.masks["a"][0, 0].tolist() == [True, True, False, False, False, False]


def test_a_threshold_lets_channels_overlap():
    rule = Decode("threshold", ("a", "b"))
    made = decode(activations(a=(LEFT, 1), b=(RIGHT, 1)), rule, {}, WORKING, WORKING)
    assert (made.masks["a"] & made.masks["b"])[0, 0].tolist() == [False, False, True, False, False, False]


def test_a_sigmoid_turns_logits_into_probabilities():
    rule = Decode("threshold", ("a",), activation="sigmoid")
    made = decode(activations(a=(LEFT, 1)) - 0.5, rule, {}, WORKING, WORKING, probabilities_of={"a"})
    assert made.masks["a"][0, 0, 0] and not made.masks["a"][0, 0, 5]
    assert made.probabilities["a"][0, 0, 0] == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_background_cannot_win_deep_inside_the_mask():
    inside = {"brain": np.ones(WORKING.shape_kji, dtype=bool)}
    rule = Decode("argmax", ("", "a"), "softmax", no_background_in=NoBackgroundIn("brain", 2))
    made = decode(activations(back=(ALL, 5), a=(ALL, 1)), rule, inside, WORKING, WORKING)
    assert made.masks["a"].sum() == 2**3


def test_nothing_is_found_outside_the_working_grid():
    native = WORKING.cropped((-2, 0, 0), (10, 6, 6))
    made = decode(activations(back=(ALL, -1), a=(ALL, -0.5)), Decode("argmax", ("", "a")), {}, WORKING, native)
    assert made.masks["a"].sum() == 6**3


def test_another_number_of_channels_than_the_card_names_is_refused():
    with pytest.raises(MedDLError, match="E406"):
        decode(activations(a=(ALL, 1)), Decode("argmax", ("", "a")), {}, WORKING, WORKING)


def test_a_mask_that_nothing_made_is_a_fault_of_the_card():
    rule = Decode("argmax", ("", "a"), "softmax", no_background_in=NoBackgroundIn("nobody"))
    with pytest.raises(MedDLError, match="E401"):
        decode(activations(back=(ALL, 5), a=(ALL, 1)), rule, {}, WORKING, WORKING)


def test_softmax_gives_what_scipy_gives():
    logits = np.random.default_rng(3).normal(scale=20, size=(3, *WORKING.shape_kji)).astype(np.float32)
    rule = Decode("argmax", ("", "a", "b"), "softmax")
    made = decode(logits.copy(), rule, {}, WORKING, WORKING, probabilities_of={"b"})
    assert np.array_equal(made.probabilities["b"], softmax(logits, axis=0)[2])

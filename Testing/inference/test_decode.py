"""Channels become masks on the input's grid, one rule at a time."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.decode import Decoding
from MedDLLogic.models.card import Decode, NoBackgroundIn

from ..geometries import grid

WORKING = grid((6, 6, 6))
ALL = np.s_[:, :, :]
LEFT, RIGHT = np.s_[:, :, :3], np.s_[:, :, 2:]


def activations(**channels):
    """(k, j, i, channel), zero everywhere but in the named channels' boxes."""
    volumes = [np.zeros(WORKING.shape_kji, dtype=np.float32) for _ in channels]
    for volume, (box, value) in zip(volumes, channels.values(), strict=True):
        volume[box] = value
    return np.stack(volumes, axis=-1)


def decoded(planes, rule, masks=None, native=WORKING, *, cuts=(), **options):
    """All planes taken at once, or in several calls that end at ``cuts``, each array as the call before left it."""
    decoding = Decoding(rule, masks or {}, WORKING, native, (0, 1, 2), allocate=np.zeros, **options)
    for start, stop in zip((0, *cuts), (*cuts, len(planes)), strict=True):
        first = max(0, start - 1)
        decoding.take(planes[first:stop], first)
    return decoding.finish()


def random_logits(channels, scale=5.0, seed=3):
    return np.random.default_rng(seed).normal(scale=scale, size=(*WORKING.shape_kji, channels)).astype(np.float32)


def test_argmax_gives_each_voxel_to_the_strongest_channel():
    made = decoded(activations(back=(ALL, 1), a=(LEFT, 2), b=(RIGHT, 3)), Decode("argmax", ("", "a", "b")))
    assert not (made.masks["a"] & made.masks["b"]).any()
    assert made.masks["a"][0, 0].tolist() == [True, True, False, False, False, False]


def test_a_threshold_lets_channels_overlap():
    made = decoded(activations(a=(LEFT, 1), b=(RIGHT, 1)), Decode("threshold", ("a", "b")))
    assert (made.masks["a"] & made.masks["b"])[0, 0].tolist() == [False, False, True, False, False, False]


def test_a_sigmoid_turns_logits_into_probabilities():
    rule = Decode("threshold", ("a",), activation="sigmoid")
    made = decoded(activations(a=(LEFT, 1)) - 0.5, rule, probabilities_of={"a"})
    assert made.masks["a"][0, 0, 0] and not made.masks["a"][0, 0, 5]
    assert made.probabilities["a"][0, 0, 0] == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_probabilities_of_logits_that_are_judged_by_their_sign_are_their_sigmoids():
    rule = Decode("threshold", ("a",), threshold=0.0)
    made = decoded(activations(a=(LEFT, 1)) - 0.5, rule, probabilities_of={"a"})
    assert np.array_equal(made.masks["a"], made.probabilities["a"] > 0.5)
    assert made.probabilities["a"][0, 0, 0] == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_background_cannot_win_deep_inside_the_mask():
    inside = {"brain": np.ones(WORKING.shape_kji, dtype=bool)}
    rule = Decode("argmax", ("", "a"), "softmax", no_background_in=NoBackgroundIn("brain", 2))
    made = decoded(activations(back=(ALL, 5), a=(ALL, 1)), rule, inside)
    assert made.masks["a"].sum() == 2**3


def test_nothing_is_found_outside_the_working_grid():
    native = WORKING.cropped((-2, 0, 0), (10, 6, 6))
    made = decoded(activations(back=(ALL, -1), a=(ALL, -0.5)), Decode("argmax", ("", "a")), native=native)
    assert made.masks["a"].sum() == 6**3


@pytest.mark.parametrize(("channels", "has_variance"), [(1, False), (3, False), (2, True)])
def test_another_number_of_channels_than_the_card_names_is_refused(channels, has_variance):
    with pytest.raises(MedDLError, match="E406"):
        decoded(random_logits(channels), Decode("argmax", ("", "a")), has_variance=has_variance)


def test_a_mask_that_nothing_made_is_a_fault_of_the_card():
    rule = Decode("argmax", ("", "a"), "softmax", no_background_in=NoBackgroundIn("nobody"))
    with pytest.raises(MedDLError, match="E401"):
        decoded(random_logits(2), rule)


@pytest.mark.parametrize("channels", [2, 40])
def test_softmax_gives_what_scipy_gives(channels):
    logits = random_logits(channels, scale=20)
    rule = Decode("argmax", ("", "a", *(f"x{n}" for n in range(2, channels))), "softmax")
    made = decoded(logits.copy(), rule, probabilities_of={"a"})
    assert np.allclose(made.probabilities["a"], softmax(logits, axis=-1)[..., 1], rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("cuts", [(1, 4), (1, 2, 3, 4, 5), (5,)])
def test_planes_in_pieces_decode_as_all_at_once_and_are_activated_once(cuts):
    inside = {"brain": np.ones(WORKING.shape_kji, dtype=bool)}
    rule = Decode("argmax", ("", "a", "b"), "softmax", no_background_in=NoBackgroundIn("brain", 1))
    options = {"native": WORKING.resized((11, 9, 13)), "probabilities_of": {"b"}, "uncertainty": True}
    whole, pieces = (decoded(random_logits(3), rule, inside, cuts=c, **options) for c in ((), cuts))
    assert [v.tobytes() for v in whole.masks.volumes] == [v.tobytes() for v in pieces.masks.volumes]
    assert whole.probabilities["b"].tobytes() == pieces.probabilities["b"].tobytes()
    assert whole.uncertainty["entropy"].tobytes() == pieces.uncertainty["entropy"].tobytes()


def frozen(array):
    array.setflags(write=False)
    return array


def channels_first(array):
    return np.moveaxis(np.moveaxis(array, -1, 0).copy(), 0, -1)


@pytest.mark.parametrize("view", [channels_first, frozen])
def test_planes_that_lie_otherwise_in_memory_or_are_not_ours_decode_the_same(view):
    rule = Decode("argmax", ("", "a", "b"), "softmax")
    made, other = (decoded(planes, rule) for planes in (random_logits(3), view(random_logits(3))))
    assert made.masks.volumes[0].tobytes() == other.masks.volumes[0].tobytes()


@pytest.mark.parametrize("channels", [254, 255, 256, 300])
def test_many_classes_keep_their_names(channels):
    names = ("", *(f"c{n}" for n in range(1, channels)))
    found = decoded(random_logits(channels), Decode("argmax", names), native=WORKING.resized((9, 9, 9))).masks
    assert found.volumes[0].dtype == (np.uint8 if channels <= 255 else np.uint16)
    exact = decoded(random_logits(channels), Decode("argmax", names)).masks
    strongest = random_logits(channels).argmax(axis=-1)
    assert all(np.array_equal(exact[name], strongest == n) for n, name in enumerate(names) if name)


def test_between_two_ignored_channels_a_third_may_win():
    planes = activations(x=(np.s_[:, :, ::2], 4), y=(np.s_[:, :, 1::2], 4), a=(ALL, 3.5))
    made = decoded(planes, Decode("argmax", ("", "", "a")), native=WORKING.resized((6, 6, 12)))
    assert made.masks["a"].any()


def test_entropy_is_that_of_the_classes_and_at_most_one():
    logits = random_logits(4, scale=1)
    rule = Decode("argmax", ("", "a", "b", "c"), "softmax")
    found = decoded(logits.copy(), rule, uncertainty=True).uncertainty["entropy"]
    assert np.allclose(found, entropy(softmax(logits, axis=-1), axis=-1) / np.log(4), atol=1e-5)


def test_logits_of_a_card_without_activation_count_as_such_and_probabilities_as_they_are():
    logits = random_logits(3)
    rule = Decode("argmax", ("", "a", "b"))
    ready = softmax(logits, axis=-1)
    one, other = (decoded(p, rule, probabilities_of={"a"}, uncertainty=True) for p in (logits.copy(), ready.copy()))
    assert np.allclose(one.probabilities["a"], ready[..., 1], atol=1e-6)
    assert np.array_equal(other.probabilities["a"], ready[..., 1])
    assert np.allclose(one.uncertainty["entropy"], other.uncertainty["entropy"], atol=1e-5)


def test_entropy_of_thresholded_channels_is_the_mean_of_each():
    planes = activations(a=(ALL, 0.5), b=(LEFT, 1))
    found = decoded(planes, Decode("threshold", ("a", "b")), uncertainty=True).uncertainty["entropy"]
    assert np.allclose(found, 0.5)


def test_the_variance_is_handed_on_and_is_no_class():
    planes = np.concatenate([random_logits(2), np.full((*WORKING.shape_kji, 1), 99, np.float32)], axis=-1)
    rule = Decode("argmax", ("", "a"), "softmax")
    made = decoded(planes, rule, uncertainty=True, has_variance=True, native=WORKING.resized((7, 7, 7)))
    assert (made.uncertainty["variance"] == 99).all() and set(made.uncertainty) == {"entropy", "variance"}
    assert np.array_equal(
        made.masks["a"], decoded(random_logits(2), rule, native=WORKING.resized((7, 7, 7))).masks["a"]
    )

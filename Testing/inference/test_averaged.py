"""Ensembles and mirrored patches against their definition, and the variance against numpy's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import expit, softmax

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.averaged import Averaged
from MedDLLogic.inference.sliding import slide
from MedDLLogic.inference.windows import weights
from MedDLLogic.models.card import Tiling

from .slow_engine import Kept, Moody, Points

PATCH = np.random.default_rng(5).normal(scale=3, size=(2, 5, 6, 7)).astype(np.float32)
QUIET = lambda part: None
AXES = [(), ("i",), ("k", "j"), ("i", "j", "k")]


def mirrored(networks, axes) -> Iterator[np.ndarray]:
    """Each prediction by numpy's own flips."""
    places = ["kji".index(axis) for axis in axes]
    for network, count in itertools.product(networks, range(len(axes) + 1)):
        for some in itertools.combinations(places, count):
            yield np.flip(network.raw(np.flip(PATCH, [n + 1 for n in some])), some)


def ensemble(count=3):
    networks = [Moody(4) for _ in range(count)]
    for number, network in enumerate(networks):
        network.factors = network.factors * (number + 1)
    return networks


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("members", [1, 3])
def test_it_is_the_mean_over_members_and_every_combination_of_mirrored_axes(axes, members):
    networks = ensemble(members)
    found = Averaged(networks, axes, with_variance=False).predict(PATCH, {}, QUIET)
    assert np.allclose(found, np.mean(list(mirrored(networks, axes)), axis=0), atol=1e-5)
    assert sum(len(network.shapes) for network in networks) == members * 2 ** len(axes)


def test_a_network_that_mirroring_does_not_change_gives_what_it_gives_without():
    network = Points()
    found = Averaged([network], ("i", "j", "k"), with_variance=False).predict(PATCH, {}, QUIET)
    assert np.allclose(found, network.raw(PATCH), atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "probabilities"), [("softmax", lambda a: softmax(a, axis=-1)), ("sigmoid", expit)]
)
def test_the_last_channel_is_the_variance_of_probabilities(activation, probabilities):
    averaged = Averaged(ensemble(), ("j",), with_variance=True, activation=activation)
    averaged.predict(-PATCH, {}, QUIET)
    found = averaged.predict(PATCH, {}, QUIET)
    expected = [probabilities(one.astype(np.float64)) for one in mirrored(ensemble(), ("j",))]
    assert np.allclose(found[..., -1], np.var(expected, axis=0).mean(axis=-1), atol=1e-6)
    assert np.allclose(found[..., :-1], np.mean(list(mirrored(ensemble(), ("j",))), axis=0), atol=1e-5)


def test_predictions_that_agree_have_no_variance():
    averaged = Averaged([Points(), Points()], ("k",), with_variance=True)
    assert not averaged.predict(PATCH * 100, {}, QUIET)[..., -1].any()


@pytest.mark.parametrize("with_variance", [True, False])
def test_weights_come_on_all_channels(with_variance):
    averaged = Averaged(ensemble(), ("i",), with_variance=with_variance)
    plain = averaged.predict(PATCH, {}, QUIET).copy()
    weighted = averaged.predict(PATCH, {}, QUIET, "gaussian")
    assert np.allclose(weighted, plain * weights(PATCH.shape[1:], "gaussian")[..., None], rtol=1e-4, atol=1e-9)


def test_the_engine_blends_an_average_as_it_blends_one_network():
    voxels, tiling = np.random.default_rng(1).random((1, 20, 13, 9), dtype=np.float32), Tiling((8, 8, 8))
    plain, averaged = Kept(), Kept()
    slide(Points(), voxels, {}, tiling, (0, 1, 2), plain, QUIET)
    slide(Averaged([Points()], ("i", "k"), with_variance=True), voxels, {}, tiling, (0, 1, 2), averaged, QUIET)
    assert np.allclose(averaged.finish()[..., :-1], plain.finish(), atol=1e-6)
    assert not averaged.finish()[..., -1].any()


def test_progress_is_shared_over_all_predictions():
    told = []
    Averaged([Points(), Points()], ("i",), with_variance=False).predict(PATCH, {}, told.append)
    assert told == [0.125, 0.375, 0.625, 0.875]


def test_what_a_member_raises_passes():
    def stop(part):
        raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match="E602"):
        Averaged(ensemble(), ("i",), with_variance=True).predict(PATCH, {}, stop)


def test_patches_of_another_size_and_kind_come_out_right_one_after_the_other():
    averaged = Averaged([Points()], ("i",), with_variance=False)
    for patch in (PATCH, PATCH[:, :3], PATCH[:1], PATCH):
        assert np.allclose(averaged.predict(patch, {}, QUIET), Points().raw(patch), atol=1e-6)


def test_arrays_are_kept_from_patch_to_patch():
    averaged = Averaged(ensemble(), ("i",), with_variance=False)
    assert averaged.predict(PATCH, {}, QUIET) is averaged.predict(PATCH, {}, QUIET)


def test_one_network_unmirrored_is_asked_directly():
    network = Points()
    Averaged([network], (), with_variance=False).predict(PATCH, {}, QUIET, "gaussian")
    assert network.blends == {"gaussian"}

"""Networks that stay loaded: which ones, how many, and that it makes no difference to what they compute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import MedDLLogic
from MedDLLogic.events import Reporter
from MedDLLogic.inference.graphs import GraphKey, keep_refusal
from MedDLLogic.inference.precision import Choice
from MedDLLogic.inference.warm import Networks
from MedDLLogic.job import CardRef, InputRef, Job
from MedDLLogic.models.card import LocalFile
from MedDLLogic.models.registry import read_card
from MedDLLogic.tasks.run import run_job

from ..small_models import ball, make_unet_card
from .networks import ignore, patch


@pytest.fixture
def cards(own_home, tmp_path):
    """Three cards, the first two of which name the same network."""
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    return [read_card(make_unet_card(f, name=n)) for f, n in zip(folders, ("one", "same", "two"), strict=True)]


def ready(networks, card, device="cpu", *, notes=None, **choice):
    stage = card.card.stages[0]
    told = [] if notes is None else notes
    return networks.ready(card, stage, device, Choice(**choice), stage.tiling, on_note=told.append)


def test_a_network_is_loaded_once_for_all_cards_that_name_it(cards):
    networks = Networks(2)
    assert ready(networks, cards[0]) is ready(networks, cards[0]) is ready(networks, cards[1])


def test_without_a_place_to_keep_it_a_network_is_loaded_each_time(cards):
    networks = Networks()
    assert ready(networks, cards[0]) is not ready(networks, cards[0])


def test_the_networks_used_last_are_those_that_stay(cards):
    networks = Networks(2)
    first = ready(networks, cards[0])
    ready(networks, cards[0], precision="reference")
    assert ready(networks, cards[0]) is first
    ready(networks, cards[0], backend="onnxruntime")
    assert ready(networks, cards[0]) is first and len(networks._kept) == 2


@pytest.mark.parametrize(
    "other", [{"precision": "reference"}, {"backend": "torch"}, {"mirroring": True}, {"with_variance": True}]
)
def test_another_way_of_computing_is_another_network(cards, other):
    networks = Networks(2)
    card = mirrored(cards[0])
    assert ready(networks, card) is not ready(networks, card, **other)


def mirrored(found):
    (stage,) = found.card.stages
    stage = replace(stage, tiling=replace(stage.tiling, mirror_axes=("i", "k")))
    return replace(found, card=replace(found.card, stages=(stage,)))


def test_mirroring_gives_the_mean_of_all_mirrored_patches(cards):
    card = mirrored(cards[0])
    voxels = patch((16, 16, 16), 2)
    single = ready(Networks(), card)
    flips = [(), (1,), (3,), (1, 3)]
    each = [np.flip(single.predict(np.flip(voxels, f), {}, ignore).copy(), [axis - 1 for axis in f]) for f in flips]
    found = ready(Networks(), card, mirroring=True).predict(voxels, {}, ignore)
    assert np.allclose(found, np.mean(each, axis=0), atol=1e-5)


def test_an_ensemble_is_as_large_as_was_asked_for(cards, tmp_path):
    (stage,) = cards[0].card.stages
    other = make_unet_card(tmp_path, name="fold", seed=8)
    weights = replace(read_card(other).card.stages[0].weights, source=LocalFile(str(tmp_path / "fold.safetensors")))
    both = replace(cards[0], card=replace(cards[0].card, stages=(replace(stage, ensemble=(weights,)),)))
    voxels = patch((16, 16, 16), 2)
    mean, first = (ready(Networks(), both, members=count).predict(voxels, {}, ignore).copy() for count in (0, 1))
    assert np.array_equal(first, ready(Networks(), cards[0]).predict(voxels, {}, ignore))
    assert np.abs(mean - first).max() > 1e-3


def test_a_network_that_can_be_no_graph_is_computed_by_torch_and_that_is_told_each_time(cards):
    (stage,) = cards[0].card.stages
    keep_refusal(GraphKey(stage.weights.sha256, stage.network, stage.tiling.patch_kji), "a layer")
    networks, notes = Networks(1), []
    predictor, _ = (ready(networks, cards[0], notes=notes) for _ in range(2))
    assert (predictor.backend, predictor.precision) == ("torch", "exact")
    assert len(notes) == 2 and "a layer" in notes[0]


def test_networks_that_were_dropped_are_loaded_anew(cards):
    networks = Networks(2)
    first = ready(networks, cards[0])
    networks.rest()
    assert ready(networks, cards[0]) is first
    assert networks.drop() == 1 and ready(networks, cards[0]) is not first


def test_a_network_kept_from_runs_before_gives_the_very_same_voxels(unet_card):
    image = ball()[0]
    inputs = {role: InputRef(handle="h") for role in ("first", "second")}
    job = Job("segment", inputs, card=CardRef(str(unet_card)))
    expected = MedDLLogic.segment({"first": image, "second": image}, model=str(unet_card)).layers[0].tobytes()
    networks = Networks(1)
    for _ in range(3):
        made = run_job(job, Reporter("case", lambda event: None), {"h": image}, networks=networks).made
        assert made.layers[0].tobytes() == expected

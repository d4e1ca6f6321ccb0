"""Networks that stay loaded: which ones, how many, and that it makes no difference to what they compute."""

from __future__ import annotations

import pytest

import MedDLLogic
from MedDLLogic.events import Reporter
from MedDLLogic.inference.warm import Networks
from MedDLLogic.job import CardRef, InputRef, Job
from MedDLLogic.models.registry import read_card
from MedDLLogic.tasks.run import run_job

from ..small_models import ball, make_unet_card


@pytest.fixture
def cards(own_home, tmp_path):
    """Three cards, the first two of which name the same network."""
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    return [read_card(make_unet_card(f, name=n)) for f, n in zip(folders, ("one", "same", "two"), strict=True)]


def ready(networks, card, device="cpu"):
    return networks.ready(card, card.card.stages[0], device)


def test_a_network_is_loaded_once_for_all_cards_that_name_it(cards):
    networks = Networks(2)
    assert ready(networks, cards[0]) is ready(networks, cards[0]) is ready(networks, cards[1])


def test_without_a_place_to_keep_it_a_network_is_loaded_each_time(cards):
    networks = Networks()
    assert ready(networks, cards[0]) is not ready(networks, cards[0])


def test_the_networks_used_last_are_those_that_stay(cards, monkeypatch):
    networks = Networks(2)
    first = ready(networks, cards[0])
    ready(networks, cards[0], "meta")
    assert ready(networks, cards[0]) is first
    ready(networks, cards[0], "cpu:0")
    assert ready(networks, cards[0]) is first and len(networks._kept) == 2


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

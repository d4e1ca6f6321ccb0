"""A card's check case: every precision against the reference, and what is remembered of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.precision import has_bf16, is_good_when_fast
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.models.card import Check, Decode
from MedDLLogic.models.registry import read_card
from MedDLLogic.tasks import verify as module
from MedDLLogic.tasks.verify import Seen, check_of, verify

from ..small_models import ball, make_unet_card, save_card

ARGMAX = Decode("argmax", ("", "a"))
SIGMOID = Decode("threshold", ("a",), activation="sigmoid", threshold=0.9)


@pytest.fixture
def path(own_home, tmp_path):

    made = make_unet_card(tmp_path)
    card = json.loads(made.read_text(encoding="utf-8"))
    return save_card(tmp_path, card | {"check": {"samples": {"first": "head-t1", "second": "head-t1"}}})


@pytest.fixture
def sample_here(tmp_path, monkeypatch):
    """A ball in the place of the sample that is downloaded."""
    write_volume(tmp_path / "ball.nii.gz", ball()[0])
    monkeypatch.setattr(module, "sample_file", lambda sample: tmp_path / "ball.nii.gz")


def test_every_precision_is_compared_and_remembered(path, sample_here):
    found, told = read_card(path), []
    verdict = verify(found, told.append)
    assert verdict.passed and verdict.reference == "torch" and told
    assert [one.precision for one in verdict.compared] == ["exact", "fast"] if has_bf16() else ["exact"]
    exact = verdict.compared[0]
    assert 0 < exact.error < 1e-5 and set(exact.dice) == {"one", "two"} and min(exact.dice.values()) > 0.999
    fast_passed = any(one.precision == "fast" and one.passed for one in verdict.compared)
    assert is_good_when_fast(found, found.card.network_stages[0]) == fast_passed
    assert check_of(verdict, {"first": "head-t1", "second": "head-t1"}).dice["exact"] > 0.999


def test_a_cancelled_check_ends_as_any_run(path, sample_here):
    with pytest.raises(MedDLError, match="E602"):
        verify(read_card(path), is_cancelled=lambda: True)


def test_a_sample_that_is_not_here_is_told_with_a_way_to_get_it(path):
    with pytest.raises(MedDLError, match=r"E403.*demo"):
        verify(read_card(path))


def test_a_card_without_a_check_case_has_nothing_to_verify(unet_card):
    with pytest.raises(MedDLError, match="E401"):
        verify(read_card(unet_card))


def test_a_sample_that_nobody_knows_is_the_cards_fault(path):
    found = read_card(path)
    odd = replace(found, card=replace(found.card, check=Check(dict.fromkeys(found.card.roles, "nobody"))))
    with pytest.raises(MedDLError, match="E403"):
        verify(odd)


def field(*values):
    return np.array(values, dtype=np.float32).reshape(1, 1, len(values), -1)


@pytest.mark.parametrize(
    ("rule", "expected", "found", "error", "margin"),
    [
        (ARGMAX, [[0, 1], [0, 10]], [[0, 1], [0, 9]], 0.1, 0),
        (ARGMAX, [[0, 1], [0, 10]], [[2, 1], [0, 10]], 0.2, 0.1),
        (SIGMOID, [[2.0], [12.0]], [[3.0], [12.0]], 0.1, abs(2 - np.log(9)) / 10),
        (SIGMOID, [[2.0], [12.0]], [[2.1], [12.0]], 0.01, 0),
    ],
)
def test_errors_and_margins_are_shares_of_the_range(rule, expected, found, error, margin):
    seen = Seen()
    seen.add(field(*expected), field(*found), rule)
    assert (seen.error, seen.margin) == pytest.approx((error, margin), abs=1e-6)
    assert not seen.is_exact

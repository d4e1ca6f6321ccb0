"""`meddl models verify`: what the faster ways of computing change is told, and an exact one that is not is an error."""

import json

import pytest

from MedDLLogic.cli import models_verify, run
from MedDLLogic.tasks.verify import Compared, Verdict


def said(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def verdict(monkeypatch):
    """``verdict(passed)`` has the model's runs come out so; the runs themselves are tested with the task."""

    def come_out(passed):
        compared = (Compared("exact", {"one": 1.0, "two": 0.9991}, 2e-6, 0.0, 1.5, passed),)
        monkeypatch.setattr(models_verify, "verify", lambda *_: Verdict("two-channels", "torch", 4.0, compared))

    return come_out


def test_precisions_segments_errors_and_times_are_shown(unet_card, verdict, capsys):
    verdict(True)
    assert run(["models", "verify", str(unet_card)]) == 0
    out = capsys.readouterr().out
    assert "reference (torch)" in out and "0.9991" in out and "2.0e-06" in out


def test_the_same_is_there_for_machines(unet_card, verdict, capsys):
    verdict(True)
    assert run(["models", "verify", str(unet_card), "--json"]) == 0
    found = said(capsys)
    assert found["passed"] is True and found["compared"][0]["dice"]["two"] == 0.9991


def test_an_exact_way_that_is_not_exact_is_an_error(unet_card, verdict, capsys):
    verdict(False)
    assert run(["models", "verify", str(unet_card)]) == 6
    assert "MEDDL-E608" in capsys.readouterr().err


def test_a_card_without_a_check_case_says_so(unet_card, capsys):
    assert run(["models", "verify", str(unet_card)]) == 4
    assert "no check case" in capsys.readouterr().err

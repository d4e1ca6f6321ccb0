"""Hostile model files are refused in one line, none of their code runs, and nothing is written."""

import pytest

from .trial import CONTROL, try_all

pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return try_all(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def answers(every):
    """What became of each hostile file, in one child."""
    return tuple(answer for answer in every if answer.name != CONTROL)


def test_each_is_refused_in_one_line_with_a_code(answers):
    assert [answer.name for answer in answers if not answer.is_refused] == []


def test_nothing_of_them_ran(answers):
    assert {answer.name: answer.events for answer in answers if answer.events} == {}
    assert not any(answer.left_canary for answer in answers)


def test_nothing_was_written(answers):
    assert {answer.name: answer.written for answer in answers if answer.written} == {}


def test_none_is_a_defect_of_meddl(answers):
    assert [answer.said for answer in answers if "E901" in answer.said] == []


def test_there_are_forty_of_them(answers):
    assert len(answers) >= 40 and len({answer.name for answer in answers}) == len(answers)


def test_the_watch_sees_what_a_careless_tool_does(every):
    control = every[-1]
    assert control.name == CONTROL and control.left_canary
    assert any(event.startswith("os.system") for event in control.events)

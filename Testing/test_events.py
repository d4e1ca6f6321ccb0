from __future__ import annotations

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Progress, Reporter, Warned


class Clock:
    """A clock that goes on by some seconds each time it is read."""

    def __init__(self, step_s):
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def told():
    return []


def reporter(told, step_s=1.0, **options):
    return Reporter("case", told.append, stages={"read": 1, "predict": 3}, clock=Clock(step_s), **options)


def test_the_end_of_every_stage_adds_its_share(told):
    tell = reporter(told)
    with tell.stage("read"):
        tell.update(0.5)
    with tell.stage("predict"):
        tell.update(0.5)
    assert [event.fraction for event in told] == [0.0, 0.125, 0.25, 0.25, 0.625, 1.0]


def test_the_time_left_is_told_once_there_is_something_to_go_by(told):
    tell = reporter(told)
    with tell.stage("read"):
        tell.update(1.0)
    assert [event.remaining_s for event in told[:2]] == [None, 6.0]


def test_progress_is_told_at_most_ten_times_a_second(told):
    tell = reporter(told, step_s=0.01)
    for n in range(100):
        tell.update(n / 100)
    assert 9 <= len(told) <= 11


def test_a_fraction_out_of_range_stays_within_the_stage(told):
    tell = reporter(told)
    with tell.stage("read"):
        tell.update(7.0)
        tell.update(-7.0)
    assert [event.fraction for event in told[1:3]] == [0.25, 0.0]


def test_updates_in_a_span_count_for_that_part_of_the_stage(told):
    tell = reporter(told)
    with tell.stage("predict"):
        with tell.span(0.2, 0.6):
            tell.update(0.5)
        tell.update(0.8)
    assert [event.fraction for event in told[1:3]] == [0.3, 0.6]


def test_a_stage_that_fails_is_not_told_as_done(told):
    with pytest.raises(ValueError, match="x"), reporter(told).stage("read"):
        raise ValueError("x")
    assert told == [Progress("case", "read", 0.0, None)]


def test_a_wish_to_cancel_ends_the_run_at_the_next_update(told):
    with pytest.raises(MedDLError) as caught:
        reporter(told, is_cancelled=lambda: True).update(0.5)
    assert (caught.value.code, told) == ("E602", [])


def test_a_warning_goes_out_at_once(told):
    reporter(told).warn("E322", "slices missing")
    assert told == [Warned("case", "E322", "slices missing")]

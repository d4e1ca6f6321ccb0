from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Progress, Reporter, Warned


class Clock:
    """A clock that goes on when it is told to, and by some seconds each time it is read."""

    def __init__(self, step_s=0.0):
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s

    def advance(self, seconds):
        self.now_s += seconds


@pytest.fixture
def told():
    return []


@pytest.fixture
def clock():
    return Clock()


def reporter(told, clock=None, **options):
    return Reporter("case", told.append, stages={"read": 1, "predict": 3}, clock=clock or Clock(1.0), **options)


def test_the_end_of_every_stage_adds_its_share(told):
    tell = reporter(told)
    with tell.stage("read"):
        tell.update(0.5)
    with tell.stage("predict"):
        tell.update(0.5)
    assert [event.fraction for event in told] == [0.0, 0.125, 0.25, 0.25, 0.625, 1.0]


def test_the_time_left_is_told_once_there_is_something_to_go_by(told, clock):
    tell = reporter(told, clock)
    with tell.stage("read"):
        clock.advance(2)
        tell.update(1.0)
    assert [event.remaining_s for event in told[:2]] == [None, 6.0]


def test_progress_is_told_at_most_ten_times_a_second(told):
    tell = reporter(told, Clock(0.01))
    for n in range(100):
        tell.update(n / 100)
    assert 9 <= len(told) <= 11


def test_a_fraction_out_of_range_stays_within_the_stage_and_is_never_taken_back(told):
    tell = reporter(told)
    with tell.stage("read"):
        tell.update(-7.0)
        tell.update(7.0)
        tell.update(0.5)
    assert [event.fraction for event in told[1:4]] == [0.0, 0.25, 0.25]


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


def test_the_seconds_of_each_part_of_a_stage_are_kept(told, clock):
    tell = reporter(told, clock)
    with tell.stage("predict"):
        clock.advance(1)
        with tell.part("load", 0.1, 0.1):
            clock.advance(2)
        with tell.part("network", 0.1, 0.9):
            clock.advance(4)
    assert tell.times == {"predict": {"load": 2, "network": 4, "": 1}}


PAST = {"read": {"": 10.0}, "predict": {"prepare": 20.0, "network": 60.0, "": 10.0}}


def test_learned_seconds_give_the_time_left_from_the_first_moment_on(told, clock):
    tell = reporter(told, clock)
    tell.expect(PAST)
    with tell.stage("read"):
        pass
    assert (told[0].fraction, told[0].remaining_s) == (0.0, 100.0)


def test_learned_seconds_are_the_shares_of_stages_and_parts(told, clock):
    tell = reporter(told, clock)
    tell.expect(PAST)
    with tell.stage("read"):
        clock.advance(10)
    with tell.stage("predict"), tell.part("prepare", 0, 0.9):
        clock.advance(20)
        tell.update(1.0)
    assert [event.fraction for event in told[1:4]] == [0.1, 0.1, 0.3]


def run_at_pace(told, clock, pace):
    tell = reporter(told, clock)
    tell.expect(PAST)
    with tell.stage("read"):
        clock.advance(10 * pace)
    with tell.stage("predict"):
        for hundredth in range(100):
            clock.advance(0.9 * pace)
            tell.update((hundredth + 1) / 100)


def test_a_run_like_those_before_counts_down_second_by_second(told, clock):
    run_at_pace(told, clock, 1.0)
    assert all(event.remaining_s == pytest.approx(100 * (1 - event.fraction), abs=0.2) for event in told)


@pytest.mark.parametrize("pace", [0.25, 3.0])
def test_a_run_of_another_pace_is_told_by_its_own_once_a_third_is_done(told, clock, pace):
    run_at_pace(told, clock, pace)
    late = [event for event in told if event.fraction > 0.34]
    assert all(
        event.remaining_s == pytest.approx(100 * pace * (1 - event.fraction), rel=0.02, abs=0.2) for event in late
    )


def test_a_stage_that_past_runs_did_not_have_keeps_its_share_beside_the_others(told, clock):
    tell = Reporter("case", told.append, stages={"read": 1, "predict": 3, "write": 1}, clock=clock)
    tell.expect(PAST)
    with tell.stage("read"):
        pass
    assert told[0].remaining_s == 125.0


def test_what_ended_counts_as_long_as_it_took_when_the_rest_is_foretold_anew(told, clock):
    tell = reporter(told, clock)
    with tell.stage("read"):
        clock.advance(30)
    tell.expect(PAST)
    with tell.stage("predict"):
        pass
    assert (told[2].fraction, told[2].remaining_s) == (0.25, 90.0)


def test_past_runs_that_took_no_time_teach_nothing(told, clock):
    tell = reporter(told, clock)
    tell.expect({"read": {"": 0.0}, "predict": {"": 0.0}})
    with tell.stage("read"):
        pass
    assert [event.remaining_s for event in told] == [None, None] and told[1].fraction == 0.25


def test_past_runs_of_which_one_took_no_time_teach_nothing_of_the_others(told, clock):
    tell = reporter(told, clock)
    tell.expect({"read": {"": 0.0}})
    with tell.stage("other"):
        tell.update(0.5, at_once=True)
    assert all(event.remaining_s is None or event.remaining_s >= 0 for event in told)


seconds = st.floats(0, 1e4)
parts = st.dictionaries(st.sampled_from(["prepare", "network", ""]), seconds, max_size=3)
moves = st.tuples(st.sampled_from(["read", "predict", "other"]), seconds, st.floats(-2, 2))


@given(st.lists(moves, max_size=12), st.lists(st.dictionaries(st.sampled_from(["read", "predict"]), parts), max_size=3))
def test_whatever_happens_the_fraction_never_falls_and_the_time_left_is_never_negative(run, lessons):
    told, clock = [], Clock()
    tell = Reporter("case", told.append, stages={"read": 0.5, "predict": 2.0}, clock=clock)
    for stage, seconds, fraction in run:
        if lessons:
            tell.expect(lessons.pop())
        with tell.stage(stage), tell.part("network", 0.1, 0.8):
            clock.advance(seconds)
            tell.update(fraction)
    fractions = [event.fraction for event in told]
    assert fractions == sorted(fractions) and all(0 <= fraction <= 1 for fraction in fractions)
    assert all(event.remaining_s is None or event.remaining_s >= 0 for event in told)

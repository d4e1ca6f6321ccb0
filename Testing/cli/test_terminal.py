"""What the terminal shows: bars for people, plain lines for logs, JSON for machines."""

import io
import json

import pytest

from MedDLLogic.cli.terminal import Terminal, size_text, time_left
from MedDLLogic.events import Failed, Progress, Warned


def shown(*events, as_json=False):
    out, err = io.StringIO(), io.StringIO()
    with Terminal(as_json=as_json, out=out, err=err).watching() as emit:
        for event in events:
            emit(event)
    return out.getvalue(), err.getvalue()


def test_a_log_gets_a_line_a_stage_with_percentage_and_time_left():
    _, err = shown(Progress("c", "read", 0.0), Progress("c", "read", 0.01), Progress("c", "find", 0.5, 83.0))
    assert err.splitlines() == ["c    0%  read", "c   50%  find  1 min 23 s left"]


def test_machines_get_every_event_as_a_line():
    out, _ = shown(Progress("c", "read", 0.0), Progress("c", "read", 0.5, 1.0), as_json=True)
    assert [json.loads(line)["fraction"] for line in out.splitlines()] == [0.0, 0.5]


def test_warnings_and_failures_are_shown_with_their_code():
    _, err = shown(Warned("c", "E308", "two orientations"), Failed("c", "E305", "MEDDL-E305: cut short"))
    assert "E308" in err and "E305" in err


def test_text_in_brackets_is_shown_as_it_is():
    _, err = shown(Warned("c", "E308", "[bold]not markup[/bold]"))
    assert "[bold]not markup[/bold]" in err


@pytest.mark.parametrize(("seconds", "words"), [(None, ""), (5.4, "5 s left"), (61, "1 min 01 s left")])
def test_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


@pytest.mark.parametrize(("size", "words"), [(12, "12 B"), (53_900_000, "53.9 MB"), (2_100_000_000, "2.1 GB")])
def test_sizes_in_words(size, words):
    assert size_text(size) == words


def test_a_card_cannot_steer_the_terminal_or_break_the_table():
    out = io.StringIO()
    terminal = Terminal(as_json=False, out=out)
    terminal.table("[/x]", ["model"], [["\x1b]0;title\x07[/nothing] :brain:"]])
    terminal.say("\x1b[2J:brain:")
    assert "\x1b" not in out.getvalue() and "[/nothing] :brain:" in out.getvalue()


def test_machines_get_text_as_it_is():
    out = io.StringIO()
    Terminal(as_json=True, out=out).data({"path": "a:brain:[b]\udcff"})
    assert json.loads(out.getvalue()) == {"path": "a:brain:[b]\udcff"}

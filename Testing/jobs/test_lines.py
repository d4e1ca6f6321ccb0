from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from MedDLLogic.jobs.lines import MAX_LINE_BYTES, MAX_TAIL_CHARACTERS, Lines, Tail

PIECES = st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\n\n"]), max_size=30)


@given(PIECES)
def test_lines_are_the_same_however_the_bytes_are_cut(pieces):
    lines = Lines()
    assert [line for piece in pieces for line in lines.feed(piece)] == b"".join(pieces).split(b"\n")[:-1]


def test_a_line_that_is_too_long_is_left_out_to_its_very_end_and_fills_no_memory():
    lines = Lines()
    for _ in range(30):
        assert lines.feed(b"x" * 100_000) == []
        assert len(lines._rest) <= MAX_LINE_BYTES
    assert lines.feed(b'{"tail": 1}\nnext\n') == [b"next"]


def test_a_line_of_the_largest_size_is_kept():
    assert Lines().feed(b"x" * MAX_LINE_BYTES + b"\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\n") == [b"x" * MAX_LINE_BYTES]


def test_of_a_log_the_end_is_kept():
    tail = Tail()
    tail.feed(b"a" * 10_000)
    tail.feed(b"end")
    assert tail.text.endswith("aend") and len(tail.text) == MAX_TAIL_CHARACTERS

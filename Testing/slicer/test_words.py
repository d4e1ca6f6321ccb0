"""Numbers as the panel says them."""

from __future__ import annotations

import pytest

from .ours import ours


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "1 s"), (42.0, "42 s"), (89.0, "89 s"), (150.0, "2 min"), (7300.0, "2 h")]
)
def test_time_is_told_as_people_say_it(monkeypatch: pytest.MonkeyPatch, seconds: float, words: str) -> None:
    assert ours(monkeypatch, "words").time_in_words(seconds) == words


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 MB"), (18, "1 kB"), (10_252_582, "10 MB"), (999_600_000, "1.0 GB"), (2_100_000_000, "2.1 GB")],
)
def test_sizes_are_told_as_people_say_them(monkeypatch: pytest.MonkeyPatch, size_bytes: int, words: str) -> None:
    assert ours(monkeypatch, "words").size_in_words(size_bytes) == words


def test_a_long_list_ends_with_how_many_more_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ours(monkeypatch, "words").listed
    assert [listed(["a", "b"], 2), listed(["a", "b", "c", "d"], 2)] == ["a, b", "a, b and 2 more"]

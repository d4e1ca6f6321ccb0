"""Numbers as people say them."""

from __future__ import annotations

from .i18n import _


def time_in_words(seconds: float) -> str:
    """A duration: ``"40 s"``, ``"3 min"``, ``"2 h"``."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    if seconds < 90 * 60:
        return _("{count} min").format(count=round(seconds / 60))
    return _("{count} h").format(count=round(seconds / 3600))


def size_in_words(size_bytes: int) -> str:
    """A size: ``"512 kB"``, ``"10 MB"``, ``"2.1 GB"``."""
    if size_bytes >= 999.5e6:
        return f"{size_bytes / 1e9:.1f} GB"
    if 0 < size_bytes < 1e6:
        return f"{max(1, round(size_bytes / 1e3))} kB"
    return f"{round(size_bytes / 1e6)} MB"


def first_upper(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def listed(texts: list[str], at_most: int) -> str:
    """The texts with commas, and how many more there are."""
    names = ", ".join(texts[:at_most])
    more = len(texts) - at_most
    return names if more <= 0 else _("{names} and {count} more").format(names=names, count=more)

"""Scene in and out: one copy of the input, one push of all segments, both short enough for the application's main thread."""

from __future__ import annotations

from Testing.acceptance.row import Outcome, Row

MOST_S = 0.150
MOST_OF_RIVAL = 0.1
SMALL_KJI = (60, 100, 100)


def _small() -> Outcome:
    """What does not depend on the machine: the ratio, and that every voxel arrives."""
    return _outcome(SMALL_KJI, limit_s=None)


def _full() -> Outcome:
    from Testing.benchmarks.push import FULL_KJI

    return _outcome(FULL_KJI, limit_s=MOST_S)


def _outcome(shape_kji: tuple[int, int, int], limit_s: float | None) -> Outcome:
    from Testing.benchmarks.push import SEGMENTS, measure

    found = measure(shape_kji)
    k, j, i = shape_kji
    figure = (
        f"{i}x{j}x{k}: copy {found.copy_s * 1e3:.0f} ms, push of {SEGMENTS} segments {found.push_s * 1e3:.1f} ms, "
        f"replacement {found.replace_s * 1e3:.1f} ms, one by one {found.rival_s * 1e3:.0f} ms "
        f"(1/{1 / found.ratio:.0f}), voxel counts {'right' if found.is_right else 'wrong'}"
    )
    slowest_s = max(found.copy_s, found.push_s, found.replace_s)
    is_fast = found.ratio <= MOST_OF_RIVAL and (limit_s is None or slowest_s <= limit_s)
    return Outcome(figure, passed=found.is_right and is_fast)


ROWS = (
    Row(
        "push",
        "input copy, push and replacement of 104 segments at 512x512x300 on the main thread; the same segment by segment",
        "each <= 150 ms, push <= 1/10 of segment by segment, voxel counts right (small: ratio and counts)",
        _small,
        _full,
        is_timed=True,
    ),
)

"""Figures of a contest as a picture: seconds and memory, a bar each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ..io.write import write_bytes
from .contest import Figures

_OURS, _THEIRS = "#2a6f97", "#b0b7bf"


def write_chart(path: Path, figures: Sequence[Figures], title: str, ours: frozenset[str]) -> None:
    """A PNG with one row a contender, slowest first, medians with all rounds as dots; E5xx from writing.

    Parameters
    ----------
    ours : names of the contenders that are MedDL's, drawn in its color.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = sorted(figures, key=lambda one: one.median_wall_s)
    figure = Figure(figsize=(9, 1.4 + 0.5 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    seconds, memory = figure.subplots(1, 2, sharey=True)
    names = [one.name for one in rows]
    colors = [_OURS if one.name in ours else _THEIRS for one in rows]
    slowest = rows[-1].median_wall_s
    for axes, values, unit in (
        (seconds, [one.median_wall_s for one in rows], "seconds"),
        (memory, [one.peak_bytes / 1e9 for one in rows], "GB at most"),
    ):
        bars = axes.barh(names, values, color=colors)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        axes.set_xlabel(unit)
        axes.margins(x=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    for number, one in enumerate(rows):
        seconds.plot(one.wall_s, [number] * len(one.wall_s), "k.", markersize=4)
        seconds.text(0, number - 0.42, f"{slowest / one.median_wall_s:.1f} x", fontsize=7, color="#555555")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_bytes(path, picture.getvalue())

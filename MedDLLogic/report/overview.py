"""One picture of a result: three planes of the image with colored outlines and a legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..geometry import PATIENT, Geometry
from ..image import Image
from ..labels import Segment
from ..preprocess.grid import regrid
from ..result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BACKGROUND = "#111418"
FOREGROUND = "#e8ecf0"
FILL_ALPHA = 60
MAX_LEGEND = 11
WINDOW_SAMPLES = 10_000_000
"""About as many voxels tell the gray window; all of a large volume as float64 would take gigabytes."""
_VIEW_CODES = "LPS"


@dataclass(frozen=True)
class _Plane:
    """One view of an LPS-ordered grid: the axis it cuts, and what lies at its edges."""

    name: str
    axis: int
    left: str
    right: str
    top: str
    bottom: str
    is_upside_down: bool


# Radiological convention: the patient's right is on the picture's left, the top of the head is up.
_PLANES = (
    _Plane("axial", 0, "R", "L", "A", "P", False),
    _Plane("coronal", 1, "R", "L", "S", "I", True),
    _Plane("sagittal", 2, "A", "P", "S", "I", True),
)


def draw_overview(result: Result, image: Image, *, title: str) -> NDArray[np.uint8]:
    """(row, column, 3) picture of the first channel with the outline of every segment that is not empty.

    The planes go through the middle of all segments together, along the grid axes closest to the
    patient's. A picture of one slice is drawn as that slice alone.
    """
    from matplotlib.figure import Figure

    grid = result.geometry.reoriented(_VIEW_CODES)
    gray = regrid(image.voxels[0], image.geometry, grid, "nearest")
    layers = [regrid(layer, result.geometry, grid, "nearest") for layer in result.layers]
    shown = _Shown(gray, layers, result.table.segments, grid, _window(gray))
    center_kji = _center(layers, grid)
    planes = _PLANES if min(grid.shape_kji) > 1 else tuple(p for p in _PLANES if grid.shape_kji[p.axis] == 1)[:1]
    figure = Figure(figsize=(4.4 * max(2, len(planes)), 5.6), dpi=110, facecolor=BACKGROUND)
    for number, plane in enumerate(planes):
        axes = figure.add_axes((0.01 + number / len(planes), 0.14, 0.98 / len(planes) - 0.01, 0.76))
        _draw_plane(axes, plane, shown, center_kji[plane.axis])
    _draw_legend(figure, result)
    figure.text(0.015, 0.945, title, color=FOREGROUND, fontsize=13, fontweight="bold")
    figure.text(0.985, 0.945, "research use only", color=FOREGROUND, alpha=0.6, fontsize=10, ha="right")
    return _pixels(figure)


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba = np.asarray(canvas.buffer_rgba(), dtype=np.uint8)  # type: ignore[no-untyped-call]
    return rgba[..., :3].copy()


@dataclass(frozen=True)
class _Shown:
    """What the planes are cut from, all on one grid of LPS order."""

    gray: NDArray[np.generic]
    layers: list[NDArray[np.generic]]
    segments: tuple[Segment, ...]
    grid: Geometry
    window: tuple[float, float]


def _draw_plane(axes: Axes, plane: _Plane, shown: _Shown, index: int) -> None:
    spacing_kji = shown.grid.spacing_ijk_mm[::-1]
    rows_mm, columns_mm = (spacing_kji[axis] for axis in range(3) if axis != plane.axis)
    origin: Literal["lower", "upper"] = "lower" if plane.is_upside_down else "upper"
    aspect = rows_mm / columns_mm
    slice_ = np.take(shown.gray, index, axis=plane.axis)
    low, high = shown.window
    axes.imshow(slice_, cmap="gray", vmin=low, vmax=high, origin=origin, aspect=aspect, interpolation="bilinear")
    for segment in shown.segments:
        mask = np.take(shown.layers[segment.layer], index, axis=plane.axis) == segment.value
        if mask.any() and min(mask.shape) > 1:
            if segment.layer == 0:  # further layers lie over these and would hide them
                axes.imshow(_tint(mask, segment), origin=origin, aspect=aspect, interpolation="nearest")
            axes.contour(mask, levels=[0.5], colors=[_hex(segment)], linewidths=1.1)
    axes.set_axis_off()
    if shown.grid.frame == PATIENT:
        _label_edges(axes, plane)
        axes.set_title(plane.name, color=FOREGROUND, fontsize=10, pad=4)


def _tint(mask: NDArray[np.bool_], segment: Segment) -> NDArray[np.uint8]:
    rgba = np.zeros((*mask.shape, 4), dtype=np.uint8)
    rgba[mask] = (*segment.color, FILL_ALPHA)
    return rgba


def _label_edges(axes: Axes, plane: _Plane) -> None:
    from matplotlib.patheffects import withStroke

    places = ((0.02, 0.5, plane.left), (0.98, 0.5, plane.right), (0.5, 0.97, plane.top), (0.5, 0.03, plane.bottom))
    for x, y, letter in places:
        text = axes.text(x, y, letter, transform=axes.transAxes, color=FOREGROUND, fontsize=9, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=2.5, foreground=BACKGROUND)])


def _draw_legend(figure: Figure, result: Result) -> None:
    from matplotlib.patches import Patch

    volumes = {m.segment_id: m.value for m in result.measurements if m.quantity == "volume"}
    largest = sorted(result.table, key=lambda s: -volumes.get(s.id, 0.0))[:MAX_LEGEND]
    handles = [
        Patch(facecolor=_hex(s), label=f"{s.name}  {volumes[s.id]:.1f} ml" if s.id in volumes else s.name)
        for s in result.table
        if s in largest
    ]
    if len(result.table) > MAX_LEGEND:
        handles.append(Patch(alpha=0, label=f"and {len(result.table) - MAX_LEGEND} smaller ones"))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=min(4, len(handles)),
        frameon=False,
        labelcolor=FOREGROUND,
        fontsize=11,
    )


def _center(layers: list[NDArray[np.generic]], grid: Geometry) -> tuple[int, ...]:
    inside = np.logical_or.reduce([layer > 0 for layer in layers])  # type: ignore[operator]
    if not inside.any():
        return tuple(n // 2 for n in grid.shape_kji)
    others = ((1, 2), (0, 2), (0, 1))
    middles = []
    for axis in range(3):
        counts = inside.sum(axis=others[axis]).cumsum()
        middles.append(int(np.searchsorted(counts, counts[-1] / 2)))
    return tuple(middles)


def _window(gray: NDArray[np.generic]) -> tuple[float, float]:
    sample = gray.ravel()[:: max(1, gray.size // WINDOW_SAMPLES)]
    low, high = np.percentile(sample.astype(np.float64), (1, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _hex(segment: Segment) -> str:
    return "#{:02x}{:02x}{:02x}".format(*segment.color)

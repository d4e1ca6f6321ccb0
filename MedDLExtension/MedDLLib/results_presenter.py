"""What the section Results shows, decided without Qt: the segments as the scene has them now, with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .i18n import _
from .run_state import Color
from .view import NOTHING, Control, Line

Column = Literal["shown", "name", "volume", "mean"]
COLUMNS: tuple[Column, ...] = ("shown", "name", "volume", "mean")


@dataclass(frozen=True)
class SegmentNow:
    """A segment as the scene has it at this moment."""

    id: str
    name: str
    color: Color
    is_shown: bool


@dataclass(frozen=True)
class Measured:
    """What a run measured of a segment; None where there is nothing to tell."""

    volume_ml: float | None = None
    mean: float | None = None
    mean_unit: str = ""


@dataclass(frozen=True)
class ResultRow:
    """One line of the table."""

    segment_id: str
    is_shown: bool
    name: str
    color: Color
    volume: str
    mean: str


@dataclass(frozen=True)
class ResultsView:
    """Everything visible in the section."""

    is_visible: bool
    title: str
    grid: Line
    edited: Line
    headers: tuple[str, str, str, str]
    rows: tuple[ResultRow, ...]
    selected: str
    sorted_by: Column | None
    is_descending: bool
    show_all: Control
    hide_all: Control
    show_3d: Control
    is_3d: bool
    jump: Control
    warnings: Line
    save_segmentation: Control
    save_table: Control
    save_scene: Control
    saved: Line


@dataclass(frozen=True)
class Results:
    """One moment of the section. Every method returns the next moment.

    Parameters
    ----------
    name : of the segmentation node; empty while there is none.
    segments : in the order of the node.
    measured : segment id -> what the run measured.
    is_on_grid : whether the node lies on the grid of its volume, under the same transform; None where the
        volume is no longer there.
    is_edited : whether voxels were changed since they were measured.
    sorted_by : column, None for the order of the node.
    """

    name: str = ""
    segments: tuple[SegmentNow, ...] = ()
    measured: Mapping[str, Measured] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_on_grid: bool | None = None
    is_edited: bool = False
    is_3d: bool = False
    has_table: bool = False
    selected: str = ""
    sorted_by: Column | None = None
    is_descending: bool = False
    saved: Line = NOTHING

    def measured_anew(self, measured: Mapping[str, Measured], warnings: tuple[str, ...]) -> Results:
        """Another result is shown; only the order of the table stays as it is."""
        return replace(self.nothing(), measured=dict(measured), warnings=warnings)

    def nothing(self) -> Results:
        """There is no result any more."""
        return Results(sorted_by=self.sorted_by, is_descending=self.is_descending)

    def seen(
        self,
        name: str,
        segments: tuple[SegmentNow, ...],
        *,
        is_on_grid: bool | None,
        is_edited: bool,
        is_3d: bool,
        has_table: bool,
    ) -> Results:
        """The nodes were looked at again."""
        selected = self.selected if any(segment.id == self.selected for segment in segments) else ""
        return replace(
            self,
            name=name,
            segments=segments,
            is_on_grid=is_on_grid,
            is_edited=is_edited,
            is_3d=is_3d,
            has_table=has_table,
            selected=selected,
        )

    def selecting(self, segment_id: str) -> Results:
        """A line of the table was selected."""
        return replace(self, selected=segment_id)

    def sorting(self, column: Column) -> Results:
        """A column's head was pressed: up, down, and as the node has it."""
        if self.sorted_by != column:
            return replace(self, sorted_by=column, is_descending=False)
        if not self.is_descending:
            return replace(self, is_descending=True)
        return replace(self, sorted_by=None, is_descending=False)

    def told(self, line: Line) -> Results:
        """Something was written, or could not be."""
        return replace(self, saved=line)

    def view(self) -> ResultsView:
        """Everything visible at this moment."""
        nothing = "" if self.segments else _("There is no segment.")
        unselected = nothing or ("" if self.selected else _("Select a segment in the table first."))
        return ResultsView(
            is_visible=bool(self.name),
            title=self.name,
            grid=self._grid(),
            edited=Line(_("The segments changed after the run; volume and mean are those of the run."), "warning")
            if self.is_edited and self.measured
            else NOTHING,
            headers=(_("Show"), _("Segment"), _("Volume [ml]"), self._mean_header()),
            rows=self._rows(),
            selected=self.selected,
            sorted_by=self.sorted_by,
            is_descending=self.is_descending,
            show_all=_button(_("Show all"), nothing, _("Shows every segment in the views.")),
            hide_all=_button(_("Hide all"), nothing, _("Hides every segment in the views.")),
            show_3d=_button(_("Show 3-D"), nothing, _("Shows the segments as surfaces in the 3-D view.")),
            is_3d=self.is_3d,
            jump=_button(_("Go to segment"), unselected, _("Moves the slice views to the middle of the segment.")),
            warnings=Line("\n".join(self.warnings), "warning") if self.warnings else NOTHING,
            save_segmentation=_button(_("Segments…"), nothing, _("Writes the segments as a .seg.nrrd file.")),
            save_table=_button(
                _("Table…"),
                "" if self.has_table else _("The table of measurements is no longer in the scene."),
                _("Writes the measurements as a .csv file."),
            ),
            save_scene=Control(_("Scene…"), tool_tip=_("Writes everything in the scene as one .mrb file.")),
            saved=self.saved,
        )

    def _grid(self) -> Line:
        if self.is_on_grid is None:
            return Line(_("The volume of this result is no longer in the scene, so its grid cannot be compared."))
        if self.is_on_grid:
            return Line(_("On the grid of the volume, under the same transform."), "done")
        return Line(_("No longer on the grid of the volume, or not under the same transform."), "error")

    def _mean_header(self) -> str:
        units = {item.mean_unit for item in self.measured.values() if item.mean is not None}
        unit = units.pop() if len(units) == 1 else ""
        return _("Mean [{unit}]").format(unit=unit) if unit else _("Mean")

    def _rows(self) -> tuple[ResultRow, ...]:
        segments = list(self.segments)
        if self.sorted_by is not None:
            # What was not measured stays below, whichever way the rest is sorted.
            known = [segment for segment in segments if self._key(segment) is not None]
            rest = [segment for segment in segments if self._key(segment) is None]
            known.sort(key=self._key, reverse=self.is_descending)  # type: ignore[arg-type]
            segments = known + rest
        return tuple(self._row(segment) for segment in segments)

    def _key(self, segment: SegmentNow) -> str | float | None:
        measured = self.measured.get(segment.id, Measured())
        keys: dict[Column, str | float | None] = {
            "shown": not segment.is_shown,
            "name": segment.name.casefold(),
            "volume": measured.volume_ml,
            "mean": measured.mean,
        }
        return keys[self.sorted_by or "name"]

    def _row(self, segment: SegmentNow) -> ResultRow:
        measured = self.measured.get(segment.id, Measured())
        volume, mean = in_figures(measured.volume_ml), in_figures(measured.mean)
        return ResultRow(segment.id, segment.is_shown, segment.name, segment.color, volume, mean)


def in_figures(value: float | None) -> str:
    """A measured number with as many figures as tell something; a dash where there is none."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash, not a minus
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _button(text: str, why_not: str, tool_tip: str) -> Control:
    return Control(text, enabled=not why_not, tool_tip=why_not or tool_tip)

"""What is asked for and what comes of it: the records that the runs, the panel and scripts share. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from MedDLLogic.job import Computing

Phase = Literal[
    "waiting",
    "downloading",
    "handing over",
    "starting",
    "running",
    "cancelling",
    "collecting",
    "done",
    "failed",
    "cancelled",
]
OVER: frozenset[Phase] = frozenset({"done", "failed", "cancelled"})
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Wish:
    """What Apply asks for, at the moment it is pressed.

    Parameters
    ----------
    model : name of the card.
    volumes : role of the card -> volume node.
    roi : markups ROI node, None for the whole volume.
    replace : segmentation node whose segments the result takes the place of, None for a new node.
    allow_other_frame : volumes of different frames of reference are taken to lie on each other.
    """

    model: str
    volumes: Mapping[str, Any]
    roi: Any = None
    computing: Computing = Computing()  # noqa: RUF009 - frozen
    replace: Any = None
    allow_other_frame: bool = False


@dataclass(frozen=True)
class Row:
    """One segment of a result; ``volume_ml`` and ``mean`` are None where there is none to tell."""

    segment_id: str
    name: str
    color: Color
    volume_ml: float | None = None
    mean: float | None = None
    mean_unit: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a run left in the scene: node ids, one row a segment, what was warned of.

    ``is_on_grid`` says that the nodes were compared with the volume after the push: same grid, same
    parent transform.
    """

    segmentation_id: str
    table_id: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()
    is_on_grid: bool = True


@dataclass(frozen=True)
class RunState:
    """One moment of one run.

    Parameters
    ----------
    title : of the model, for people.
    stage, fraction, remaining_s : progress, where it is known.
    message : the one line of an ended run: what failed, or that it is done.
    """

    id: str
    title: str
    phase: Phase = "waiting"
    stage: str = ""
    fraction: float | None = None
    remaining_s: float | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    outcome: Outcome | None = field(default=None)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.phase in OVER

"""What the panel shows, decided without Qt: the state of one run and everything visible that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from MedDLLogic.events import Cancelled, Event, Failed, Progress, Started, Warned
from MedDLLogic.labels import LabelTable
from MedDLLogic.models.card import ModelCard
from MedDLLogic.result import Measurement

from .i18n import _

State = Literal["choosing", "ready", "running", "cancelling", "done", "failed"]
Tone = Literal["hint", "busy", "done", "error"]
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Needs:
    """What a model asks for before it runs: bytes to download, and the terms of all its parts."""

    download_bytes: int = 0
    licenses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line of the result table."""

    name: str
    color: Color
    value: str


@dataclass(frozen=True)
class View:
    """Everything the widgets show; ``progress`` is 0 .. 100, None hides the bar, -1 means busy."""

    state: State
    status: str
    tone: Tone
    apply_text: str
    apply_enabled: bool
    apply_tool_tip: str
    inputs_enabled: bool
    facts: str
    model_tool_tip: str
    progress: int | None = None
    progress_text: str = ""
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Presenter:
    """One moment of the panel. Every method returns the next moment.

    volumes : role of the model -> whether a volume is chosen for it.
    """

    card: ModelCard | None = None
    volumes: Mapping[str, bool] = field(default_factory=dict)
    needs: Needs = Needs()
    state: State = "choosing"
    message: str = ""
    stage: str = ""
    fraction: float | None = None
    remaining_s: float | None = None
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        """Whether a worker is at work."""
        return self.state in ("running", "cancelling")

    def chosen(self, card: ModelCard | None, volumes: Mapping[str, bool], needs: Needs) -> Presenter:
        """What is chosen now; what an earlier run said goes once that differs."""
        now = replace(self, card=card, volumes=dict(volumes), needs=needs)
        if self.is_running or (now.card, now.volumes) == (self.card, self.volumes):
            return now
        return replace(now, state="choosing" if now.missing else "ready", message="", rows=(), warnings=())

    def started(self) -> Presenter:
        """The user pressed Apply and the worker starts."""
        fresh = replace(self, message="", fraction=None, remaining_s=None, rows=(), warnings=())
        return replace(fresh, state="running", stage=_("Downloading") if self.needs.download_bytes else _("Starting"))

    def cancelling(self) -> Presenter:
        """The user pressed Cancel."""
        return replace(self, state="cancelling")

    def told(self, event: Event) -> Presenter:
        """The worker told something."""
        if isinstance(event, Progress):
            return replace(self, stage=event.stage, fraction=event.fraction, remaining_s=event.remaining_s)
        if isinstance(event, Started):
            return replace(self, stage=_("Reading the image"))
        if isinstance(event, Warned):
            return replace(self, warnings=(*self.warnings, event.message))
        if isinstance(event, Failed):
            return self.failed(event.message)
        return replace(self, state="ready", message=_("Cancelled.")) if isinstance(event, Cancelled) else self

    def failed(self, message: str) -> Presenter:
        """The run ended with an error, told in one line."""
        return replace(self, state="failed", message=message)

    def done(self, message: str, rows: Sequence[Row], warnings: Sequence[str] = ()) -> Presenter:
        """The result is in the scene."""
        every = tuple(dict.fromkeys((*self.warnings, *warnings)))
        return replace(self, state="done", message=message, rows=tuple(rows), warnings=every)

    @property
    def missing(self) -> str:
        """What the user still has to choose, empty when nothing is missing."""
        if self.card is None:
            return _("Choose a model.")
        absent = [spec for spec in self.card.inputs if not self.volumes.get(spec.role)]
        if not absent:
            return ""
        return _("Choose a volume: {description}.").format(description=absent[0].description.rstrip("."))

    def view(self) -> View:
        """Everything visible at this moment."""
        return View(
            state=self.state,
            status=self._status(),
            tone=self._tone(),
            apply_text=self._apply_text(),
            apply_enabled=self.state == "running" or (self.state != "cancelling" and not self.missing),
            apply_tool_tip=self.missing or (_("Stop the run") if self.is_running else _("Run the model on the volume")),
            inputs_enabled=not self.is_running,
            facts=facts_of(self.card, self.needs) if self.card else "",
            model_tool_tip=_tool_tip_of(self.card) if self.card else "",
            progress=self._progress(),
            progress_text=self._progress_text(),
            rows=self.rows,
            warnings=self.warnings,
        )

    def _status(self) -> str:
        if self.state == "cancelling":
            return _("Cancelling…")
        if self.state == "running":
            return _("Slicer stays usable while the model runs.")
        return self.message or self.missing

    def _tone(self) -> Tone:
        tones: dict[State, Tone] = {"running": "busy", "cancelling": "busy", "done": "done", "failed": "error"}
        return tones.get(self.state, "hint")

    def _apply_text(self) -> str:
        if self.is_running:
            return _("Cancel")
        if self.needs.download_bytes:
            return _("Download {size} and apply").format(size=in_megabytes(self.needs.download_bytes))
        return _("Apply")

    def _progress(self) -> int | None:
        if not self.is_running:
            return None
        return -1 if self.fraction is None else round(100 * self.fraction)

    def _progress_text(self) -> str:
        if not self.is_running:
            return ""
        stage = self.stage[:1].upper() + self.stage[1:]
        if self.remaining_s is None:
            return stage
        return _("{stage}: about {time} left").format(stage=stage, time=in_words(self.remaining_s))


def facts_of(card: ModelCard, needs: Needs) -> str:
    """One line on a model: modality, what it finds, licenses, download."""
    names = ", ".join(segment.name for segment in card.segments[:4])
    more = len(card.segments) - 4
    found = names if more <= 0 else _("{names} and {count} more").format(names=names, count=more)
    modalities = "/".join(dict.fromkeys(spec.modality for spec in card.inputs))
    terms = _("license {names}").format(names=", ".join(needs.licenses))
    parts = [modalities, found, terms]
    if needs.download_bytes:
        parts.append(_("{size} to download once").format(size=in_megabytes(needs.download_bytes)))
    return " · ".join(part for part in parts if part)


def rows_of(table: LabelTable, measurements: Sequence[Measurement]) -> tuple[Row, ...]:
    """One row a segment, with its volume where it was measured."""
    volumes = {m.segment_id: f"{m.value:.1f} {m.unit}" for m in measurements if m.quantity == "volume"}
    return tuple(Row(segment.name, segment.color, volumes.get(segment.id, "")) for segment in table)


def in_words(seconds: float) -> str:
    """A duration as people say it: ``"40 s"``, ``"3 min"``."""
    return (
        _("{count} s").format(count=round(seconds))
        if seconds < 90
        else _("{count} min").format(count=round(seconds / 60))
    )


def in_megabytes(size_bytes: int) -> str:
    """A size as people say it: ``"10 MB"``."""
    return f"{max(1, round(size_bytes / 1e6))} MB"


def _tool_tip_of(card: ModelCard) -> str:
    parts = [card.description, _("Intended use: {text}").format(text=card.intended_use), *card.limits]
    return "\n\n".join(part for part in parts if part)

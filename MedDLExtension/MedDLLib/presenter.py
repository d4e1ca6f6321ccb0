"""What Apply, Cancel, progress and the list of runs show, decided without Qt from what is chosen and what the runs tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from MedDLLogic.environment.folder import EnvironmentState
from MedDLLogic.job import Computing
from MedDLLogic.tasks.plan import Plan

from .i18n import _
from .run_state import Outcome, Phase, RunState
from .view import NOTHING, Control, Line, Tone
from .words import first_upper, size_in_words, time_in_words

ENDS: Mapping[Phase, Tone] = {"done": "done", "failed": "error", "cancelled": "hint"}


@dataclass(frozen=True)
class Choice:
    """All that is chosen, nodes by their ids; equal choices make the same run."""

    model: str = ""
    volumes: tuple[tuple[str, str], ...] = ()
    roi: str = ""
    computing: Computing = Computing()  # noqa: RUF009 - frozen
    replace: str = ""
    allow_other_frame: bool = False


@dataclass(frozen=True)
class Ready:
    """Whether what is chosen can run, and what it would take.

    Parameters
    ----------
    missing : what still has to be chosen or put right; empty when it can run.
    download_bytes : what a run would fetch first.
    replaces : name of the segmentation whose segments would go.
    plan : None while it is not known.
    free_bytes : memory of this machine that is free; 0 where that is not known.
    """

    missing: str = ""
    download_bytes: int = 0
    replaces: str = ""
    plan: Plan | None = None
    free_bytes: int = 0


@dataclass(frozen=True)
class QueueRow:
    """One run in the list; ``cancel`` is not visible once it is over."""

    run_id: str
    title: str
    state: str
    tone: Tone
    cancel: Control


@dataclass(frozen=True)
class View:
    """Everything visible; ``progress`` is 0 .. 100, None hides the bar, -1 means busy."""

    plan: Line
    apply: Control
    cancel: Control
    progress: int | None
    stage: Line
    status: Line
    queue: tuple[QueueRow, ...]


@dataclass(frozen=True)
class Presenter:
    """One moment. Every method returns the next moment.

    Parameters
    ----------
    choice : what is chosen now.
    asked : run id -> what was chosen when Apply was pressed.
    said : how the last run ended, or why something could not be done; goes once something else is chosen.
    shown : id of the run whose result is to be seen.
    """

    choice: Choice = Choice()
    ready: Ready = Ready()
    runs: tuple[RunState, ...] = ()
    asked: Mapping[str, Choice] = field(default_factory=dict)
    said: Line = NOTHING
    shown: str = ""

    @property
    def current(self) -> RunState | None:
        """The run that is on, or the next to be."""
        going_on = [run for run in self.runs if not run.is_over]
        return next((run for run in going_on if run.phase != "waiting"), going_on[0] if going_on else None)

    @property
    def count_over(self) -> int:
        """How many runs have ended."""
        return sum(run.is_over for run in self.runs)

    @property
    def outcome(self) -> Outcome | None:
        """The result that is to be seen."""
        return next((run.outcome for run in self.runs if run.id == self.shown), None)

    def chosen(self, choice: Choice, ready: Ready) -> Presenter:
        """What is chosen now, and what follows from it."""
        said = self.said if choice == self.choice else NOTHING
        return replace(self, choice=choice, ready=ready, said=said)

    def applied(self) -> Presenter:
        """Apply was pressed."""
        return replace(self, said=NOTHING)

    def started(self, run_id: str) -> Presenter:
        """What was chosen then is on its way; it may have ended already."""
        return replace(self, asked={**self.asked, run_id: self.choice})

    def ran(self, runs: tuple[RunState, ...]) -> Presenter:
        """The runs told how they are."""
        over_before = {run.id for run in self.runs if run.is_over}
        ended = [run for run in runs if run.is_over and run.id not in over_before]
        kept = {run.id for run in runs}
        asked = {run_id: choice for run_id, choice in self.asked.items() if run_id in kept}
        now = replace(self, runs=runs, asked=asked)
        for run in ended:
            shown = run.id if run.outcome is not None else now.shown
            now = replace(now, said=_ending(run), shown=shown)
        return now

    def showing(self, run_id: str) -> Presenter:
        """The result of an earlier run is to be seen again."""
        has_result = any(run.id == run_id and run.outcome is not None for run in self.runs)
        return replace(self, shown=run_id) if has_result else self

    def failed(self, message: str) -> Presenter:
        """Something that was asked for could not be done; one line."""
        return replace(self, said=Line(message, "error"))

    def view(self) -> View:
        """Everything visible at this moment."""
        current = self.current
        return View(
            plan=self._plan(),
            apply=self._apply(),
            cancel=_cancel(current, with_text=True),
            progress=_progress(current),
            stage=_stage(current),
            status=self._status(),
            queue=tuple(_row(run) for run in self.runs) if len(self.runs) > 1 else (),
        )

    def _apply(self) -> Control:
        ready = self.ready
        why_not = ready.missing or self._why_not_again()
        if why_not:
            return Control(_("Apply"), enabled=False, tool_tip=why_not)
        text = _("Apply")
        tip = _("Runs the model on the image; Slicer stays usable meanwhile. Ctrl+Return does so too.")
        if self.current is not None:
            text = _("Add to queue")
            tip = _("Runs this after the run that is on.")
        elif ready.download_bytes:
            text = _("Download {size} and apply").format(size=size_in_words(ready.download_bytes))
        if ready.replaces:
            text = _("{apply}, replacing a result").format(apply=text)
            tip = _("The segments of {name} give way to the new ones.").format(name=ready.replaces)
        return Control(text, tool_tip=tip)

    def _why_not_again(self) -> str:
        """The same twice would only cost time, and is likely a second press by mistake."""
        same = {run_id for run_id, choice in self.asked.items() if choice == self.choice}
        if any(run.id in same and not run.is_over for run in self.runs):
            return _("This run is on already. Choose something else to add another, or press Cancel.")
        return ""

    def _plan(self) -> Line:
        if self.ready.missing:
            return Line(self.ready.missing)
        plan = self.ready.plan
        if plan is None:
            return NOTHING
        text = " · ".join(_plan_parts(plan))
        if plan.memory_bytes and self.ready.free_bytes and plan.memory_bytes > self.ready.free_bytes:
            free = size_in_words(self.ready.free_bytes)
            more = _("{plan}. Only {free} of memory is free: close other programs, or choose a region.")
            return Line(more.format(plan=text, free=free), "warning")
        return Line(text)

    def _status(self) -> Line:
        return self.said


def notice(state: EnvironmentState, *, has_own_python: bool) -> Line:
    """What keeps every model from running here; empty when nothing does.

    has_own_python : the user named a Python of their own for the worker.
    """
    if has_own_python or state.is_usable:
        return NOTHING
    if state.kind == "missing":
        return Line(_("The packages that run models are not installed here."))
    return Line(_("The packages that run models cannot be used. {why}").format(why=state.message), "warning")


def _plan_parts(plan: Plan) -> list[str]:
    at_most = _("Up to {what}") if plan.is_upper_bound else _("{what}")
    tiles = _("1 tile") if plan.tiles == 1 else _("{count} tiles").format(count=plan.tiles)
    parts = [at_most.format(what=tiles)]
    if plan.seconds is None:
        parts.append(_("time not known yet on this machine"))
    else:
        seconds = plan.seconds + (plan.load_seconds or 0.0)
        parts.append(_("about {time}").format(time=time_in_words(seconds)))
    if plan.memory_bytes is not None:
        roughly = _("{size} of memory") if plan.is_learned else _("roughly {size} of memory")
        parts.append(roughly.format(size=size_in_words(plan.memory_bytes)))
    return parts


def _ending(run: RunState) -> Line:
    message = run.message or {"done": _("Done."), "cancelled": _("Cancelled.")}.get(run.phase, run.phase)
    return Line("\n".join((message, *run.warnings)) if run.outcome is None else message, ENDS[run.phase])


def _cancel(run: RunState | None, *, with_text: bool) -> Control:
    text = _("Cancel") if with_text else "✕"
    if run is None or run.is_over:
        return Control(text, enabled=False, tool_tip=_("Nothing is running."), visible=with_text)
    if run.phase == "cancelling":
        return Control(text, enabled=False, tool_tip=_("Already being cancelled."))
    return Control(text, tool_tip=_("Stops {title}; the scene stays as it was.").format(title=run.title))


def _progress(run: RunState | None) -> int | None:
    if run is None:
        return None
    is_told = run.phase in ("running", "downloading") and run.fraction is not None
    return round(100 * (run.fraction or 0.0)) if is_told else -1


def _stage(run: RunState | None) -> Line:
    if run is None:
        return NOTHING
    parts = [_phase_in_words(run)]
    if run.fraction is not None and run.phase in ("running", "downloading"):
        parts.append(_("{percent} %").format(percent=round(100 * run.fraction)))
    if run.remaining_s is not None and run.phase == "running":
        parts.append(_("about {time} left").format(time=time_in_words(run.remaining_s)))
    return Line(" · ".join(parts), "busy")


def _phase_in_words(run: RunState) -> str:
    words: dict[Phase, str] = {
        "waiting": _("Waiting"),
        "downloading": _("Downloading the model"),
        "handing over": _("Handing over the image"),
        "starting": _("Starting"),
        "running": first_upper(run.stage) or _("Running"),
        "cancelling": _("Cancelling…"),
        "collecting": _("Putting the result into the scene"),
        "done": _("Done"),
        "failed": _("Failed"),
        "cancelled": _("Cancelled"),
    }
    return words[run.phase]


def _row(run: RunState) -> QueueRow:
    state = _phase_in_words(run)
    if run.phase == "running" and run.fraction is not None:
        state = _("{percent} %").format(percent=round(100 * run.fraction))
    return QueueRow(run.id, run.title, state, ENDS.get(run.phase, "busy"), _cancel(run, with_text=False))

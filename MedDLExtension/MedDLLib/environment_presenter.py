"""What the environment page shows, decided without Qt: what is installed, what could be, and what is going on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from MedDLLogic.environment.builds import Choice, build_named, build_names, choose_build
from MedDLLogic.environment.folder import EnvironmentState
from MedDLLogic.environment.install import Sources, needed_bytes
from MedDLLogic.environment.other_python import OtherPython
from MedDLLogic.environment.preflight import Check, CheckReport, Light
from MedDLLogic.environment.stack import standard_stack
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Event, Failed, Finished, Progress, Warned

from .i18n import _
from .view import Control, Line, Tone
from .words import first_upper, size_in_words, time_in_words

Activity = Literal["", "install", "repair", "remove", "verify"]

DECISIVE = frozenset({"slicer", "python", "build", "disk", "path", "pip", "wheelhouse"})
"""Checks whose red light means that an installation cannot end well; the others warn."""


@dataclass(frozen=True)
class CheckRow:
    """One traffic light in words: ``tone`` is its color, ``verdict`` says the same for those who see none."""

    title: str
    verdict: str
    tone: Tone
    text: str


@dataclass(frozen=True)
class BuildItem:
    """One line of the build chooser; ``name`` is empty for the recommended one."""

    title: str
    name: str


@dataclass(frozen=True)
class EnvironmentView:
    """Everything the widgets of the page show.

    Parameters
    ----------
    offer : what an installation downloads, from where and to where; or why there is none.
    progress : 0 .. 100, -1 for busy without end, None for no bar.
    wants_log : whether the log should open, because something failed.
    """

    headline: Line
    detail: Line
    checks: tuple[CheckRow, ...]
    checks_note: Line
    builds: tuple[BuildItem, ...]
    build: str
    choice: Control
    reason: Line
    offer: Line
    install: Control
    repair: Control
    remove: Control
    cancel: Control
    verify: Control
    refresh: Control
    status: Line
    stage: str
    progress: int | None
    python: Control
    python_result: Line
    wants_log: bool


@dataclass(frozen=True)
class EnvironmentPresenter:
    """One moment of the page. Every method returns the next moment.

    Parameters
    ----------
    state : of the environment; None while it is not read yet.
    report : of the checks; None before the first one.
    build, wheels : the user's choices; empty for the recommended build, and for the package index.
    folder : where environments lie.
    python : program of the user's setting, empty for Slicer's own; ``other`` is what it answered.
    is_asking : Remove was pressed once.
    is_running : a model runs at this moment.
    """

    folder: str = ""
    state: EnvironmentState | None = None
    report: CheckReport | None = None
    is_checking: bool = False
    build: str = ""
    wheels: str = ""
    python: str = ""
    other: OtherPython | None = None
    activity: Activity = ""
    is_cancelling: bool = False
    stage: str = ""
    fraction: float | None = None
    remaining_s: float | None = None
    message: Line = field(default_factory=Line)
    checks_message: str = ""
    is_asking: bool = False
    is_running: bool = False
    wants_log: bool = False

    # -- what happened ---------------------------------------------------------------------------------

    def read(self, state: EnvironmentState) -> EnvironmentPresenter:
        """The state of the environment is known."""
        return replace(self, state=state, is_asking=False)

    def checking(self) -> EnvironmentPresenter:
        """The checks were started; what they found before stays to be read."""
        return replace(self, is_checking=True, checks_message="")

    def checked(self, report: CheckReport) -> EnvironmentPresenter:
        """The checks are done."""
        return replace(self, is_checking=False, report=report)

    def not_checked(self, why: str) -> EnvironmentPresenter:
        """The checks themselves failed, told in one line, or were stopped."""
        return replace(self, is_checking=False, checks_message=why)

    def chosen(self, *, build: str | None = None, wheels: str | None = None) -> EnvironmentPresenter:
        """The user chose a build or a folder of wheels."""
        now = self if build is None else replace(self, build=build)
        return replace(now if wheels is None else replace(now, wheels=wheels), message=Line(), is_asking=False)

    def asking_python(self, python: str) -> EnvironmentPresenter:
        """Another Python was chosen, and is asked what it is; empty for Slicer's own."""
        return replace(self, python=python, other=None)

    def python_answered(self, other: OtherPython) -> EnvironmentPresenter:
        """It answered, or did not."""
        return replace(self, other=other)

    def running(self, *, is_running: bool) -> EnvironmentPresenter:
        """Whether a model runs."""
        return replace(self, is_running=is_running)

    def started(self, activity: Activity) -> EnvironmentPresenter:
        """A child began to change or test the environment."""
        fresh = replace(self, activity=activity, is_cancelling=False, is_asking=False, wants_log=False)
        return replace(fresh, message=Line(), stage="", fraction=None, remaining_s=None)

    def told(self, event: Event) -> EnvironmentPresenter:
        """The child told something."""
        if isinstance(event, Progress):
            return replace(self, stage=event.stage, fraction=event.fraction, remaining_s=event.remaining_s)
        if isinstance(event, Warned):
            return replace(self, message=Line(event.message, "warning"))
        return self

    def cancelling(self) -> EnvironmentPresenter:
        """The user pressed Cancel."""
        return replace(self, is_cancelling=True)

    def ended(self, event: Finished | Failed | Cancelled) -> EnvironmentPresenter:
        """The child is gone."""
        activity, warned = self.activity, self.message
        now = replace(self, activity="", is_cancelling=False)
        if isinstance(event, Failed):
            return replace(now, message=Line(event.message, "error"), wants_log=True)
        if isinstance(event, Cancelled):
            return replace(now, message=Line(_("Cancelled. The environment is as it was.")))
        return now if warned.text else replace(now, message=Line(_done_words()[activity], "done"))

    def failed(self, message: str) -> EnvironmentPresenter:
        """A step of the page itself failed, told in one line; what goes on goes on."""
        return replace(self, is_asking=False, message=Line(message, "error"))

    def pressed_remove(self) -> EnvironmentPresenter:
        """Remove was pressed: the first time it asks, the second time ``started("remove")`` is up to the caller."""
        return replace(self, is_asking=True, message=Line())

    # -- what follows ----------------------------------------------------------------------------------

    @property
    def is_changing(self) -> bool:
        """Whether the environment is being built or removed, so that no model should start."""
        return self.activity in ("install", "repair", "remove")

    def choice(self) -> Choice | MedDLError | None:
        """The build that would be installed, why none can be, or None while this computer is not known."""
        if self.report is None:
            return None
        try:
            return choose_build(self.report.machine, self.build)
        except MedDLError as error:
            return error

    def view(self) -> EnvironmentView:
        """Everything visible at this moment."""
        choice = self.choice()
        return EnvironmentView(
            headline=self._headline(),
            detail=self._detail(),
            checks=tuple(map(_row, self.report.checks)) if self.report else (),
            checks_note=self._checks_note(),
            builds=self._builds(),
            build=self.build,
            choice=Control("", not self.activity, self._busy() or _("Which build of PyTorch is installed")),
            reason=self._reason(choice),
            offer=self._offer(choice),
            install=self._install(choice),
            repair=self._repair(choice),
            remove=self._remove(),
            cancel=self._cancel(),
            verify=self._verify(),
            refresh=self._refresh(),
            status=self._status(),
            stage=self._stage(),
            progress=None if not self.activity else -1 if self.fraction is None else round(100 * self.fraction),
            python=self._python(),
            python_result=self._python_result(),
            wants_log=self.wants_log,
        )

    def _headline(self) -> Line:
        if self.python:
            return self._python_headline()
        state = self.state
        if state is None:
            return Line(_("Looking at the environment…"), "busy")
        if state.kind == "ready":
            text = _("Ready: torch {version}, {device}")
            return Line(
                text.format(version=state.versions.get("torch", "?"), device=_device_words(state.device)), "done"
            )
        if state.kind == "missing":
            return Line(_("Not installed. Models cannot run yet."), "warning")
        name = _("Broken") if state.kind == "broken" else _("Outdated")
        return Line(f"{name}: {state.message}", "error" if state.kind == "broken" else "warning")

    def _python_headline(self) -> Line:
        if self.other is None:
            return Line(_("Uses another Python, which is being asked…"), "busy")
        if self.other.is_usable:
            return Line(_("Uses another Python: {facts}").format(facts=self.other.message), "done")
        return Line(_("The other Python cannot be used. {why}").format(why=self.other.message), "error")

    def _detail(self) -> Line:
        if self.python:
            return Line(self.python)
        if self.state is None or not self.state.path:
            return Line(
                _("MedDL needs PyTorch and some other packages, in a folder of its own. Slicer's are not touched.")
            )
        build = _("Build {name}").format(name=self.state.build) if self.state.build else ""
        return Line("\n".join(part for part in (build, self.state.path) if part))

    def _checks_note(self) -> Line:
        if self.is_checking:
            return Line(_("Looking at this computer and the package index…"), "busy")
        return Line(self.checks_message, "error")

    def _builds(self) -> tuple[BuildItem, ...]:
        if self.report is None:
            return (BuildItem(_("Recommended"), ""),)
        try:
            best = _("Recommended: {title}").format(title=choose_build(self.report.machine).build.title)
        except MedDLError:
            best = _("Recommended: none")
        names = build_names(self.report.machine.platform)
        return (BuildItem(best, ""), *(BuildItem(f"{name}: {build_named(name).title}", name) for name in names))

    def _reason(self, choice: Choice | MedDLError | None) -> Line:
        if isinstance(choice, MedDLError):
            return Line(_sentence(choice), "error")
        return Line(choice.reason if choice else "")

    def _offer(self, choice: Choice | MedDLError | None) -> Line:
        if not isinstance(choice, Choice):
            return Line(_("What would be downloaded is told here once this computer is checked.") if not choice else "")
        stack = standard_stack(choice.build.name)
        sources = Sources(wheelhouse=Path(self.wheels) if self.wheels else None)
        if self.wheels:
            source = _("{button} takes from the offline folder, and downloads nothing: {packages}.")
        else:
            source = _("{button} downloads about {size} from {index}: {packages}.")
        place = _("It takes {installed} in {folder}; {needed} must be free while it installs.")
        return Line(
            f"{source}\n{place}".format(
                button=_("Install") if self._is_missing() else _("Repair"),
                size=size_in_words(choice.build.download_bytes),
                index=_index_words(choice),
                packages=_package_words(stack.requirements),
                installed=size_in_words(choice.build.installed_bytes),
                folder=self.folder,
                needed=size_in_words(needed_bytes(stack, sources)),
            )
        )

    # -- buttons ---------------------------------------------------------------------------------------

    def _install(self, choice: Choice | MedDLError | None) -> Control:
        text = _("Install")
        if self.wheels:
            text = _("Install from the folder")
        elif isinstance(choice, Choice):
            text = _("Download {size} and install").format(size=size_in_words(choice.build.download_bytes))
        why_not = self._why_no_change() or self._why_not_built(choice) or self._why_not_installed(choice)
        tip = _("Build the environment, test it, then use it")
        if self.report is not None and not self.report.is_go:
            tip = _("A light below is red, so this may fail. It builds the environment, tests it, then uses it.")
        return Control(text, not why_not, why_not or tip)

    def _repair(self, choice: Choice | MedDLError | None) -> Control:
        nothing = _("Nothing is installed yet.") if self._is_missing() else ""
        why_not = self._why_no_change() or nothing or self._why_not_built(choice)
        tip = _("Build it anew beside the one there is, test it, switch, and remove the old one")
        return Control(_("Repair"), not why_not, why_not or tip)

    def _remove(self) -> Control:
        nothing = _("Nothing is installed.") if self._is_missing() else ""
        why_not = self._why_no_change() or nothing
        text = _("Really remove?") if self.is_asking else _("Remove")
        return Control(text, not why_not, why_not or _("Delete the environment; asks once more first"))

    def _cancel(self) -> Control:
        why_not = ""
        if self.activity == "remove":
            why_not = _("Removing cannot be stopped halfway.")
        elif self.is_cancelling:
            why_not = _("It is being cancelled.")
        tip = why_not or _("Stop; the environment that was there before stays")
        return Control(_("Cancel"), bool(self.activity) and not why_not, tip, visible=bool(self.activity))

    def _verify(self) -> Control:
        nothing = "" if self.state is not None and self.state.path else _("Nothing is installed.")
        why_not = self._busy() or nothing
        tip = _("Compare every file with what was installed, import all packages and compute a convolution, in a child")
        return Control(_("Test the installation"), not why_not, why_not or tip)

    def _refresh(self) -> Control:
        why_not = _("The checks are going on.") if self.is_checking else self._busy()
        return Control(_("Check again"), not why_not, why_not or _("Look at this computer and the package index again"))

    def _python(self) -> Control:
        why_not = self._why_no_change()
        tip = _("A Python program with MedDL's packages. Empty: Slicer's own Python, with the environment above")
        return Control("", not why_not, why_not or tip)

    def _is_missing(self) -> bool:
        return self.state is None or self.state.kind == "missing"

    def _busy(self) -> str:
        return _("Wait for the end of what is going on, or cancel it.") if self.activity else ""

    def _why_no_change(self) -> str:
        running = _("A model is running; wait for its end, or cancel it.") if self.is_running else ""
        return self._busy() or running

    def _why_not_built(self, choice: Choice | MedDLError | None) -> str:
        if self.is_checking:
            return _("Wait until this computer is checked.")
        if choice is None:
            return _("Press Check again first.")
        if isinstance(choice, MedDLError):
            return _sentence(choice)
        red = [check for check in self._decisive() if check.light == "red"]
        return f"{_title(red[0])}: {_told(red[0])}" if red else ""

    def _why_not_installed(self, choice: Choice | MedDLError | None) -> str:
        if self.python:
            return _("The worker runs on another Python; empty that line first.")
        if self.state is None:
            return _("Wait until the environment is looked at.")
        if self.state.kind == "broken":
            return _("Press Repair, which builds it anew.")
        if self.state.kind == "ready" and isinstance(choice, Choice) and choice.build.name == self.state.build:
            return _("It is installed. Repair builds it anew.")
        return ""

    def _decisive(self) -> tuple[Check, ...]:
        """Checks that can say no."""
        return tuple(check for check in self.report.checks if check.id in DECISIVE) if self.report else ()

    # -- what goes on ----------------------------------------------------------------------------------

    def _status(self) -> Line:
        if self.is_cancelling:
            return Line(_("Cancelling…"), "busy")
        if self.activity:
            return self.message if self.message.text else Line(_("Slicer stays usable meanwhile."), "busy")
        if self.is_asking:
            text = _("Press Really remove? to delete the environment. No model runs until it is installed again.")
            return Line(text, "warning")
        return self.message

    def _stage(self) -> str:
        if not self.activity:
            return ""
        stage = _stage_words().get(self.stage, first_upper(self.stage)) or _("Starting")
        if self.remaining_s is None:
            return stage
        return _("{stage}: about {time} left").format(stage=stage, time=time_in_words(self.remaining_s))

    def _python_result(self) -> Line:
        if not self.python:
            return Line(_("The worker runs on Slicer's own Python, with the environment above."))
        if self.other is None:
            return Line(_("Asking it what it has; the first time this may take a minute…"), "busy")
        return Line(self.other.message, "done" if self.other.is_usable else "error")


def _row(check: Check) -> CheckRow:
    tones: Mapping[Light, Tone] = {"green": "done", "yellow": "warning", "red": "error"}
    verdicts = {"green": _("good"), "yellow": _("mind"), "red": _("problem")}
    return CheckRow(_title(check), verdicts[check.light], tones[check.light], _told(check))


def _told(check: Check) -> str:
    """What was found and what to do, as sentences."""
    return f"{check.text} {first_upper(check.hint)}" if check.hint else check.text


def _title(check: Check) -> str:
    titles = {
        "slicer": _("Slicer"),
        "python": _("Python"),
        "build": _("PyTorch"),
        "gpu": _("Graphics card"),
        "ram": _("Memory"),
        "path": _("Path length"),
        "proxy": _("Proxy"),
        "disk": _("Free disk"),
        "pip": _("pip"),
        "index": _("Package index"),
        "torch-index": _("PyTorch index"),
        "wheelhouse": _("Folder of wheels"),
    }
    return titles.get(check.id, check.id)


def _index_words(choice: Choice) -> str:
    if not choice.build.index_url:
        return _("pip's package index")
    return _("{url} and pip's package index").format(url=choice.build.index_url)


def _package_words(requirements: Sequence[str]) -> str:
    """The packages that are asked for, each once, with a version where it is one alone."""
    exact = [line for line in requirements if "==" in line]
    names = [re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0] for line in requirements]
    pinned = [line.partition("==")[0] for line in exact]
    return ", ".join([*(line.replace("==", " ") for line in exact), *(n for n in names if n not in pinned)])


def _device_words(device: str) -> str:
    words = {"cpu": _("on the processor"), "cuda": _("on the NVIDIA graphics card"), "mps": _("on Apple silicon")}
    return words.get(device, device)


def _done_words() -> Mapping[Activity, str]:
    return {
        "": "",
        "install": _("Installed and tested."),
        "repair": _("Built anew and tested."),
        "remove": _("Removed."),
        "verify": _("Every file is as it was installed, and the test passed."),
    }


def _stage_words() -> Mapping[str, str]:
    return {
        "check": _("Checking"),
        "download": _("Downloading"),
        "install": _("Unpacking"),
        "test": _("Testing"),
        "compare files": _("Comparing files"),
        "look": _("Working"),
    }


def _sentence(error: MedDLError) -> str:
    """An error without its code, for a place where nothing failed yet."""
    return str(error).partition(": ")[2]

"""What the environment page says at each moment; no Qt, no child process."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from MedDLLogic.environment.folder import EnvironmentState
from MedDLLogic.environment.machine import Gpu, Machine
from MedDLLogic.environment.other_python import OtherPython
from MedDLLogic.environment.preflight import Check, CheckReport
from MedDLLogic.events import Cancelled, Failed, Finished, Progress, Warned

from .conftest import EXTENSION

GB = 10**9
PLAIN = Machine("linux", "6.1", "x86_64", "3.12.10", ram_bytes=16 * GB, free_bytes=50 * GB, folder_length=40)
CARD = Gpu("RTX 4090", "580.95", 24 * GB, "8.9")
OLD_CARD = Gpu("GTX 1080", "400.1", 8 * GB, "6.1")
MISSING = EnvironmentState("missing", "It is not installed yet.")
READY = EnvironmentState("ready", "Ready.", "cpu", "cpu", {"torch": "2.13.0+cpu"}, "/home/env-1", is_usable=True)
BROKEN = replace(READY, kind="broken", message="3 files are missing or changed: torch. Repair builds it anew.")
GOOD = (Check("slicer", "green", "Slicer 5.12"), Check("disk", "green", "50.0 GB are free."))
FULL = Check("disk", "red", "2.4 GB are needed, 1.0 GB are free.", "Free some space.")
OFFLINE = Check("index", "red", "Package index not reachable.", "Check network and proxy.")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXTENSION))
    for name in [name for name in sys.modules if name.startswith("MedDLLib")]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("MedDLLib.environment_presenter")


@pytest.fixture
def fresh(module: ModuleType) -> Any:
    """Before anything is known."""
    return module.EnvironmentPresenter(folder="/home/environments")


def at(presenter: Any, state: EnvironmentState, machine: Machine = PLAIN, checks: tuple[Check, ...] = GOOD) -> Any:
    """The page after its checks."""
    return presenter.read(state).checked(CheckReport(machine, checks, state))


def enabled(view: Any) -> dict[str, bool]:
    return {name: getattr(view, name).enabled for name in ("install", "repair", "remove", "verify")}


def test_nothing_can_be_pressed_before_this_computer_is_known(fresh: Any) -> None:
    view = fresh.checking().view()
    assert not any(enabled(view).values())
    assert view.install.tool_tip == "Wait until this computer is checked."


def test_what_is_downloaded_from_where_and_to_where_is_told_before(fresh: Any) -> None:
    view = at(fresh, MISSING).view()
    assert "about 400 MB from https://download.pytorch.org/whl/cpu" in view.offer.text
    assert "torch 2.13.0+cpu, numpy, monai" in view.offer.text
    assert "1.6 GB in /home/environments; 2.4 GB must be free" in view.offer.text
    assert view.install.text == "Download 400 MB and install"


def test_an_offline_folder_downloads_nothing(fresh: Any) -> None:
    view = at(fresh, MISSING).chosen(wheels="/usb/wheels").view()
    assert "downloads nothing" in view.offer.text and "https" not in view.offer.text
    assert view.install.text == "Install from the folder"


def test_without_an_environment_install_is_all_there_is_to_do(fresh: Any) -> None:
    view = at(fresh, MISSING).view()
    assert (view.headline.text, view.headline.tone) == ("Not installed. Models cannot run yet.", "warning")
    assert enabled(view) == {"install": True, "repair": False, "remove": False, "verify": False}


def test_a_ready_one_says_torch_and_device(fresh: Any) -> None:
    view = at(fresh, READY).view()
    assert view.headline.text == "Ready: torch 2.13.0+cpu, on the processor"
    assert enabled(view) == {"install": False, "repair": True, "remove": True, "verify": True}
    assert view.install.tool_tip == "It is installed. Repair builds it anew."


def test_another_build_than_the_one_that_is_there_can_be_installed(fresh: Any) -> None:
    assert at(fresh, READY).chosen(build="cu126").view().install.enabled


def test_a_broken_one_offers_repair(fresh: Any) -> None:
    view = at(fresh, BROKEN).view()
    assert view.headline.text.startswith("Broken: 3 files") and view.headline.tone == "error"
    assert (view.repair.enabled, view.install.tool_tip) == (True, "Press Repair, which builds it anew.")


def test_the_recommended_build_comes_with_its_reason(fresh: Any) -> None:
    view = at(fresh, MISSING, replace(PLAIN, gpus=(CARD,))).view()
    assert view.builds[0].title == "Recommended: NVIDIA graphics card, CUDA 13.0"
    assert view.reason.text == "RTX 4090 with driver 580.95 works with it."


def test_a_build_that_cannot_work_here_says_why_and_is_not_installed(fresh: Any) -> None:
    view = at(fresh, MISSING, replace(PLAIN, gpus=(OLD_CARD,))).chosen(build="cu130").view()
    assert "driver 400.1 of GTX 1080 is older" in view.reason.text
    assert view.install.enabled is False and view.install.tool_tip == view.reason.text


def test_a_system_without_any_build_is_told_what_to_do(fresh: Any) -> None:
    mac = replace(PLAIN, os="macos", is_translated=True)
    view = at(fresh, MISSING, mac).view()
    assert "arm64" in view.reason.text and not view.install.enabled


def test_lights_say_in_words_what_their_color_says(fresh: Any) -> None:
    rows = at(fresh, MISSING, checks=(*GOOD, OFFLINE)).view().checks
    assert [(row.title, row.verdict, row.tone) for row in rows][1:] == [
        ("Free disk", "good", "done"),
        ("Package index", "problem", "error"),
    ]
    assert rows[2].text == "Package index not reachable. Check network and proxy."


def test_a_full_disk_forbids_an_installation_and_says_so(fresh: Any) -> None:
    view = at(fresh, MISSING, checks=(FULL,)).view()
    assert not view.install.enabled
    assert view.install.tool_tip == "Free disk: 2.4 GB are needed, 1.0 GB are free. Free some space."


def test_an_index_that_did_not_answer_warns_only(fresh: Any) -> None:
    view = at(fresh, MISSING, checks=(OFFLINE,)).view()
    assert view.install.enabled and "may fail" in view.install.tool_tip


def test_a_model_that_runs_keeps_the_environment_as_it_is(fresh: Any) -> None:
    view = at(fresh, READY).running(is_running=True).view()
    assert enabled(view) == {"install": False, "repair": False, "remove": False, "verify": True}
    assert view.python.enabled is False
    assert view.remove.tool_tip == "A model is running; wait for its end, or cancel it."


def test_progress_tells_stage_percentage_and_time_left(fresh: Any) -> None:
    view = at(fresh, MISSING).started("install").told(Progress("e", "download", 0.25, 200.0)).view()
    assert (view.stage, view.progress) == ("Downloading: about 3 min left", 25)
    assert view.cancel.visible and view.cancel.enabled


def test_before_the_first_word_the_bar_is_busy(fresh: Any) -> None:
    view = at(fresh, MISSING).started("install").view()
    assert (view.stage, view.progress) == ("Starting", -1)


def test_while_something_goes_on_nothing_else_can_be_pressed(fresh: Any) -> None:
    view = at(fresh, READY).started("repair").view()
    assert not any(enabled(view).values()) and not view.refresh.enabled and not view.choice.enabled
    assert view.remove.tool_tip == "Wait for the end of what is going on, or cancel it."


def test_cancel_can_be_pressed_once(fresh: Any) -> None:
    view = at(fresh, MISSING).started("install").cancelling().view()
    assert (view.cancel.enabled, view.status.text) == (False, "Cancelling…")


def test_after_a_cancel_all_is_as_it_was(fresh: Any) -> None:
    view = at(fresh, READY).started("repair").cancelling().ended(Cancelled("e")).view()
    assert view.status.text == "Cancelled. The environment is as it was."
    assert view.progress is None and view.repair.enabled and not view.wants_log


def test_a_failure_opens_the_log(fresh: Any) -> None:
    view = at(fresh, MISSING).started("install").ended(Failed("e", "E506", "MEDDL-E506: index")).view()
    assert (view.status.text, view.status.tone, view.wants_log) == ("MEDDL-E506: index", "error", True)


def test_a_fallback_to_the_processor_stays_to_be_read(fresh: Any) -> None:
    told = at(fresh, MISSING).started("install").told(Warned("e", "E504", "it runs on cpu"))
    assert (told.ended(Finished("e")).view().status.shown, told.view().progress) == ("⚠ it runs on cpu", -1)


def test_what_fails_beside_an_installation_does_not_end_it(fresh: Any) -> None:
    view = at(fresh, MISSING).started("install").failed("MEDDL-E901: x").view()
    assert (view.status.text, view.cancel.enabled, view.install.enabled) == ("MEDDL-E901: x", True, False)


def test_another_choice_is_checked_before_it_can_be_installed(fresh: Any) -> None:
    view = at(fresh, MISSING).chosen(wheels="/usb/wheels").checking().view()
    assert (view.install.enabled, view.install.tool_tip) == (False, "Wait until this computer is checked.")


def test_remove_asks_once_more_and_any_choice_withdraws_it(fresh: Any) -> None:
    asking = at(fresh, READY).pressed_remove()
    assert (asking.view().remove.text, asking.view().status.tone) == ("Really remove?", "warning")
    assert asking.chosen(build="cu126").view().remove.text == "Remove"


def test_removing_cannot_be_stopped_halfway(fresh: Any) -> None:
    cancel = at(fresh, READY).started("remove").view().cancel
    assert (cancel.enabled, cancel.tool_tip) == (False, "Removing cannot be stopped halfway.")


def test_another_python_is_asked_before_it_is_believed(fresh: Any) -> None:
    asked = at(fresh, MISSING).asking_python("/opt/python")
    assert asked.view().headline.text == "Uses another Python, which is being asked…"
    assert asked.view().install.tool_tip == "The worker runs on another Python; empty that line first."


@pytest.mark.parametrize(("is_usable", "tone"), [(True, "done"), (False, "error")])
def test_what_another_python_answers_is_the_headline(fresh: Any, is_usable: bool, tone: str) -> None:
    other = OtherPython(is_usable=is_usable, message="It lacks monai.")
    view = at(fresh, READY).asking_python("/opt/python").python_answered(other).view()
    assert "It lacks monai." in view.headline.text and view.headline.tone == tone
    assert view.python_result.text == "It lacks monai."


def test_without_another_python_the_environment_is_the_headline_again(fresh: Any) -> None:
    view = at(fresh, READY).asking_python("/opt/python").asking_python("").view()
    assert view.headline.text.startswith("Ready")


def test_checks_that_failed_say_so_and_keep_what_was_found(fresh: Any) -> None:
    view = at(fresh, READY).checking().not_checked("MEDDL-E603: gone").view()
    assert (view.checks_note.text, view.refresh.enabled, len(view.checks)) == ("MEDDL-E603: gone", True, 2)


@pytest.mark.parametrize("activity", ["", "install", "remove", "verify"])
@pytest.mark.parametrize("state", [None, MISSING, READY, BROKEN])
def test_whatever_cannot_be_pressed_says_why(fresh: Any, state: EnvironmentState | None, activity: str) -> None:
    known = at(fresh, state) if state else fresh
    view = (known.started(activity) if activity else known).view()
    controls = [view.install, view.repair, view.remove, view.verify, view.refresh, view.choice, view.python]
    assert all(control.tool_tip for control in controls)


def test_the_presenter_needs_neither_qt_nor_slicer() -> None:
    text = Path(EXTENSION, "MedDLLib", "environment_presenter.py").read_text(encoding="utf-8")
    assert "import qt" not in text and "import slicer" not in text

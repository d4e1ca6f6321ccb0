"""The real environment page in the stand-in application, with real child processes and real pip on tiny wheels."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from MedDLLogic.environment.folder import current_environment
from MedDLLogic.environment.install import Sources, install
from MedDLLogic.environment.stack import standard_stack
from MedDLLogic.events import Reporter
from MedDLLogic.storage import environments_folder, exchange_base

from . import pythonqt
from .application import Application
from .conftest import use_python
from .ctk_widgets import ctkCollapsibleButton
from .leaks import Watch
from .tiny_wheels import BUILD, make_wheels


class Section:
    """The page as a user sees it; its widgets by ``section.child("Install")``."""

    def __init__(self, application: Application, button: Any) -> None:
        self.application, self.button = application, button

    def open(self, wheels: Path | None = None) -> Self:
        self.button.collapsed = False
        if wheels is not None:
            self.child("Wheels").currentPath = str(wheels)
            self.wait(lambda: self.child("Offer").text.count("offline folder"))
        return self.rest()

    def child(self, name: str) -> Any:
        widgets = self.application.slicer.util.childWidgetVariables(self.button)
        return getattr(widgets, f"environment{name}")

    def text(self, name: str) -> str:
        return str(self.child(name).text)

    def press(self, name: str) -> Self:
        assert self.child(name).enabled, self.child(name).toolTip
        self.child(name).click()
        return self

    def wait(self, condition: Callable[[], Any]) -> None:
        self.application.wait_until(lambda: bool(condition()))

    def rest(self) -> Self:
        """Until nothing goes on."""
        self.wait(lambda: self.child("Refresh").enabled)
        return self


class Rig(Section):
    """The page alone, in a section of its own, and what it told others."""

    def __init__(self, application: Application) -> None:
        button = ctkCollapsibleButton("Environment")
        button.collapsed = True
        super().__init__(application, pythonqt.Wrapped(button))
        self.is_running, self.stops, self.changes = False, 0, 0
        self.page = importlib.import_module("MedDLLib.environment_panel").EnvironmentPage(
            self.button,
            is_running=lambda: self.is_running,
            stop_worker=lambda: setattr(self, "stops", self.stops + 1),
            on_changed=lambda: setattr(self, "changes", self.changes + 1),
            settings=lambda: {"device": "auto", "model": "Mustermann, Erika"},
        )

    def rest(self) -> Self:
        self.wait(lambda: not self.page.is_busy)
        return self


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip that reaches no index; the application remembers the variables that it was started in."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)


@pytest.fixture
def rig(offline: None, application: Application) -> Iterator[Rig]:
    """The page, closed; at the end nothing of it may be left."""
    watch = Watch(application.slicer.mrmlScene, (exchange_base(),))
    rig = Rig(application)
    yield rig
    rig.page.stop()
    assert not watch.leaks()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, and beside it the environments that pip made of them."""
    home = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDDL_HOME", str(home))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.delenv("PIP_FIND_LINKS", raising=False)
        sources = Sources(wheelhouse=make_wheels(home / "wheels"))
        install(standard_stack(BUILD), Reporter("case", lambda event: None), sources=sources)
        shutil.copytree(environments_folder(), home / "environments")
    return home


@pytest.fixture
def wheels(built: Path) -> Path:
    return built / "wheels"


@pytest.fixture
def installed(rig: Rig, built: Path) -> Rig:
    """The page with an environment."""
    shutil.copytree(built / "environments", environments_folder())
    return rig.open(built / "wheels")


def folders() -> list[str]:
    return sorted(path.name for path in environments_folder().iterdir() if path.is_dir())


def test_a_section_that_was_never_opened_costs_nothing(rig: Rig) -> None:
    assert (rig.button.layout(), rig.page.is_busy) == (None, False)


def test_opening_looks_at_this_computer_and_installs_nothing(rig: Rig) -> None:
    rig.open()
    assert rig.text("Headline") == "⚠ Not installed. Models cannot run yet."
    assert "Free&nbsp;disk" in rig.text("Checks") and "✗ problem" in rig.text("Checks")
    assert not environments_folder().exists()


def test_an_installation_from_an_offline_folder_is_what_the_worker_uses(rig: Rig, wheels: Path) -> None:
    rig.open(wheels).press("Install").rest()
    assert rig.text("Status") == "✓ Installed and tested."
    assert rig.text("Headline").startswith("✓ Ready: torch 2.13.0")
    assert current_environment() is not None and folders() == [current_environment().name]
    assert (rig.stops, rig.changes) == (2, 1)


def test_a_failed_installation_is_one_line_and_opens_the_log(rig: Rig, tmp_path: Path) -> None:
    rig.open(make_wheels(tmp_path / "few", without="monai")).press("Install").rest()
    assert rig.text("Status").startswith("✗ MEDDL-E50") and "\n" not in rig.text("Status")
    assert rig.child("LogBox").collapsed is False and folders() == []
    rig.press("CopyLog")
    assert "ERROR: Cannot install monai" in rig.application.slicer.app.clipboard().text()


def test_a_cancel_in_the_middle_leaves_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.open(make_wheels(tmp_path / "slow", is_slow=True)).press("Install")
    rig.wait(lambda: rig.text("Stage").startswith("Testing"))
    rig.press("Cancel").rest()
    assert rig.text("Status") == "Cancelled. The environment is as it was."
    assert (folders(), current_environment(), rig.child("Install").enabled) == ([], None, True)


def test_a_cancelled_repair_leaves_the_environment_in_use(installed: Rig, tmp_path: Path) -> None:
    before = current_environment()
    installed.open(make_wheels(tmp_path / "slow", is_slow=True)).press("Repair")
    installed.wait(lambda: installed.text("Stage").startswith("Testing"))
    installed.press("Cancel").rest()
    assert current_environment() == before and folders() == [before.name]


def test_what_became_broken_is_found_and_repaired(installed: Rig) -> None:
    (current_environment() / "torch" / "cuda.py").write_text("x" * 41)
    installed.press("Verify").rest()
    assert installed.text("Headline").startswith("✗ Broken") and not installed.child("Install").enabled
    installed.press("Repair").rest()
    assert installed.text("Headline").startswith("✓ Ready") and len(folders()) == 1


def test_an_installation_that_is_whole_passes_its_test(installed: Rig) -> None:
    installed.press("Verify").rest()
    assert installed.text("Status") == "✓ Every file is as it was installed, and the test passed."


def test_remove_takes_two_presses(installed: Rig) -> None:
    installed.press("Remove")
    assert installed.text("Remove") == "Really remove?" and current_environment() is not None
    installed.press("Remove").rest()
    assert (installed.text("Status"), current_environment(), folders()) == ("✓ Removed.", None, [])


def test_while_a_model_runs_nothing_is_changed(installed: Rig) -> None:
    installed.is_running = True
    installed.child("Repair").click()  # no one told the page yet
    assert installed.child("Repair").enabled is False and not installed.page.is_changing
    assert installed.child("Remove").toolTip == "A model is running; wait for its end, or cancel it."


def test_another_python_is_asked_and_its_answer_told(rig: Rig, tmp_path: Path) -> None:
    rig.open()
    rig.child("Python").currentPath = str(bare_python(tmp_path))
    rig.wait(lambda: rig.text("Headline").startswith("✗ The other Python cannot be used. It lacks torch"))
    assert rig.text("PythonResult").startswith("✗ It lacks torch") and rig.changes == 1


def test_a_path_that_is_no_python_is_told(rig: Rig, tmp_path: Path) -> None:
    rig.open()
    rig.child("Python").currentPath = str(tmp_path / "nothing")
    rig.wait(lambda: rig.text("PythonResult") == "✗ It cannot be started.")


def test_an_emptied_line_means_slicers_own_python_again(rig: Rig) -> None:
    use_python(rig.application, "/nowhere/python")
    rig.open()
    rig.child("Python").currentPath = ""
    rig.wait(lambda: rig.text("PythonResult").startswith("The worker runs on Slicer's own Python"))
    assert rig.application.qt.QSettings().value("MedDL/WorkerPython") == ""


def test_the_environment_is_built_with_slicers_own_python_whatever_was_chosen(rig: Rig, wheels: Path) -> None:
    use_python(rig.application, "/nowhere/python")
    rig.open(wheels)
    assert "Folder&nbsp;of&nbsp;wheels" in rig.text("Checks") and rig.child("Install").enabled is False


def test_another_build_is_looked_at_when_it_is_chosen(rig: Rig) -> None:
    box = rig.open().child("Build")
    box.setCurrentIndex(box.findData("cu126"))
    rig.rest()
    assert "It was chosen by name." in rig.text("Reason") and "cu126" in rig.text("Offer")
    assert "cu126" in rig.text("Checks")


def test_the_bug_report_is_shown_before_it_is_saved_and_names_no_patient(rig: Rig, tmp_path: Path) -> None:
    rig.open().child("ReportBox").collapsed = False
    rig.rest()
    text = rig.child("Report").plainText
    assert "device = auto" in text and "Mustermann" not in text and str(tmp_path) not in text
    rig.child("ReportPath").currentPath = str(tmp_path / "report.txt")
    rig.press("ReportSave").rest()
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == text and rig.text("ReportStatus") == "✓ Saved."


def test_a_long_path_does_not_widen_the_panel(rig: Rig) -> None:
    width = rig.open().button.minimumSizeHint.width()
    rig.child("ReportPath").currentPath = "/a" * 400
    assert rig.child("ReportPath").minimumSizeHint.width() < width == rig.button.minimumSizeHint.width()


def test_a_folder_that_another_module_remembered_is_no_offline_folder(rig: Rig) -> None:
    rig.application.qt.QSettings().setValue("ctkPathLineEdit/", ["/of/another/module"])
    assert rig.open().child("Wheels").currentPath == ""


def test_a_report_that_cannot_be_saved_is_told(rig: Rig, tmp_path: Path) -> None:
    rig.open().child("ReportBox").collapsed = False
    rig.rest()
    rig.child("ReportPath").currentPath = str(tmp_path / "no" / "such" / "folder" / "report.txt")
    rig.press("ReportSave").rest()
    assert rig.text("ReportStatus").startswith("✗ MEDDL-E503")


def test_the_panel_goes_away_in_the_middle_of_an_installation(rig: Rig, tmp_path: Path) -> None:
    rig.open(make_wheels(tmp_path / "slow", is_slow=True)).press("Install")
    rig.wait(lambda: rig.text("Stage").startswith("Testing"))
    rig.page.stop()
    assert current_environment() is None and folders() == []


def test_slicer_may_quit_in_the_middle_of_an_installation(offline: None, panel: Application, tmp_path: Path) -> None:
    section = Section(panel, panel.child("environmentButton")).open(make_wheels(tmp_path / "slow", is_slow=True))
    section.press("Install").wait(lambda: section.text("Stage").startswith("Testing"))
    panel.quit()
    assert current_environment() is None and folders() == []


def test_what_a_killed_installation_left_goes_when_the_page_opens(rig: Rig) -> None:
    stray = environments_folder() / "partial-dead"
    stray.mkdir(parents=True)
    rig.open()
    assert not stray.exists()


def test_the_scene_may_close_while_it_installs(rig: Rig, wheels: Path) -> None:
    rig.open(wheels).press("Install")
    rig.application.slicer.mrmlScene.Clear()
    assert rig.rest().text("Headline").startswith("✓ Ready")


def bare_python(folder: Path) -> Path:
    """A Python without any package."""
    program = folder / "bare-python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    program.chmod(0o700)
    return program

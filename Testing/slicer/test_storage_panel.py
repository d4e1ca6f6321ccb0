"""The storage page: what it says at each moment without Qt, and the real page on real folders."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from MedDLLogic.scratch import FolderLock, ScratchFolder
from MedDLLogic.storage import (
    EXCHANGE_PREFIX,
    StoredFolder,
    cache_folder,
    environments_folder,
    exchange_base,
    models_folder,
)

from . import pythonqt
from .application import Application
from .ctk_widgets import ctkCollapsibleButton
from .leaks import Watch

WEIGHTS = StoredFolder(Path("/cache"), "downloaded weights", 3_100_000_000)
MODELS = StoredFolder(Path("/models"), "your own model cards", 2_000)


@pytest.fixture
def module(application: Application) -> ModuleType:
    return importlib.import_module("MedDLLib.storage_presenter")


@pytest.fixture
def listed(module: ModuleType) -> Any:
    """The page with two folders."""
    return module.StoragePresenter().counting().listed((WEIGHTS, MODELS))


def test_folders_come_with_purpose_size_and_the_sum(listed: Any) -> None:
    view = listed.view()
    assert [row.text for row in view.rows] == ["Downloaded weights\n/cache", "Your own model cards\n/models"]
    assert [row.size for row in view.rows] == ["3.1 GB", "2 kB"]
    assert view.total == "3.1 GB in all"


def test_while_it_counts_nothing_can_be_pressed(listed: Any) -> None:
    view = listed.counting().view()
    assert not view.refresh.enabled and not any(row.remove.enabled for row in view.rows)
    assert view.rows[0].remove.tool_tip == "Wait until the folders are counted."


def test_the_first_press_asks_and_the_second_removes(listed: Any) -> None:
    asking = listed.pressed(WEIGHTS.path)
    assert [row.remove.text for row in asking.view().rows] == ["Really remove?", "Remove"]
    assert asking.view().status.text == "Press Really remove? to delete /cache with everything in it."
    assert asking.pressed(WEIGHTS.path).state == "removing"


def test_a_press_on_another_button_asks_for_that_one(listed: Any) -> None:
    asking = listed.pressed(WEIGHTS.path).pressed(MODELS.path)
    assert (asking.state, asking.asked) == ("listed", MODELS.path)


def test_what_is_in_use_stays_and_says_why(listed: Any) -> None:
    kept = listed.pressed(WEIGHTS.path).keeping({WEIGHTS.path: "A model uses it."}).pressed(WEIGHTS.path)
    assert (kept.state, kept.view().status.shown) == ("listed", "⚠ A model uses it.")
    assert [row.remove.enabled for row in kept.view().rows] == [False, True]


def test_without_folders_there_is_a_sentence(module: ModuleType) -> None:
    view = module.StoragePresenter().counting().listed(()).view()
    assert (view.status.text, view.total) == ("MedDL has written no folders on this computer.", "")


class Rig:
    """The page in a section of its own."""

    def __init__(self, application: Application, section: Any) -> None:
        self.application, self.section = application, section
        self.is_running, self.stops, self.removals = False, 0, 0
        self.page = importlib.import_module("MedDLLib.storage_panel").StoragePage(
            section,
            is_running=lambda: self.is_running,
            stop_worker=lambda: setattr(self, "stops", self.stops + 1),
            on_removed=lambda: setattr(self, "removals", self.removals + 1),
        )

    def open(self) -> Rig:
        self.section.collapsed = False
        return self.rest()

    def rest(self) -> Rig:
        self.application.wait_until(lambda: not self.page.is_busy)
        return self

    def child(self, name: str) -> Any:
        return getattr(self.application.slicer.util.childWidgetVariables(self.section), f"storage{name}")

    def press(self, row: int) -> Rig:
        cell = self.child("Table").cellWidget(row, 2)
        next(iter(self.application.slicer.util.findChildren(cell, className="QPushButton"))).click()
        return self

    def rows(self) -> list[tuple[str, str]]:
        table = self.child("Table")
        return [(table.item(n, 0).toolTip(), table.item(n, 1).text()) for n in range(table.rowCount)]


@pytest.fixture
def rig(application: Application) -> Iterator[Rig]:
    watch = Watch(application.slicer.mrmlScene)
    button = ctkCollapsibleButton("Storage")
    button.collapsed = True
    rig = Rig(application, pythonqt.Wrapped(button))
    yield rig
    rig.page.stop()
    assert not watch.leaks()


@pytest.fixture
def fill(application: Application) -> Callable[[Path, int], Path]:
    def make(folder: Path, size: int) -> Path:
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(size))
        return folder

    return make


def test_the_folders_that_are_there_are_listed(rig: Rig, fill: Callable[[Path, int], Path]) -> None:
    fill(cache_folder(), 5_000_000)
    fill(models_folder(), 2_000)
    assert rig.open().rows() == [(str(cache_folder()), "5 MB"), (str(models_folder()), "2 kB")]
    assert rig.child("Total").text == "5 MB in all"


def test_two_presses_remove_a_folder(rig: Rig, fill: Callable[[Path, int], Path]) -> None:
    fill(cache_folder(), 5_000_000)
    rig.open().press(0)
    assert cache_folder().exists()
    rig.press(0).rest()
    assert not cache_folder().exists() and rig.rows() == []
    assert (rig.child("Status").text, rig.stops, rig.removals) == ("✓ 5 MB removed.", 1, 1)


def test_what_a_running_model_uses_is_kept(rig: Rig, fill: Callable[[Path, int], Path]) -> None:
    fill(environments_folder(), 1_000)
    rig.open().press(0)
    rig.is_running = True
    rig.press(0).rest()
    assert environments_folder().exists()
    assert rig.child("Status").text == "⚠ A model that is running uses it."


def test_an_environment_that_is_being_built_is_kept(rig: Rig, fill: Callable[[Path, int], Path]) -> None:
    fill(environments_folder(), 1_000)
    rig.open()
    with FolderLock(environments_folder()):
        rig.press(0).press(0).rest()
    assert rig.child("Status").text.startswith("✗ MEDDL-E601") and environments_folder().exists()


def test_images_of_a_process_that_lives_are_kept(rig: Rig, fill: Callable[[Path, int], Path]) -> None:
    fill(exchange_base() / f"{EXCHANGE_PREFIX}dead", 1_000)
    with ScratchFolder(exchange_base(), EXCHANGE_PREFIX) as living:
        rig.open().press(0).press(0).rest()
        assert living.is_dir() and rig.child("Status").text == "✓ 1 kB removed."


def test_the_page_may_go_away_while_it_counts(rig: Rig, fill: Callable[[Path, int], Path]) -> None:
    fill(cache_folder(), 1_000)
    rig.section.collapsed = False
    rig.page.stop()
    rig.application.slicer.app.processEvents()
    assert rig.rows() == []

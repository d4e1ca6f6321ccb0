"""The module as Slicer sees it: metadata, logic for scripts, sample data, old versions, reload."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.job import CardRef, Job
from MedDLLogic.models.registry import find_card
from MedDLLogic.models.samples import find_sample
from MedDLLogic.records import parse_json
from MedDLLogic.scene.segmentations import voxel_counts
from MedDLLogic.storage import exchange_base

from .application import Application
from .conftest import EXTENSION

QuickWorker = Callable[[str], str]

SOURCE_KEYWORDS = {"category", "sampleName", "uris", "fileNames", "nodeNames", "customDownloader"}
SOURCE_KEYWORDS |= {"thumbnailFileName", "loadFiles", "loadFileProperties", "checksums"}

IMPORTS = """
import os, sys, time
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from pathlib import Path
from PySide6 import QtWidgets
application = QtWidgets.QApplication([])
from Testing.slicer.application import Application
stand_in = Application(Path(sys.argv[1]))
stand_in.install(dict.__setitem__)
sys.path.append(sys.argv[2])
before = set(sys.modules)
import MedDL
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] in ("MedDLLib", "MedDLLogic", "numpy")))
stand_in.open(MedDL, Path(sys.argv[2], "MedDL.py"))
heavy = ("torch", "monai", "SimpleITK", "pydicom", "scipy", "skimage", "matplotlib", "safetensors", "typer")
print([name for name in heavy if name in sys.modules])
"""


@pytest.fixture
def sample_data(application: Application, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was registered with the Sample Data module."""
    registered: list[dict[str, Any]] = []

    def register(**source: Any) -> None:
        assert set(source) <= SOURCE_KEYWORDS
        registered.append(source)

    module = ModuleType("SampleData")
    module.SampleDataLogic = SimpleNamespace(registerCustomSampleDataSource=register)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "SampleData", module)
    return registered


def test_the_module_list_shows_title_category_and_help(panel: Application) -> None:
    entry = panel.slicer.modules.meddl
    assert (entry.title, entry.categories) == ("MedDL", ["Segmentation"])
    assert "press Apply" in entry.helpText and not entry.icon.isNull()


def test_scripts_get_the_facade_by_the_modules_name(panel: Application) -> None:
    logic = panel.slicer.util.getModuleLogic("MedDL")
    assert (type(logic).__name__, logic.moduleName) == ("MedDLModuleLogic", "MedDL")


def test_a_script_segments_a_volume(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    node = panel.slicer.util.getModuleLogic("MedDL").segment(volume, listed_model)
    assert voxel_counts(node) == {"box": 20 * 22 * 12, "rest": 0}


def test_a_script_that_names_other_inputs_is_refused(listed_model: str, panel: Application, volume: Any) -> None:
    with pytest.raises(MedDLError, match="E331"):
        panel.slicer.util.getModuleLogic("MedDL").segment({"flair": volume}, listed_model)


def test_the_job_names_its_card_by_the_hash_that_the_worker_compares(panel: Application, volume: Any) -> None:
    backstage, found = panel.widget.logic.backstage, find_card("brain-tissue-t1")
    run = backstage.prepare({"t1": volume}, found.card, "cpu")
    job = parse_json(Job, (run.folder / "job.json").read_bytes())
    run.discard()
    assert job.card == CardRef("brain-tissue-t1", found.sha256)


@pytest.mark.parametrize("behavior", ["refuse", "crash"])
def test_a_script_gets_a_failed_run_as_an_error(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker, behavior: str
) -> None:
    quick_worker(behavior)
    with pytest.raises(MedDLError, match=r"E309|E603"):
        panel.slicer.util.getModuleLogic("MedDL").segment(volume, listed_model)


def test_the_self_test_of_the_module_passes(panel: Application) -> None:
    sys.modules["MedDL"].MedDLTest().runTest()


@pytest.mark.parametrize("version", [(5, 8), (5, 6), (4, 11)])
def test_an_old_slicer_gets_one_sentence_and_none_of_our_code(
    application: Application, meddl_module: Any, version: tuple[int, int]
) -> None:
    application.slicer.app.majorVersion, application.slicer.app.minorVersion = version
    application.open(meddl_module, EXTENSION / "MedDL.py")
    said = application.slicer.util.findChildren(
        application.slicer.util.getModuleWidget("MedDL").parent, className="QLabel"
    )
    assert [label.text for label in said] == [
        f"MedDL needs 3D Slicer 5.10 or newer; this is {version[0]}.{version[1]}. Please update Slicer."
    ]
    assert not [name for name in sys.modules if name.startswith("MedDLLib")]


@pytest.mark.parametrize("version", [(5, 10), (5, 13), (6, 0)])
def test_a_newer_slicer_opens_the_panel(application: Application, meddl_module: Any, version: tuple[int, int]) -> None:
    application.slicer.app.majorVersion, application.slicer.app.minorVersion = version
    application.open(meddl_module, EXTENSION / "MedDL.py").cleanup()
    assert application.child("modelSelector").count >= 3


def test_the_sample_is_registered_at_start_with_its_hash(panel: Application, sample_data: list[dict[str, Any]]) -> None:
    for slot in panel.slicer.app.at_start:
        slot()
    assert sample_data[0]["checksums"] == f"SHA256:{find_sample('head-t1').sha256}"


def test_the_sample_that_is_here_opens_without_the_network(
    panel: Application, sample_data: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample = importlib.import_module("MedDLLib.sample")
    ball = tmp_path / "ball.nrrd"
    write_ball(panel, ball)
    monkeypatch.setattr(sample, "sample_file", lambda _sample: ball)
    assert sample.load(find_sample("head-t1")).GetName() == "HeadT1"


def test_a_sample_that_cannot_be_fetched_is_told_to_the_user(
    panel: Application, sample_data: list[dict[str, Any]], worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    shown: list[str] = []
    monkeypatch.setattr(panel.slicer.util, "errorDisplay", lambda text, **_: shown.append(text))
    importlib.import_module("MedDLLib.sample").register()
    with pytest.raises(MedDLError, match="E506"):
        sample_data[0]["customDownloader"](None)
    assert "MEDDL-E506" in shown[0]


def test_reload_reads_our_code_from_disk_again(panel: Application) -> None:
    before, widget = sys.modules["MedDLLib.presenter"], panel.widget
    widget.onReload()
    assert importlib.import_module("MedDLLib.presenter") is not before
    assert panel.slicer.util.getModuleWidget("MedDL") is not widget
    assert widget.Observations == []


def test_reload_stops_the_run(listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    panel.widget.enter()
    panel.child("applyButton").click()
    panel.widget.onReload()
    assert list(exchange_base().iterdir()) == []


def test_cleanup_leaves_no_observer_and_no_worker(panel: Application, listed_model: str) -> None:
    panel.widget.cleanup()
    panel.slicer.mrmlScene.Clear()
    assert panel.widget.Observations == []


def test_nothing_heavy_is_in_slicers_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPORTS, str(tmp_path), str(EXTENSION)]
    done = subprocess.run(command, cwd=EXTENSION.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr


def write_ball(panel: Application, path: Path) -> None:
    from MedDLLogic.scene.volumes import push_volume
    from Testing.small_models import ball

    slicer = panel.slicer
    node = push_volume(slicer.mrmlScene, ball()[0], "Ball")
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.WriteData(node)
    slicer.mrmlScene.RemoveNode(node)

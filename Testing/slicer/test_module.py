"""The module as Slicer sees it: metadata, logic for scripts, sample data, old versions, reload."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PySide6 import QtGui

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.samples import find_sample
from MedDLLogic.scene.segments import voxel_counts
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


def test_the_worker_stays_warm_between_the_calls_of_a_script(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker, tmp_path: Path
) -> None:
    program = Path(quick_worker("finish"))
    program.write_text(program.read_text().replace("exec", f'echo once >> "{tmp_path}/starts"\nexec'))
    logic = panel.slicer.util.getModuleLogic("MedDL")
    nodes = {logic.segment(volume, listed_model).GetID() for _ in range(2)}
    assert (len(nodes), (tmp_path / "starts").read_text().split()) == (2, ["once"])


def test_a_script_may_choose_what_is_replaced(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    logic = panel.slicer.util.getModuleLogic("MedDL")
    node = logic.segment(volume, listed_model)
    assert logic.segment(volume, listed_model, quality="fine", replace=node) is node


def test_a_script_may_start_a_run_and_go_on(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker
) -> None:
    quick_worker("slow")
    told: list[Any] = []
    handle = panel.slicer.util.getModuleLogic("MedDL").start(volume, listed_model)
    handle.onFinished(told.append)
    assert (handle.isFinished, handle.result()) == (False, None)
    panel.wait_until(lambda: handle.isFinished)
    assert voxel_counts(handle.result()) == {"box": 20 * 22 * 12, "rest": 0} and told == [handle]


def test_a_run_that_a_script_started_can_be_cancelled(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker
) -> None:
    quick_worker("wait")
    handle = panel.slicer.util.getModuleLogic("MedDL").start(volume, listed_model)
    handle.cancel()
    panel.wait_until(lambda: handle.isFinished)
    with pytest.raises(MedDLError, match="E602"):
        handle.result()


def test_a_run_that_failed_is_told_to_the_script_that_asks(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker
) -> None:
    quick_worker("refuse")
    handle = panel.slicer.util.getModuleLogic("MedDL").start(volume, listed_model)
    panel.wait_until(lambda: handle.isFinished)
    with pytest.raises(MedDLError, match="voxels are not finite numbers"):
        handle.result()


def test_scripts_are_told_of_models_and_environment(panel: Application) -> None:
    logic = panel.slicer.util.getModuleLogic("MedDL")
    assert {"brain-t1", "tissue-t1"} <= {card.name for card in logic.models()}
    assert logic.environmentState().kind == "missing"


def test_without_packages_or_another_python_a_run_is_refused_at_once(
    listed_model: str, panel: Application, volume: Any
) -> None:
    logic = panel.slicer.util.getModuleLogic("MedDL")
    for ask in (logic.segment, logic.start):
        with pytest.raises(MedDLError, match="E507"):
            ask(volume, listed_model)


@pytest.mark.parametrize("application", [{"main_window": False}, {"testing": True}], indirect=True)
def test_scripts_work_without_a_window_and_under_test(
    listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker
) -> None:
    quick_worker("finish")
    assert panel.slicer.util.getModuleLogic("MedDL").segment(volume, listed_model) is not None
    assert panel.dialogs.unexpected == []


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
    assert application.child("applyButton").text


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
    monkeypatch.setattr(importlib.import_module("MedDLLogic.models.samples"), "sample_file", lambda _sample: ball)
    assert sample.load(find_sample("head-t1")).GetName() == "HeadT1"


def test_a_sample_that_cannot_be_fetched_is_told_to_the_user(
    panel: Application, sample_data: list[dict[str, Any]], worker_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    panel.app.environment_at_start = dict(os.environ)
    shown: list[str] = []
    monkeypatch.setattr(panel.slicer.util, "errorDisplay", lambda text, **_: shown.append(text))
    importlib.import_module("MedDLLib.sample").register()
    with pytest.raises(MedDLError, match="E506"):
        sample_data[0]["customDownloader"](None)
    assert "MEDDL-E506" in shown[0]


def test_a_second_click_is_told_that_the_sample_is_on_its_way(
    panel: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = importlib.import_module("MedDLLib.sample")
    answers: list[str] = []

    def click_again(*_: Any) -> None:
        with pytest.raises(MedDLError, match="E601") as told:
            sample.load(find_sample("head-t1"))
        answers.append(str(told.value))

    monkeypatch.setattr(importlib.import_module("MedDLLogic.jobs.errand"), "run_errand", click_again)
    with pytest.raises(MedDLError, match="E506"):
        sample.load(find_sample("head-t1"))
    assert "being downloaded" in answers[0] and sample._downloading == set()


def test_the_sample_has_a_picture_of_sample_datas_shape(panel: Application, sample_data: list[dict[str, Any]]) -> None:
    importlib.import_module("MedDLLib.sample").register()
    size = QtGui.QImage(sample_data[0]["thumbnailFileName"]).size()
    assert Path(sample_data[0]["thumbnailFileName"]).name == "MedDLHeadT1.png"
    assert (size.width(), size.height()) == (260, 280)


@pytest.mark.parametrize(("chosen", "purpose"), [("", "temporary"), ("/nowhere", "temporary"), ("{there}", "scenes")])
def test_a_result_is_kept_in_a_folder_that_is_there(
    panel: Application, chosen: str, purpose: str, tmp_path: Path
) -> None:
    panel.slicer.app.defaultScenePath = chosen.format(there=tmp_path)
    folder = importlib.import_module("MedDLLib.backstage")._keep_in()
    assert folder.path.is_dir() and purpose in folder.purpose


def test_what_vtk_may_still_call_outlives_a_scene_that_is_cleared(panel: Application) -> None:
    logic = sys.modules["MedDL"].MedDLModuleLogic()  # one that no panel holds anything of
    old = weakref.ref(logic.getParameterNode())
    panel.slicer.mrmlScene.Clear(True)
    assert logic.getParameterNode() is not old()
    gc.collect()
    assert old() is not None
    logic.backstage.close()


def test_reload_reads_our_code_and_the_library_from_disk_again(panel: Application) -> None:
    names, widget = ("MedDLLib.runs", "MedDLLogic.scene.volumes", "MedDLLogic"), panel.widget
    before = [sys.modules[name] for name in names]
    assert panel.reload() is not widget
    assert not any(sys.modules[name] is module for name, module in zip(names, before, strict=True))
    assert widget.Observations == []


def test_reload_stops_the_run(listed_model: str, panel: Application, volume: Any, quick_worker: QuickWorker) -> None:
    quick_worker("hang")
    runs = panel.widget.logic.backstage.runs
    handle = panel.widget.logic.start(volume, listed_model)
    panel.wait_until(lambda: handle.state.phase == "running")
    panel.reload()
    assert (handle.isFinished, runs.is_busy, list(exchange_base().iterdir())) == (True, False, [])


def test_cleanup_leaves_no_observer_and_no_worker(panel: Application, listed_model: str) -> None:
    panel.widget.cleanup()
    panel.slicer.mrmlScene.Clear()
    assert panel.widget.Observations == []


def test_nothing_heavy_is_in_slicers_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPORTS, str(tmp_path), str(EXTENSION)]
    done = subprocess.run(command, cwd=EXTENSION.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr


def write_ball(panel: Application, path: Path, **shape: Any) -> None:
    from MedDLLogic.scene.volumes import push_volume
    from Testing.small_models import ball

    slicer = panel.slicer
    node = push_volume(slicer.mrmlScene, ball(**shape)[0], "Ball")
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.WriteData(node)
    slicer.mrmlScene.RemoveNode(node)

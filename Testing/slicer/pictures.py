"""Pictures of the panel for README.md: ``python -m Testing.slicer.pictures FOLDER``.

The real panel in the stand-in application, with the demo head, the real models and the real worker;
what ``meddl demo`` has downloaded is used, the rest is downloaded.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

MODEL = "brain-tissue-t1"
WIDTH, HEIGHT, GAP = 440, 480, 12


def main(folder: Path) -> None:
    """Write ``panel.png``: the panel ready, running and with its results, side by side."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6 import QtWidgets

    from MedDLLogic.io.read import read_image
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.samples import find_sample, get_sample
    from MedDLLogic.models.store import get_weights, missing_weights
    from MedDLLogic.scene.volumes import push_volume

    from .application import Application
    from .conftest import EXTENSION

    head = read_image(get_sample(find_sample("head-t1"))).image
    get_weights(missing_weights(find_card(MODEL)))
    qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["pictures"])
    settings = Path(tempfile.mkdtemp())
    with pytest.MonkeyPatch.context() as patch:
        application = Application(settings)
        application.install(patch.setitem)
        sys.path.append(str(EXTENSION))
        spec = importlib.util.spec_from_file_location("MedDL", EXTENSION / "MedDL.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["MedDL"] = module
        spec.loader.exec_module(module)
        widget = application.open(module, EXTENSION / "MedDL.py")
        volume = push_volume(application.slicer.mrmlScene, head, "T1 head")
        application.child("workerPython").currentPath = sys.executable
        selector = application.child("modelSelector")
        selector.setCurrentIndex(selector.findData(MODEL))
        application.child("inputSelector").setCurrentNode(volume)
        states = [_grab(qt_application, application.frame)]
        button = application.child("applyButton")
        button.click()
        application.wait_until(lambda: application.child("progressBar").value > 40, seconds=300)
        states.append(_grab(qt_application, application.frame))
        application.wait_until(lambda: button.text == "Apply", seconds=300)
        states.append(_grab(qt_application, application.frame))
        widget.cleanup()
    shutil.rmtree(settings)
    _side_by_side(states).save(str(folder / "panel.png"))


def _grab(qt_application, window):
    window.resize(WIDTH, HEIGHT)
    window.show()
    qt_application.processEvents()
    return window.grab()


def _side_by_side(pictures):
    from PySide6 import QtGui

    whole = QtGui.QImage(len(pictures) * (WIDTH + GAP) - GAP, HEIGHT, QtGui.QImage.Format.Format_RGB32)
    whole.fill(QtGui.QColor("white"))
    painter = QtGui.QPainter(whole)
    for number, picture in enumerate(pictures):
        painter.drawPixmap(number * (WIDTH + GAP), 0, picture)
    painter.end()
    return whole


if __name__ == "__main__":
    main(Path(sys.argv[1]))

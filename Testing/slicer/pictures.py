"""Pictures of the panel for README.md: ``python -m Testing.slicer.pictures FOLDER``.

The real panel in the stand-in application, with the demo head, the real models and the real worker;
what they need is downloaded into MEDDL_HOME, by default a folder for pictures that stays there. One file each: empty, ready, running, results,
environment, error.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

MODEL = "brain-tissue-t1"
WIDTH, SHARPNESS = 440, 2
COLORS = 200


def main(folder: Path) -> None:
    """Write ``panel-<state>.png`` for each state."""
    folder.mkdir(parents=True, exist_ok=True)
    # Whatever the user has installed or run before, the pictures are the same; their paths stay short and nobody's.
    os.environ.setdefault("MEDDL_HOME", str(Path(tempfile.gettempdir()) / "meddl-pictures"))
    head = _head_with_weights()
    for state, picture in _pictures(head):
        _save(picture, folder / f"panel-{state}.png")


def _head_with_weights() -> Any:
    from MedDLLogic.io.read import read_image
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.samples import find_sample, get_sample
    from MedDLLogic.models.store import get_weights, missing_weights

    get_weights(missing_weights(find_card(MODEL)))
    return read_image(get_sample(find_sample("head-t1"))).image


def _pictures(head: Any) -> Iterator[tuple[str, Any]]:
    """Name and picture of each state; the one before the run comes last, when this machine knows how long it takes."""
    from MedDLLogic.scene.volumes import push_volume

    from .conftest import use_python
    from .hands import choose, press, segmentations, wait_for_end

    with _open_panel() as panel:
        yield "empty", _grab(panel)
        panel.child("environmentButton").collapsed = False
        page = panel.widget._panel._pages._environment
        panel.wait_until(lambda: not page.is_busy, seconds=120)
        yield "environment", _grab(panel)
        panel.child("environmentButton").collapsed = True
        use_python(panel, sys.executable)
        panel.child("inputSelector").setCurrentNode(push_volume(panel.slicer.mrmlScene, head, "T1 head"))
        choose(panel, MODEL)
        panel.widget.enter()
        press(panel, "applyButton")
        panel.wait_until(lambda: panel.child("progressBar").value > 40, seconds=600)
        yield "running", _grab(panel)
        wait_for_end(panel, seconds=600)
        yield "results", _grab(panel)
        for node in segmentations(panel):
            panel.slicer.mrmlScene.RemoveNode(node)
        press(panel, "cardButton")
        choose(panel, "brain-t1")
        choose(panel, MODEL)
        yield "ready", _grab(panel)
        press(panel, "cardButton")
        use_python(panel, "/nowhere/python")
        press(panel, "applyButton")
        yield "error", _grab(panel)


@contextmanager
def _open_panel() -> Iterator[Any]:
    from .application import open_panel

    with tempfile.TemporaryDirectory() as settings, open_panel(Path(settings)) as panel:
        yield panel


def _grab(panel: Any) -> Any:
    """The panel as high as it wants to be, twice as sharp as a plain screen."""
    from PySide6 import QtGui

    window = panel.frame
    window.show()
    for _ in range(10):
        panel.slicer.app.processEvents()
        window.resize(WIDTH, max(window.layout().totalHeightForWidth(WIDTH), window.sizeHint().height()))
    picture = QtGui.QImage(window.size() * SHARPNESS, QtGui.QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(SHARPNESS)
    picture.fill(window.palette().window().color())
    window.render(picture)
    return picture


def _save(picture: Any, path: Path) -> None:
    """With a palette of its own, which makes such a picture small."""
    from PIL import Image

    whole = Image.frombytes("RGB", (picture.width(), picture.height()), bytes(picture.constBits()), "raw", "BGRX")
    whole.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

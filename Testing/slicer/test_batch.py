"""The script for a Slicer without windows, run as Slicer runs it, on the real scene."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import read_scene, read_segmentation_file
from MedDLLogic.scene.segmentations import voxel_counts

from .application import Application
from .conftest import EXTENSION
from .test_module import write_ball

QuickWorker = Callable[[str], str]
SCRIPT = EXTENSION / "MedDLLib" / "segment_in_slicer.py"


@pytest.fixture
def image(application: Application, tmp_path: Path) -> Path:
    folder = tmp_path / "Bilder mit Leerzeichen ü"
    folder.mkdir()
    write_ball(application, folder / "ball.nrrd")
    return folder / "ball.nrrd"


@pytest.fixture
def batch(application: Application, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``batch("--", "in.nrrd", ...)``: the exit status of the application."""

    def run(*arguments: Any) -> int:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        status: int = application.slicer.app.status
        return status

    return run


def test_the_segmentation_is_written(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, image: Path, capsys: Any
) -> None:
    quick_worker("finish")
    output = image.with_name("ball.seg.nrrd")
    assert batch("--", image, output, "--model", listed_model) == 0
    assert voxel_counts(read_segmentation_file(new_scene(), output)) == {"box": 20 * 22 * 12, "rest": 0}
    assert "box\t12.2 ml" in capsys.readouterr().out.lower()


def test_the_whole_scene_is_written(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, image: Path
) -> None:
    quick_worker("finish")
    assert batch(image, image.with_name("scene.mrb"), "--model", listed_model) == 0
    scene = new_scene()
    read_scene(scene, image.with_name("scene.mrb"))
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode").GetSegmentation().GetNumberOfSegments() == 2


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 2),
        (("in.nrrd", "out.txt", "--model", "brain-t1"), 2),
        (("in.nrrd", "out.mrb", "--model", "brain-t1", "--device", "toaster"), 2),
        (("nowhere.nrrd", "out.mrb", "--model", "brain-t1"), 3),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_status(
    batch: Callable[..., int], arguments: tuple[str, ...], status: int, capsys: Any
) -> None:
    assert batch(*arguments) == status
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_model_that_nobody_knows_has_its_exit_status(batch: Callable[..., int], image: Path) -> None:
    assert batch(image, image.with_name("o.mrb"), "--model", "nobody-knows") == 4


@pytest.mark.parametrize(("behavior", "status"), [("refuse", 3), ("crash", 6)])
def test_a_failed_run_writes_nothing(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, image: Path, behavior: str, status: int
) -> None:
    quick_worker(behavior)
    assert batch(image, image.with_name("o.seg.nrrd"), "--model", listed_model) == status
    assert [path.name for path in image.parent.iterdir()] == ["ball.nrrd"]


def test_a_file_that_is_not_what_its_name_says_never_meets_slicers_readers(
    batch: Callable[..., int], image: Path, capsys: Any
) -> None:
    image.write_bytes(b"\x00" * 4000)
    assert batch(image, image.with_name("o.mrb"), "--model", "brain-t1") == 3
    assert "MEDDL-E302" in capsys.readouterr().err


def test_a_defect_still_ends_slicer(batch: Callable[..., int], image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MedDLLib.batch", None)
    assert batch(image, "o.mrb", "--model", "brain-t1") == 70


def test_the_help_is_shown_and_is_no_defect(batch: Callable[..., int], application: Application, capsys: Any) -> None:
    assert batch("--", "--help") == 0
    assert "--model" in capsys.readouterr().out

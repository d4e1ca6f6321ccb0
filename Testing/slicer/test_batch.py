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
from MedDLLogic.scene.segments import voxel_counts

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
    assert "box\t12.2 ml\t41.5 a.u." in capsys.readouterr().out.lower()


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
        (("in.nrrd", "out.mrb", "--model", "brain-t1", "--quality", "best"), 2),
        (("a.nrrd", "b.nrrd", "out.mrb", "--model", "brain-t1"), 2),
        (("nowhere.nrrd", "out.mrb", "--model", "brain-t1"), 3),
        (("nowhere.nrrd", "folder", "--model", "brain-t1"), 3),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_status(
    batch: Callable[..., int], arguments: tuple[str, ...], status: int, capsys: Any
) -> None:
    assert batch(*arguments) == status
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def images(application: Application, image: Path) -> list[Path]:
    """Three different images, the second of which no reader can read."""
    paths = [image, image.with_name("Doe-John.nrrd"), image.with_name("third.nrrd")]
    paths[1].write_bytes(b"NRRD0004\ntype: nonsense\n\n")
    write_ball(application, paths[2], radius_mm=5.0)
    return paths


def test_several_images_go_into_a_folder_and_a_bad_one_stops_nobody(
    batch: Callable[..., int],
    listed_model: str,
    quick_worker: QuickWorker,
    images: list[Path],
    tmp_path: Path,
    capsys: Any,
) -> None:
    quick_worker("finish")
    assert batch(*images, tmp_path / "out", "--model", listed_model) == 7
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len([name for name in written if name.endswith(".seg.nrrd")]) == 2
    assert "1 of 3 cases failed" in capsys.readouterr().err.splitlines()[-1]


def test_no_name_or_line_tells_what_the_images_are_called_but_the_private_table(
    batch: Callable[..., int],
    listed_model: str,
    quick_worker: QuickWorker,
    images: list[Path],
    tmp_path: Path,
    capsys: Any,
) -> None:
    quick_worker("finish")
    batch(*images, tmp_path / "out", "--model", listed_model)
    told = capsys.readouterr()
    assert "Doe" not in told.out + told.err + " ".join(path.name for path in (tmp_path / "out").iterdir())
    assert "Doe-John.nrrd" in (tmp_path / "out" / "index.private.csv").read_text(encoding="utf-8")


def test_all_cases_run_in_one_worker(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, images: list[Path], tmp_path: Path
) -> None:
    program = Path(quick_worker("finish"))
    program.write_text(program.read_text().replace("exec", f'echo once >> "{tmp_path}/starts"\nexec'))
    assert batch(images[0], images[2], tmp_path / "out", "--model", listed_model) == 0
    assert (tmp_path / "starts").read_text().split() == ["once"]


def test_results_that_are_there_are_kept_unless_told_otherwise(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, image: Path, tmp_path: Path
) -> None:
    quick_worker("finish")
    asked = (image, tmp_path / "out", "--model", listed_model)
    assert [batch(*asked), batch(*asked), batch(*asked, "--replace")] == [0, 5, 0]


@pytest.mark.parametrize("application", [{"main_window": False}, {"testing": True}], indirect=True)
def test_no_dialog_is_opened_without_a_window_or_under_test(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, image: Path, application: Application
) -> None:
    quick_worker("finish")
    assert batch(image, image.with_name("o.seg.nrrd"), "--model", listed_model) == 0
    assert application.dialogs.unexpected == []


def test_the_scene_is_as_before_afterwards(
    batch: Callable[..., int], listed_model: str, quick_worker: QuickWorker, image: Path, application: Application
) -> None:
    quick_worker("finish")
    batch(image, image.with_name("o.seg.nrrd"), "--model", listed_model)
    scene = application.slicer.mrmlScene
    assert [
        n
        for n in ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLTableNode")
        if scene.GetNumberOfNodesByClass(n)
    ] == []


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

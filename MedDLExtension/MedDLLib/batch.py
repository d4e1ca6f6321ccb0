"""What ``segment_in_slicer.py`` does: an image file into the scene, the same run as in the panel, the result into a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from . import bootstrap

bootstrap.use_library()

import slicer  # noqa: E402 - the library must be found first

from MedDLLogic.errors import MedDLError  # noqa: E402
from MedDLLogic.events import Event, Progress, Warned  # noqa: E402
from MedDLLogic.io.guard.dispatch import is_volume_name, judge  # noqa: E402
from MedDLLogic.io.write import write_atomically  # noqa: E402
from MedDLLogic.scene.files import SCENE_SUFFIX, SEGMENTATION_SUFFIX, write_scene, write_segmentation  # noqa: E402

from .backstage import Backstage  # noqa: E402
from .parameters import DEVICES  # noqa: E402


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise MedDLError("E101", "", message)


def main(arguments: list[str]) -> int:
    """Exit status of a run with these arguments; what a user can mend is one line on stderr."""
    try:
        _run(_parsed(arguments))
    except MedDLError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="segment_in_slicer.py", description="Run a MedDL model on an image file.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help=f"ends in {SEGMENTATION_SUFFIX} or {SCENE_SUFFIX}")
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", default="auto", choices=DEVICES)
    chosen = parser.parse_args(
        [argument for argument in arguments if argument != "--"]
    )  # Slicer passes its own mark on
    if not chosen.output.name.endswith((SEGMENTATION_SUFFIX, SCENE_SUFFIX)):
        raise MedDLError("E101", "output not usable", f"it must end in {SEGMENTATION_SUFFIX} or {SCENE_SUFFIX}")
    return chosen


def _run(chosen: argparse.Namespace) -> None:
    volume = _load(chosen.input)
    outcome = Backstage().segment(volume, chosen.model, device=chosen.device, on_event=_show)
    _save(outcome.segmentation, chosen.output)
    for warning in outcome.warnings:
        sys.stderr.write(f"{warning}\n")
    for row in outcome.rows:
        sys.stdout.write(f"{row.name}\t{row.value}\n")


def _load(path: Path) -> Any:
    if not path.is_file():
        raise MedDLError("E301", "input not found")
    if is_volume_name(path):
        judge(path)  # before any C++ of Slicer meets the file
    try:
        return slicer.util.loadVolume(str(path.resolve()), {"show": False})
    except RuntimeError as exc:
        raise MedDLError("E301", "Slicer cannot read the input") from exc


def _save(segmentation: Any, path: Path) -> None:
    if path.name.endswith(SCENE_SUFFIX):
        write_atomically(path, lambda partial: write_scene(slicer.mrmlScene, partial), _is_verified)
    else:
        write_atomically(path, lambda partial: write_segmentation(segmentation, partial), _is_verified)


def _is_verified(partial: Path) -> None:
    """The scene's writers read each file back themselves."""


def _show(event: Event) -> None:
    if isinstance(event, Progress):
        sys.stdout.write(f"{event.stage}: {100 * event.fraction:.0f} %\n")
    elif isinstance(event, Warned):
        sys.stderr.write(f"{event.message}\n")

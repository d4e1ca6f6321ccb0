"""What ``segment_in_slicer.py`` does: image files into the scene, the same runs as in the panel, the results into files."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, get_args

from . import bootstrap

bootstrap.use_library()

import slicer  # noqa: E402 - the library must be found first

from MedDLLogic.disk import disk_errors  # noqa: E402
from MedDLLogic.errors import MedDLError  # noqa: E402
from MedDLLogic.io.guard.dispatch import is_volume_name, judge  # noqa: E402
from MedDLLogic.io.write import describe, write_atomically  # noqa: E402
from MedDLLogic.job import Computing, InputRef, Precision, Quality  # noqa: E402
from MedDLLogic.jobs.case_index import Case, require_distinct, short_ids, write_index  # noqa: E402
from MedDLLogic.models.registry import find_card  # noqa: E402
from MedDLLogic.scene.files import SCENE_SUFFIX, SEGMENTATION_SUFFIX, write_scene, write_segmentation  # noqa: E402

from .backstage import Backstage  # noqa: E402
from .run_state import Outcome, RunState, Wish  # noqa: E402

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise MedDLError("E101", "", message)


def main(arguments: list[str]) -> int:
    """Exit status of a run with these arguments; what a user can mend is one line on stderr."""
    backstage = Backstage()
    try:
        _run(backstage, _parsed(arguments))
    except MedDLError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    finally:
        backstage.close()
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="segment_in_slicer.py", description="Run a MedDL model on image files.")
    parser.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="an image file that Slicer reads")
    parser.add_argument(
        "output",
        type=Path,
        metavar="OUTPUT",
        help=f"for one input a file that ends in {SEGMENTATION_SUFFIX} or {SCENE_SUFFIX}; else a folder",
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", default="auto", type=_device, help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--quality", default="standard", choices=get_args(Quality))
    parser.add_argument("--precision", default="auto", choices=get_args(Precision))
    parser.add_argument(
        "--mirror", action="store_true", help="average over mirrored patches, where the model allows it"
    )
    parser.add_argument("--replace", action="store_true", help="write over results that are in the folder")
    chosen = parser.parse_args(
        [argument for argument in arguments if argument != "--"]
    )  # Slicer passes its own mark on
    if _is_file_name(chosen.output) and len(chosen.inputs) > 1:
        raise MedDLError("E101", "several inputs need a folder as output")
    if chosen.output.suffix and not _is_file_name(chosen.output):
        raise MedDLError("E101", "output not usable", f"it must end in {SEGMENTATION_SUFFIX} or {SCENE_SUFFIX}")
    return chosen


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"no device: {text[:20]}")
    return text


def _is_file_name(path: Path) -> bool:
    return path.name.endswith((SEGMENTATION_SUFFIX, SCENE_SUFFIX))


def _run(backstage: Backstage, chosen: argparse.Namespace) -> None:
    roles = find_card(chosen.model).card.roles
    if _is_file_name(chosen.output):
        with _segmented(backstage, chosen, {roles[0]: chosen.inputs[0]}) as outcome:
            _save(_node(outcome.segmentation_id), chosen.output)
            _show_outcome(outcome)
    else:
        _run_all(backstage, chosen, roles[0])


def _run_all(backstage: Backstage, chosen: argparse.Namespace, role: str) -> None:
    """Each input by itself, one after the other in one warm worker; a failed one does not stop the others."""
    cases = _cases(chosen.inputs, role)
    with disk_errors():
        chosen.output.mkdir(parents=True, exist_ok=True)
    write_index(chosen.output, cases)
    failures = [error for case in cases if (error := _try_case(backstage, chosen, case)) is not None]
    if len(failures) == 1 == len(cases):
        raise failures[0]
    for error in failures:
        sys.stderr.write(f"{error}\n")
    if failures:
        raise MedDLError("E605", f"{len(failures)} of {len(cases)} cases failed")


def _cases(paths: Sequence[Path], role: str) -> tuple[Case, ...]:
    """A case a file, its id from the file's content: no name that is written may hold a patient's."""
    with disk_errors():
        digests = {n: describe(path).sha256 for n, path in enumerate(paths) if _existing(path)}
    ids = [short_ids(digests)[n] for n in range(len(paths))]
    require_distinct(ids)
    return tuple(
        Case(case_id, {role: InputRef(str(path.absolute()))}) for case_id, path in zip(ids, paths, strict=True)
    )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise MedDLError("E301", "input not found", "", "name image files")
    return path


def _try_case(backstage: Backstage, chosen: argparse.Namespace, case: Case) -> MedDLError | None:
    """Why the case failed."""
    target = chosen.output / f"{case.id}{SEGMENTATION_SUFFIX}"
    if target.exists() and not chosen.replace:
        return MedDLError("E503", case.id, "its result is there already", "say --replace to write over it")
    try:
        files = {role: Path(ref.path) for role, ref in case.inputs.items()}
        with _segmented(backstage, chosen, files) as outcome:
            _save(_node(outcome.segmentation_id), target)
            _show_outcome(outcome, case.id)
    except MedDLError as error:
        return MedDLError(error.code, case.id, error.what, error.why or error.hint)
    return None


@contextmanager
def _segmented(backstage: Backstage, chosen: argparse.Namespace, files: Mapping[str, Path]) -> Iterator[Outcome]:
    """What a run on these files left in the scene, which is as before after the ``with`` block."""
    nodes: list[Any] = []
    try:
        for path in files.values():
            nodes.append(_load(path))  # noqa: PERF401 - those before a file that fails are removed too
        computing = Computing(chosen.device, chosen.quality, chosen.precision, mirroring=chosen.mirror)
        wish = Wish(chosen.model, dict(zip(files, nodes, strict=True)), computing=computing)
        outcome = backstage.segment(wish, _narrator())
        nodes += [_node(outcome.segmentation_id), _node(outcome.table_id)]
        yield outcome
    finally:
        for node in nodes:
            slicer.mrmlScene.RemoveNode(node)


def _load(path: Path) -> Any:
    if not path.is_file():
        raise MedDLError("E301", "input not found")
    if is_volume_name(path):
        judge(path)  # before any C++ of Slicer meets the file
    try:
        return slicer.util.loadVolume(str(path.resolve()), {"show": False})
    except RuntimeError as exc:
        raise MedDLError("E301", "Slicer cannot read the input") from exc


def _node(node_id: str) -> Any:
    return slicer.mrmlScene.GetNodeByID(node_id)


def _save(segmentation: Any, path: Path) -> None:
    if path.name.endswith(SCENE_SUFFIX):
        write_atomically(path, lambda partial: write_scene(slicer.mrmlScene, partial), _is_verified)
    else:
        write_atomically(path, lambda partial: write_segmentation(segmentation, partial), _is_verified)


def _is_verified(partial: Path) -> None:
    """The scene's writers read each file back themselves."""


def _narrator() -> Callable[[RunState], None]:
    """Tells each stage and each whole percent once, and each warning."""
    told: set[str] = set()

    def tell(state: RunState) -> None:
        if state.fraction is not None and state.stage:
            _once(f"{state.stage}: {100 * state.fraction:.0f} %", sys.stdout)
        for warning in state.warnings:
            _once(warning, sys.stderr)

    def _once(line: str, stream: Any) -> None:
        if line not in told:
            told.add(line)
            stream.write(f"{line}\n")

    return tell


def _show_outcome(outcome: Outcome, case: str = "") -> None:
    """One line a segment: its case where there are several, name, volume, mean intensity."""
    for row in outcome.rows:
        volume = "" if row.volume_ml is None else f"{row.volume_ml:.1f} ml"
        mean = "" if row.mean is None else f"{row.mean:.1f} {row.mean_unit}"
        sys.stdout.write("\t".join(filter(None, (case, row.name, volume, mean))) + "\n")

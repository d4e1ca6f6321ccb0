"""``meddl bench``: this machine's engines against each other, and against the tools that others use."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import bench
from ..bench.chart import write_chart
from ..bench.contest import Contender, Figures, Task, contest
from ..bench.prepare import prepared
from ..errors import MedDLError
from ..events import Reporter
from ..io.write import write_text
from ..jobs.signals import cancelled_by_signals
from ..models.registry import find_card
from ..models.store import require_ready
from ..records import to_json, to_json_text
from .terminal import Terminal, size_text

MODULES = {"monai": "MedDLLogic.bench.monai_way", "meddl": "MedDLLogic.bench.our_way"}
PRECISIONS = ("exact", "fast")
MONAIS, NNUNETS = ("regular", "gaussian_floored"), ("even", "gaussian_on_voxel")


@dataclass(frozen=True)
class BenchChoices:
    """The options of ``meddl bench``."""

    model: str
    image: Path
    rounds: int
    threads: int
    overlap: float | None
    nnunet_python: Path | None
    nnunet_folder: Path | None
    output: Path | None


def run_bench(terminal: Terminal, choices: BenchChoices) -> None:
    """Let all do the same work in turns and show what each took.

    Raises
    ------
    MedDLError : E101 for a model that is not one network in patches, E3xx, E4xx for image and model, E603 when a program
        fails, E602 when cancelled.
    """
    if (choices.nnunet_python is None) != (choices.nnunet_folder is None):
        raise MedDLError("E101", "nnU-Net needs both its Python and its results folder")
    found = find_card(choices.model)
    require_ready(found)
    with tempfile.TemporaryDirectory(prefix="meddl-bench-") as name:
        folder = Path(name)
        card, voxels, tiling = prepared(found, choices.image, folder)
        if tiling.patch_kji is None:
            raise MedDLError("E101", "this model takes the whole volume at once", "", "take one that runs in patches")
        overlap = tiling.overlap if choices.overlap is None else choices.overlap
        # The same windows and weights as the one to be compared with has.
        placement, blend = MONAIS if choices.nnunet_python is None else NNUNETS
        task = Task(
            str(voxels), str(card), str(choices.nnunet_folder or ""), str(folder), tiling.patch_kji, overlap, placement, blend,
            choices.threads,
        )  # fmt: skip
        contenders = _contenders(choices)
        with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
            reporter = Reporter(found.card.name, emit, is_cancelled, {"bench": 1.0})
            with reporter.stage("bench"):
                figures = contest(contenders, task, rounds=choices.rounds, on_round=reporter.update)
        shape_kji = np.load(voxels, mmap_mode="r").shape[1:]
    _show(terminal, figures, task, shape_kji)
    if choices.output is not None:
        _write(choices.output, found.card.name, figures, task, shape_kji)


def _contenders(choices: BenchChoices) -> list[Contender]:
    ours = (sys.executable, "-m", MODULES["meddl"])
    if choices.nnunet_python is None:
        other = Contender("MONAI", (sys.executable, "-m", MODULES["monai"]))
    else:
        program = Path(bench.__file__).with_name("nnunet_way.py")
        other = Contender("nnU-Net", (str(choices.nnunet_python), str(program)))
    return [other, *(Contender(f"MedDL {precision}", (*ours, precision)) for precision in PRECISIONS)]


def _show(terminal: Terminal, figures: Sequence[Figures], task: Task, shape_kji: Sequence[int]) -> None:
    first = figures[0]
    rows = [
        [
            one.name,
            f"{one.median_wall_s:.2f} s",
            f"{first.median_wall_s / one.median_wall_s:.2f} x",
            f"{one.median_cpu_s:.2f} s",
            size_text(one.peak_bytes),
            f"{one.peak_bytes / first.peak_bytes:.2f} x",
            one.windows,
            f"{min(one.dice, default=1.0):.4f}",
        ]
        for one in figures
    ]
    heads = ["", "wall (median)", "faster", "processor", "memory", "of it", "windows", f"Dice to {first.name}"]
    terminal.table("", heads, rows)
    sizes = " x ".join(map(str, reversed(list(shape_kji))))
    patch = " x ".join(map(str, reversed(task.patch_kji)))
    terminal.say(f"{sizes} voxels, patches of {patch}, overlap {task.overlap:g}, {task.threads} threads, in turns.")
    terminal.data({"task": to_json(task), "figures": [to_json(one) for one in figures]})


def _write(folder: Path, model: str, figures: Sequence[Figures], task: Task, shape_kji: Sequence[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{model}: {'x'.join(map(str, shape_kji))}, overlap {task.overlap:g}, {task.threads} threads"
    ours = frozenset(one.name for one in figures if one.name.startswith("MedDL"))
    write_chart(folder / "bench.png", figures, title, ours)
    write_text(folder / "bench.json", to_json_text([to_json(one) for one in figures]))

"""Kills and full disks: nothing half done stands under a final name, and the next run ends as if nothing had been."""

from __future__ import annotations

import random
import tempfile
from functools import partial
from pathlib import Path

from MedDLLogic.errors import MedDLError
from Testing.acceptance.row import Outcome, Row
from Testing.faults import rig, small_batch
from Testing.faults.products import SCENE_WRITERS, WRITERS, Write

BATCH_DISKS_KIB = (4, 16, 40, 64, 96)


def kills(count: int) -> Outcome:
    """Kill the small batch at that many random moments."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = small_batch.make_inputs(folder / "in")
        undisturbed = rig.Undisturbed(partial(small_batch.argv, inputs), inputs, folder / "undisturbed")
        moments = [random.Random(seed).uniform(0.1, undisturbed.duration_s) for seed in range(count)]
        running = [rig.kill_at(undisturbed.argv(folder / str(n)), at_s) for n, at_s in enumerate(moments)]
        faulty = [n for n in range(count) if undisturbed.faults_after(folder / str(n))]
    figure = f"{count} kills, {sum(running)} of them while it ran, {len(faulty)} with a trace"
    return Outcome(figure, passed=not faulty and sum(running) >= count // 2)


def full_disks(parts: tuple[float, ...]) -> Outcome:
    """Write each kind of file onto disks of these parts of its size, and a batch onto small disks."""
    if not rig.can_mount():
        return Outcome("not measured: only an administrator of Linux can mount a small disk", passed=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writers = enumerate((WRITERS | SCENE_WRITERS).values())
        files = [_tells_full(write, folder / f"{n}", part) for n, write in writers for part in parts]
        inputs = small_batch.make_inputs(folder / "in")
        batches = [_batch_tells_full(inputs, folder / f"disk {size}", size) for size in BATCH_DISKS_KIB]
    figure = (
        f"E501 and no partial file in {sum(files)} of {len(files)} writes and {sum(batches)} of {len(batches)} batches"
    )
    return Outcome(figure, passed=all(files) and all(batches))


def _tells_full(write: Write, folder: Path, part: float) -> bool:
    whole = folder / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    write(whole)
    size_kib = sum(path.stat().st_size for path in whole.iterdir()) // 1024
    with rig.small_disk(folder / f"disk {part}", max(4, int(size_kib * part))) as disk:
        if part == 0:
            rig.fill(disk)
        before = sorted(disk.rglob("*"))
        try:
            write(disk)
        except MedDLError as exc:
            return exc.code == "E501" and sorted(disk.rglob("*")) == before
    return False


def _batch_tells_full(inputs: Path, folder: Path, size_kib: int) -> bool:
    with rig.small_disk(folder, size_kib) as disk:
        run = rig.run_until_done(small_batch.argv(inputs, disk / "out"))
        is_one_line = run.stderr.startswith("MEDDL-E501:") and run.stderr.count("\n") == 1
        clean = not (disk / "out").exists() or not (rig.unknown_finals(disk / "out") or rig.strays(disk / "out"))
    return run.returncode == 5 and is_one_line and clean


ROWS = (
    Row(
        "kill",
        "kill -9 at random moments of a 6-case batch, then run again",
        "no partial file under a final name, inputs untouched, outputs identical to an undisturbed run",
        run_small=partial(kills, 4),
        run_full=partial(kills, 40),
    ),
    Row(
        "disk-full",
        "output folder on a full small disk, each kind of file and a batch",
        "one line, E501, no partial file",
        run_small=partial(full_disks, (0.0, 0.5)),
        run_full=partial(full_disks, (0.0, 0.01, 0.25, 0.5, 0.9, 0.99)),
    ),
)

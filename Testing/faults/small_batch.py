"""A batch of the real machinery with a tiny task, to be killed: ``python -m Testing.faults.small_batch IN OUT``.

``--kill-before EVENT N`` ends the process, as kill -9 does, right before the N-th such event of the interpreter
(``os.rename``, ``os.mkdir``, ...).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Emit, Failed
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.io.read import read_image
from MedDLLogic.io.write import write_csv, write_text
from MedDLLogic.io.write_picture import write_picture
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.job import Job
from MedDLLogic.jobs.batch import CaseOutcome, run_batch
from MedDLLogic.jobs.cases import find_cases
from MedDLLogic.jobs.signals import cancelled_by_signals
from MedDLLogic.recipe import Recipe

SHAPE_KJI = (32, 40, 48)
PAUSE_S = 0.01


def bright_part(job: Job, _emit: Emit) -> CaseOutcome:
    """A mask of the bright half, its volume, a picture and a note, with a rest after each."""
    image = read_image(job.inputs["image"].path).image
    mask = (image.voxels > image.voxels.mean()).astype(np.uint8)
    folder = Path(job.output.folder)
    outputs = {}
    for product, write in {
        "volume": lambda: write_volume(folder / "mask.nii.gz", replace(image, voxels=mask)),
        "measurements": lambda: write_csv(folder / "measurements.csv", [["voxels"], [int(mask.sum())]]),
        "overview": lambda: write_picture(folder / "overview.png", mask[0, mask.shape[1] // 2] * 255),
        "note": lambda: write_text(folder / "note.txt", f"{job.case}\n"),
    }.items():
        outputs[product] = write()
        time.sleep(PAUSE_S)
    return CaseOutcome(outputs, {"MedDL": "test"})


def kill_before(event: str, number: int) -> None:
    """Have the process end like by kill -9 right before the N-th ``event``."""
    seen = count(1)

    def hook(name: str, _arguments: tuple[object, ...]) -> None:
        if name == event and next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def make_inputs(folder: Path) -> Path:
    """Six noisy volumes in a folder that is made; returns the folder."""
    folder.mkdir(parents=True)
    for number in range(6):
        voxels = np.random.default_rng(number).integers(0, 1000, (1, *SHAPE_KJI)).astype(np.int16)
        write_volume(folder / f"Jane Doe {number}.nii.gz", Image(voxels, Geometry(SHAPE_KJI, np.eye(4))))
    return folder


def argv(inputs: Path, output: Path, *fault: str) -> list[str]:
    """The command that runs this module on them."""
    return [sys.executable, "-m", "Testing.faults.small_batch", str(inputs), str(output), *fault]


def main(source: str, output: str, *fault: str) -> int:
    """Exit status of the batch; its failures go to stderr, one line each."""
    if fault:
        kill_before(fault[1], int(fault[2]))
    try:
        cases = find_cases([source], ["image"])
        jobs = [Job("preprocess", case.inputs, case.id, recipe=Recipe(())) for case in cases]
        with cancelled_by_signals() as is_cancelled:
            summary = run_batch(jobs, bright_part, Path(output), existing="skip", emit=tell, is_cancelled=is_cancelled)
        summary.require_complete()
    except MedDLError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_status
    return 0


def tell(event: object) -> None:
    """A line for each case that failed; what ends the whole batch is told at its end."""
    if isinstance(event, Failed) and event.code not in ("E501", "E503"):
        sys.stderr.write(f"{event.message}\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

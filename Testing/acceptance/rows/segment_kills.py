"""kill -9 in the middle of `meddl segment`, with a tiny network and with a real model, then the same command again."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from Testing.acceptance.row import Outcome, Row
from Testing.faults import rig

CASES = 6


def _tiny(count: int) -> Outcome:
    """Kill a batch of small volumes, a MONAI U-Net of some hundred weights, at that many random moments."""
    from MedDLLogic.io.write_volume import write_volume
    from Testing.small_models import ball, make_unet_card

    with tempfile.TemporaryDirectory() as name:
        folder, inputs = Path(name), Path(name, "in")
        inputs.mkdir()
        rows = ["case,first,second"]
        for number in range(CASES):
            write_volume(inputs / f"{number}.nii.gz", ball(radius_mm=4.0 + number)[0])
            rows.append(f"case-{number},{number}.nii.gz,{(number + 1) % CASES}.nii.gz")
        (inputs / "cases.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        card = make_unet_card(inputs)
        return _killed(partial(_argv, str(inputs / "cases.csv"), str(card)), inputs, folder, count)


def _real(count: int) -> Outcome:
    """Kill the brain extraction of the demo head."""
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.samples import find_sample, get_sample
    from MedDLLogic.models.store import get_weights, missing_weights

    get_weights(missing_weights(find_card("brain-t1")))
    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name, "in")
        inputs.mkdir()
        head = inputs / "head.nii.gz"
        shutil.copy(get_sample(find_sample("head-t1")), head)
        return _killed(partial(_argv, str(head), "brain-t1"), inputs, Path(name), count)


def _killed(argv, inputs: Path, folder: Path, count: int) -> Outcome:
    undisturbed = rig.Undisturbed(argv, inputs, folder / "undisturbed")
    latest_s = 0.9 * undisturbed.duration_s
    moments = [random.Random(seed).uniform(0.2, latest_s) for seed in range(count)]
    running = [rig.kill_at(argv(folder / str(n)), at_s) for n, at_s in enumerate(moments)]
    faults = [fault for n in range(count) for fault in undisturbed.faults_after(folder / str(n))]
    figure = f"{count} kills, {sum(running)} while it ran, {len(faults)} traces{': ' + faults[0] if faults else ''}"
    return Outcome(figure, passed=not faults and sum(running) >= max(1, count // 2))


def _argv(source: str, model: str, output: Path) -> Sequence[str]:
    return [sys.executable, "-m", "MedDLLogic.cli", "segment", source, "-m", model, "-o", str(output)]


_TARGET = "no partial file under a final name, inputs untouched, outputs identical to an undisturbed run"
ROWS = (
    Row(
        "kill-segment",
        "kill -9 at random moments of a 6-case `meddl segment`, run again",
        _TARGET,
        partial(_tiny, 2),
        partial(_tiny, 40),
    ),
    Row(
        "kill-real-model",
        "kill -9 during brain extraction of the demo head, run again",
        _TARGET,
        partial(_real, 1),
        partial(_real, 1),
    ),
)

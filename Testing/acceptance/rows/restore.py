"""From activations to labels on the image's grid: how long that takes, and how much memory a large volume does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from Testing.acceptance.row import Outcome, Row

SMALL_RATIO, RATIOS = 5, {24: 30, 104: 20}
SMALL_WORKING_KJI, SMALL_NATIVE_KJI = (60, 80, 80), (100, 150, 150)
PEER_CHANNELS = 2
"""Of more classes than 24 the peer resamples so many, and its time is scaled up: all would take minutes and 33 GB."""


def _small() -> Outcome:
    from Testing.benchmarks.restore import drawn_labels, measure

    found = measure(drawn_labels(8, (30, 40, 40)), 8, SMALL_WORKING_KJI, SMALL_NATIVE_KJI, peer_channels=8, rounds=3)
    return Outcome(found.line, found.mismatches == 0 and found.ratio >= SMALL_RATIO)


def _full() -> Outcome:
    from Testing.benchmarks.restore import measure, real_labels

    figures = [
        measure(real_labels(classes), classes, peer_channels=classes if classes <= 24 else PEER_CHANNELS, rounds=3)
        for classes in RATIOS
    ]
    passed = all(found.mismatches == 0 and found.ratio >= RATIOS[found.classes] for found in figures)
    return Outcome("; ".join(found.line for found in figures), passed)


@dataclass(frozen=True)
class Case:
    """A volume, the grid on which its network works, and the most memory that all of it may take."""

    shape_kji: tuple[int, int, int]
    working_kji: tuple[int, int, int]
    patch_kji: tuple[int, int, int]
    channels: int
    limit_bytes: float


LARGE = Case((600, 512, 512), (400, 240, 240), (128, 128, 128), 104, 6e9)
# A tenth of each length has a thousandth of the voxels; what stays are the libraries.
LITTLE = Case((60, 52, 52), (40, 24, 24), (16, 16, 16), 104, 0.9e9)

_CHILD = """
import json, pathlib, sys
from MedDLLogic.cli import main
from MedDLLogic.models.registry import read_card
from MedDLLogic.models.store import trust
trust(stage.weights.sha256 for stage in read_card(pathlib.Path(sys.argv[1])).card.network_stages)
try:
    main(sys.argv[2:])
finally:
    lines = open("/proc/self/status").read().splitlines()
    print(json.dumps({"peak_kb": next(int(l.split()[1]) for l in lines if l.startswith("VmHWM"))}), file=sys.stderr)
"""


def large(case: Case) -> Outcome:
    """A file through ``meddl segment`` in a process of its own, as a user runs it, to files that are written."""
    if sys.platform != "linux":
        return Outcome("not measured: only Linux tells the peak of a program alone", passed=True)
    with tempfile.TemporaryDirectory() as folder:
        card, image = _card(Path(folder), case), _image(Path(folder), case)
        command = ["segment", str(image), "--model", str(card), "--device", "cpu", "--output", str(Path(folder, "out"))]
        peak_bytes = _peak_of([str(card), *command], Path(folder))
        record = json.loads(next(Path(folder, "out").rglob("run.json")).read_text())
    voxels = [found["value"] for found in record["measurements"] if found["quantity"] == "voxels"]
    (predicted,) = (step for step in record["provenance"]["steps"] if step["step"]["kind"] == "predict")
    k, j, i = case.shape_kji
    figure = (
        f"{i}x{j}x{k}, {case.channels} channels, {predicted['found']['tiles']} tiles, "
        f"{sum(count > 0 for count in voxels)} segments found: at most {peak_bytes / 1e9:.2f} GB"
    )
    is_whole = len(voxels) == case.channels - 1 and sum(voxels) > 0
    return Outcome(figure, is_whole and peak_bytes <= case.limit_bytes)


def _card(folder: Path, case: Case) -> Path:
    """A network that costs next to nothing: one convolution of one voxel, of random weights, to all channels."""
    import torch

    from Testing.small_models import card_json, input_json, local_weights, save_card, segment_json

    torch.manual_seed(0)
    weights = folder / "wide.ts"
    torch.jit.script(torch.nn.Conv3d(1, case.channels, 1)).save(str(weights))
    names = [f"part-{n}" for n in range(1, case.channels)]
    stage = {
        "kind": "network",
        "name": "find",
        "inputs": ["image"],
        "recipe": [{"kind": "resample_to_shape", "shape_kji": case.working_kji}, {"kind": "zscore"}],
        "network": {"format": "torchscript"},
        "weights": local_weights(weights),
        "tiling": {"patch_kji": case.patch_kji, "overlap": 0.5},
        "decode": {"rule": "argmax", "channels": ["", *names]},
    }
    segments = [segment_json(name, value) for value, name in enumerate(names, start=1)]
    card = card_json("wide", inputs=[input_json("image", "CT")], stages=[stage], segments=segments)
    return save_card(folder, card)


def _image(folder: Path, case: Case) -> Path:
    """A smooth CT, so that structures are larger than voxels, as in a patient."""
    from scipy.ndimage import zoom

    from MedDLLogic.geometry import Geometry
    from MedDLLogic.image import Image
    from MedDLLogic.io.write_volume import write_volume

    coarse = np.random.default_rng(0).normal(scale=300, size=tuple(n // 20 + 2 for n in case.shape_kji))
    k, j, i = case.shape_kji
    planes = zoom(coarse, [n / c for n, c in zip(case.shape_kji, coarse.shape, strict=True)], order=1, output=np.int16)
    image = Image(planes[None, :k, :j, :i], Geometry(case.shape_kji, np.diag([0.8, 0.8, 1.0, 1.0])), modality="CT")
    path = folder / "image.nrrd"
    write_volume(path, image)
    return path


def _peak_of(arguments: Sequence[str], folder: Path) -> int:
    command = [sys.executable, "-c", _CHILD, *arguments]
    home = os.environ | {"MEDDL_HOME": str(folder / "home")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=home)
    told = [line for line in done.stderr.splitlines() if line.startswith('{"peak_kb"')]
    if done.returncode or not told:
        raise RuntimeError(f"meddl segment ended with {done.returncode}: {done.stderr[-500:]}")
    return int(json.loads(told[-1])["peak_kb"]) * 1024


ROWS = (
    Row(
        "restore",
        "logits to labels, 273x273x200 to 512x512x300, against nnU-Net's way; the small form: 8 classes, 150x150x100",
        "CPU time 1/30 at 24 classes, 1/20 at 104 (small: 1/5), labels equal to trilinear + argmax",
        _small,
        _full,
        is_timed=True,
    ),
    Row(
        "large",
        "512x512x600 with 104 classes through meddl segment, from file to files",
        "at most 6 GB (small, with 1/1000 of the voxels: 0.9 GB)",
        lambda: large(LITTLE),
        lambda: large(LARGE),
    ),
)

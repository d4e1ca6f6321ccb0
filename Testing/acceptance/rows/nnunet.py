"""nnU-Net models through MedDL's loader: the same labels as nnU-Net gives, without nnU-Net."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from Testing.acceptance.row import Outcome, Row

PEER_PYTHON = "MEDDL_NNUNET_PYTHON"
"""Names a Python that has nnunetv2, which never enters MedDL's own environment."""

MIN_DICE = 0.999
_SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "nnunet"
_TRAINED = {
    "plain": [],
    "planes": ["--configuration", "2d", "--folds", "1"],
    "residual": ["--data", "phantom", "--planner", "nnUNetPlannerResEncM", "--folds", "1"],
    "CT with thick planes": ["--data", "phantom"],
    "regions": ["--data", "phantom", "--regions", "--folds", "1"],
}


def _small() -> Outcome:
    """Networks of a fixed seed in folders of the true layout, against nnU-Net's way written down plainly."""
    from Testing.models.imports.nnunet_cases import CASES, agreement

    with tempfile.TemporaryDirectory() as folder, _own_home(Path(folder)):
        found = {name: agreement(case, Path(folder) / name) for name, case in CASES.items()}
    return _outcome(found)


def _full() -> Outcome:
    """Models that nnU-Net itself trained and predicts with."""
    python, data = os.environ.get(PEER_PYTHON, ""), os.environ.get("MEDDL_DATA", "")
    if not python or not data:
        return Outcome(f"not measured: {PEER_PYTHON} and MEDDL_DATA are needed", passed=True)
    found = {}
    with tempfile.TemporaryDirectory() as folder, _own_home(Path(folder)):
        for name, options in _TRAINED.items():
            root = Path(folder) / name.replace(" ", "-")
            images = ["--images", str(Path(data, "mr", "msd_hippocampus"))]
            _run_peer(python, "train.py", root, *options, *images)
            for mirror in (False, True):
                found[f"{name}{' mirrored' if mirror else ''}"] = compare(python, root, mirror=mirror)
    return _outcome(found)


def compare(python: str, root: Path, *, mirror: bool) -> float:
    """Lowest Dice of a label over the cases that ``train.py`` kept back below ``root``."""
    (model,) = (root / "results").glob("*/*")
    out = root / f"peer{'-mirrored' if mirror else ''}"
    _run_peer(python, "predict.py", model, root / "cases", out, *(["--mirror"] if mirror else []))
    dice = [_case_dice(model, root / "cases", labels, mirror=mirror) for labels in sorted(out.glob("*.nii.gz"))]
    return min(dice)


def _case_dice(model: Path, cases: Path, labels: Path, *, mirror: bool) -> float:
    import MedDLLogic
    from MedDLLogic.io.read import read_image
    from MedDLLogic.models.imports.importing import name_from

    found = _kept(model, name_from(str(model.parents[2].name)))
    files = sorted(cases.glob(labels.name.replace(".nii.gz", "_*.nii.gz")))
    images = dict(zip(found.roles, files, strict=True))
    result = MedDLLogic.segment(images, model=found.name, precision="reference", backend="torch", mirroring=mirror)
    expected = read_image(labels).image.voxels[0]
    order = json.loads((model / "dataset.json").read_text(encoding="utf-8")).get("regions_class_order")
    values = order or [segment.value for segment in found.segments]
    own = np.zeros_like(expected)
    for value, segment in zip(values, found.segments, strict=True):  # where regions overlap the later one counts
        own[result.mask_of(segment.id)] = value
    if not set(values) <= set(np.unique(expected).tolist()):
        raise ValueError("nnU-Net misses a label in a case: trained too little for the comparison to say anything")
    return min(_dice(own == value, expected == value) for value in values)


def _kept(model: Path, name: str):
    """The model's card, added to the user's own ones on first use."""
    from MedDLLogic.errors import MedDLError
    from MedDLLogic.models.imports.importing import import_model
    from MedDLLogic.models.own import keep
    from MedDLLogic.models.registry import find_card

    try:
        return find_card(name).card
    except MedDLError:
        foreign = import_model(model, name)
        return keep(foreign.card, foreign.files).card


def _run_peer(python: str, script: str, *arguments: object) -> None:
    command = [python, str(_SCRIPTS / script), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""})


@contextmanager
def _own_home(folder: Path):
    before = os.environ.get("MEDDL_HOME")
    os.environ["MEDDL_HOME"] = str(folder / "home")
    try:
        yield
    finally:
        os.environ.pop("MEDDL_HOME")
        os.environ |= {"MEDDL_HOME": before} if before is not None else {}


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / max(1, np.count_nonzero(one) + np.count_nonzero(other)))


def _outcome(found: dict[str, float]) -> Outcome:
    figure = ", ".join(f"{name} {dice:.5f}" for name, dice in found.items())
    return Outcome(f"lowest Dice: {figure}", min(found.values()) >= MIN_DICE)


ROWS = (
    Row(
        "nnunet",
        "labels of nnU-Net v2 models through MedDL's loader against nnU-Net's own predictor (small: a plain program)",
        f"Dice >= {MIN_DICE} for every label",
        _small,
        _full,
    ),
)

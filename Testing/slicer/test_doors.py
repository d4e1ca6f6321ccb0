"""A model added by JSON and safetensors alone, two channels on different grids: the same voxels through every door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import MedDLLogic
from MedDLLogic.cli import run
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import read_segmentation_file
from MedDLLogic.scene.segmentations import read_segmentation
from MedDLLogic.scene.volumes import push_volume
from MedDLLogic.storage import models_folder
from Testing.small_models import ball, make_unet_card

from .application import Application

MODEL = "two-channels"
IMAGES = {"first": ball()[0], "second": ball(shape_kji=(30, 24, 18))[0]}


@pytest.fixture
def two_channel_model(application: Application) -> str:
    models_folder().mkdir(parents=True)
    make_unet_card(models_folder(), name=MODEL)
    return MODEL


@pytest.fixture
def expected(two_channel_model: str) -> Any:
    return MedDLLogic.segment(IMAGES, model=MODEL).layers[0]


def in_file(folder: Path) -> Any:
    path = next(folder.glob("*/*.seg.nrrd"))
    return read_segmentation(read_segmentation_file(new_scene(), path))[1][0]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {role: tmp_path / f"{role}.nrrd" for role in IMAGES}
    for role, path in paths.items():
        write_volume(path, IMAGES[role])
    return paths


def test_the_command_line_gives_it(expected: Any, files: dict[str, Path], tmp_path: Path) -> None:
    named = [f"{role}={path}" for role, path in files.items()]
    assert run(["segment", *named, "-m", MODEL, "-o", str(tmp_path / "out")]) == 0
    assert np.array_equal(in_file(tmp_path / "out"), expected)


def test_a_job_file_gives_it(expected: Any, files: dict[str, Path], tmp_path: Path) -> None:
    inputs = {role: {"path": path.name} for role, path in files.items()}
    job = {"task": "segment", "inputs": inputs, "card": {"name": MODEL}, "output": {"folder": "out"}}
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert run(["run", str(tmp_path / "job.json")]) == 0
    assert np.array_equal(in_file(tmp_path / "out"), expected)


def test_slicers_script_door_and_its_worker_give_it(
    expected: Any, worker_python: str, panel: Application, two_channel_model: str
) -> None:
    scene = panel.slicer.mrmlScene
    nodes = {role: push_volume(scene, image, role) for role, image in IMAGES.items()}
    node = panel.slicer.util.getModuleLogic("MedDL").segment(nodes, MODEL)
    assert np.array_equal(read_segmentation(node)[1][0], expected)

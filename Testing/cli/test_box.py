"""`meddl segment --box`: voxel indices in, voxels out."""

import json

import numpy as np
import pytest

from MedDLLogic.cli import run
from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.io.read import read_image
from MedDLLogic.io.write_volume import write_volume

SHAPE = (6, 24, 32)


@pytest.fixture
def image(tmp_path):
    """The file of a volume that is bright all over."""
    made = Image(np.ones((1, *SHAPE), dtype=np.float32), Geometry(SHAPE, np.diag([-1.0, -1.2, 2.0, 1.0])))
    path = tmp_path / "bright.nii.gz"
    write_volume(path, made)
    return path


def segment(card, folder, *arguments):
    return run(["segment", *map(str, arguments), "-m", str(card), "-o", str(folder), "--backend", "torch", "--json"])


def found(folder):
    """Label volume and measurements of the only case."""
    (case,) = [path for path in folder.iterdir() if path.is_dir()]
    return read_image(next(case.glob("*.seg.nrrd"))).image, (case / "measurements.csv").read_text(encoding="utf-8")


def refusal(card, capsys, *arguments):
    status = segment(card, "unused", *arguments)
    return status, capsys.readouterr().err


def test_the_box_goes_from_voxel_to_voxel_on_its_slices(box_card, image, tmp_path):
    assert segment(box_card, tmp_path / "out", image, "--box", "liver=20,9,4,3@2-3", "--box", "1,2,8,9@5") == 0
    labels, table = found(tmp_path / "out")
    assert [np.count_nonzero(labels.voxels[0][k]) for k in range(6)] == [0, 0, 17 * 7, 17 * 7, 0, 8 * 8]
    assert labels.voxels[0][2, 3:10, 4:21].all()
    assert "liver,Liver" in table and "object,Object" in table


@pytest.mark.parametrize("text", ["1,2,3@4", "1,2,3,4", "a b=1,2,3,4@5", "1,2,3,4@5-", "-1,2,3,4@5", "1.5,2,3,4@5"])
def test_what_is_no_box_is_refused_with_the_way_to_write_one(box_card, image, capsys, text):
    status, told = refusal(box_card, capsys, image, "--box", text)
    assert status == 2 and "MEDDL-E101" in told and "liver=120,80,260,210@45" in told


@pytest.mark.parametrize("text", ["0,0,32,9@2", "0,0,9,24@2", "0,0,9,9@6", "0,0,9,9@2-6"])
def test_a_box_outside_the_image_is_refused_with_its_size(box_card, image, capsys, text):
    status, told = refusal(box_card, capsys, image, "--box", text)
    assert status == 2 and "32 x 24 x 6" in told


def test_boxes_belong_to_one_image(box_card, image, capsys, tmp_path):
    other = tmp_path / "other.nii.gz"
    write_volume(other, Image(np.zeros((1, *SHAPE), dtype=np.float32), Geometry(SHAPE, np.eye(4))))
    status, told = refusal(box_card, capsys, image, other, "--box", "1,2,8,9@5")
    assert status == 2 and "boxes belong to one image" in told


def test_a_model_that_needs_a_box_says_so_before_any_case_begins(box_card, image, capsys):
    status, told = refusal(box_card, capsys, image)
    assert status == 2 and "needs a box" in told and "--box" in told


def test_a_model_that_takes_none_says_so_too(bright_card, image, capsys):
    status, told = refusal(bright_card, capsys, image, "--box", "1,2,8,9@5")
    assert status == 2 and "takes no boxes" in told


def test_a_plan_counts_slices(box_card, image, capsys):
    assert segment(box_card, "unused", image, "--box", "1,2,8,9@1-4", "--plan") == 0
    (case,) = json.loads(capsys.readouterr().out.splitlines()[-1])["cases"]
    assert case["plan"]["tiles"] == 4


def test_a_job_with_boxes_runs_from_its_file(box_card, image, tmp_path):
    assert segment(box_card, tmp_path / "out", image, "--box", "1,2,8,9@5") == 0
    record = json.loads(next((tmp_path / "out").glob("*/run.json")).read_text(encoding="utf-8"))
    job = record["job"] | {"inputs": {"image": {"path": image.name}}, "output": {"folder": "again"}}
    (tmp_path / "job.json").write_text(json.dumps(job | {"card": {"name": str(box_card)}}), encoding="utf-8")
    assert run(["run", str(tmp_path / "job.json")]) == 0
    assert np.array_equal(found(tmp_path / "again")[0].voxels, found(tmp_path / "out")[0].voxels)

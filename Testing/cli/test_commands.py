"""The command line: the same job through `segment`, `run` and the API, one line for each failure."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

import MedDLLogic
from MedDLLogic.cli import run
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.registry import list_cards
from MedDLLogic.records import parse_json
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import read_segmentation_file
from MedDLLogic.scene.segmentations import read_segmentation

from ..small_models import ball


def json_lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def layers_in(path):
    return read_segmentation(read_segmentation_file(new_scene(), path))


@pytest.fixture
def image_file(tmp_path):
    path = tmp_path / "ball.nii.gz"
    write_volume(path, ball()[0])
    return path


@pytest.fixture
def segmented(bright_card, image_file, tmp_path):
    """A finished `meddl segment`: the folder of its one case."""
    products = "segmentation,scene,measurements,overview,probabilities"
    arguments = [
        "segment",
        str(image_file),
        "-m",
        str(bright_card),
        "-o",
        str(tmp_path / "out"),
        "--products",
        products,
    ]
    assert run(arguments) == 0
    return next(path for path in (tmp_path / "out").iterdir() if path.is_dir())


def test_segment_leaves_every_product_it_was_asked_for(segmented):
    case = segmented.name
    expected = {
        f"{case}.seg.nrrd",
        f"{case}_bright_probability.nii.gz",
        "scene.mrb",
        "measurements.csv",
        "overview.png",
        "run.json",
    }
    assert {path.name for path in segmented.iterdir()} == expected


def test_the_segmentation_file_holds_what_the_api_gives(segmented, bright_card, image_file):
    result = MedDLLogic.segment(str(image_file), model=str(bright_card))
    geometry, layers, table = layers_in(segmented / f"{segmented.name}.seg.nrrd")
    assert geometry.is_same_grid(result.geometry, 1e-5)
    assert np.array_equal(layers[0], result.layers[0])
    assert [segment.id for segment in table] == ["bright"]


def test_measurements_are_the_same_in_table_and_record(segmented):
    with (segmented / "measurements.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    record = json.loads((segmented / "run.json").read_text(encoding="utf-8"))
    volume = next(m["value"] for m in record["measurements"] if m["quantity"] == "volume")
    assert float(row["volume [ml]"]) == pytest.approx(volume, abs=1e-4)


def test_the_record_names_no_path(segmented, tmp_path):
    text = (segmented / "run.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "ball" not in text


def test_a_second_run_skips_what_is_done(segmented, bright_card, image_file, capsys):
    capsys.readouterr()
    assert run(["segment", str(image_file), "-m", str(bright_card), "-o", str(segmented.parent), "--products",
                "segmentation,scene,measurements,overview,probabilities", "--json"]) == 0  # fmt: skip
    assert [case["state"] for case in json_lines(capsys)[-1]["cases"]] == ["skipped"]


def test_a_job_file_gives_the_same_bytes_as_the_options(segmented, bright_card, image_file, tmp_path):
    job = {
        "task": "segment",
        "case": segmented.name,
        "inputs": {"image": {"path": image_file.name}},
        "card": {"name": str(bright_card)},
        "output": {"folder": "by-job", "products": ["segmentation", "measurements"]},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert run(["run", str(tmp_path / "job.json")]) == 0
    for name in (f"{segmented.name}.seg.nrrd", "measurements.csv"):
        assert (tmp_path / "by-job" / segmented.name / name).read_bytes() == (segmented / name).read_bytes()


def test_one_bad_case_of_several_does_not_cost_the_others(bright_card, image_file, tmp_path, capsys):
    (tmp_path / "broken.nii.gz").write_bytes(b"not an image")
    (tmp_path / "cases.csv").write_text("case,image\ngood,ball.nii.gz\nbad,broken.nii.gz\n")
    arguments = ["segment", str(tmp_path / "cases.csv"), "-m", str(bright_card), "-o", str(tmp_path / "out"), "--json"]
    assert run(arguments) == 7
    states = {case["case"]: case["state"] for case in json_lines(capsys)[-1]["cases"]}
    assert states == {"good": "done", "bad": "failed"}
    assert not (tmp_path / "out" / "bad").exists()


def test_channels_are_given_by_role(unet_card, tmp_path):
    write_volume(tmp_path / "a.nii.gz", ball()[0])
    write_volume(tmp_path / "b.nrrd", ball(shape_kji=(30, 24, 18))[0])
    roles = [f"first={tmp_path / 'a.nii.gz'}", f"second={tmp_path / 'b.nrrd'}"]
    assert run(["segment", *roles, "-m", str(unet_card), "-o", str(tmp_path / "out")]) == 0
    case = next(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert "resampled" in (case / "run.json").read_text(encoding="utf-8")
    assert layers_in(case / f"{case.name}.seg.nrrd")[0].is_same_grid(ball()[0].geometry, 1e-5)


def test_preprocess_runs_a_recipe_alone(image_file, tmp_path, own_home):
    steps = [{"kind": "orient", "codes": "RAS"}, {"kind": "resample_to_spacing", "spacing_ijk_mm": [2, 2, 2]}]
    (tmp_path / "recipe.json").write_text(json.dumps({"steps": steps}))
    assert run(["preprocess", str(image_file), "-r", str(tmp_path / "recipe.json"), "-o", str(tmp_path / "out")]) == 0
    volume = next((tmp_path / "out").glob("*/*.nii.gz"))
    assert sitk.ReadImage(str(volume)).GetSpacing() == pytest.approx((2, 2, 2))


def test_check_tells_the_geometry_in_plain_words(image_file, capsys):
    assert run(["check", str(image_file)]) == 0
    answer = capsys.readouterr().out
    assert "fine" in answer and "1 x 1 x 2 mm" in answer and "20 x 28 x 24" in answer


def test_check_names_what_is_wrong(tmp_path, capsys):
    (tmp_path / "x.nii").write_bytes(bytes(400))
    assert run(["check", str(tmp_path / "x.nii"), "--json"]) == 3
    answer = json_lines(capsys)[0]
    assert answer["verdict"] == "refuse" and answer["findings"][0]["code"].startswith("E3")


def test_models_show_gives_the_whole_card_to_machines(own_home, capsys):
    assert run(["models", "show", "brain-t1", "--json"]) == 0
    assert parse_json(ModelCard, json.dumps(json_lines(capsys)[0]["card"])).name == "brain-t1"


def test_models_list_names_every_card(own_home, capsys):
    assert run(["models", "list", "--json"]) == 0
    assert [row["name"] for row in json_lines(capsys)[0]] == [found.card.name for found in list_cards()]


def test_no_download_starts_without_a_yes(own_home, capsys):
    assert run(["models", "get", "brain-t1"]) == 2
    answer = capsys.readouterr()
    assert "E105" in answer.err and "MIT" in answer.out


def test_a_model_that_is_not_here_says_how_to_get_it(own_home, image_file, tmp_path, capsys):

    assert run(["segment", str(image_file), "-m", "brain-t1", "-o", str(tmp_path / "out")]) == 4
    assert not (tmp_path / "out").exists()
    assert "meddl models get brain-t1" in capsys.readouterr().err


def test_a_program_of_the_users_own_needs_a_yes_and_then_runs(own_home, tmp_path, image_file, capsys):
    from ..small_models import make_bright_card

    card = str(make_bright_card(tmp_path))
    assert run(["segment", str(image_file), "-m", card, "-o", str(tmp_path / "one")]) == 4
    assert run(["models", "trust", card, "--yes"]) == 0
    assert run(["segment", str(image_file), "-m", card, "-o", str(tmp_path / "two")]) == 0


def test_storage_lists_and_removes_what_was_written(bright_card, own_home, capsys):
    assert run(["storage", "--json"]) == 0
    assert any(str(own_home) in row["path"] for row in json_lines(capsys)[0])
    assert run(["storage", "--remove", "all", "--yes"]) == 0
    assert not [path for path in own_home.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["--bogus"], 2, "E101"),
        (["segment", "x.nii", "-m", "brain-t1", "--roi", "1,2"], 2, "E101"),
        (["segment", "x.nii", "-m", "brain-t1", "--products", "pie"], 2, "E101"),
        (["segment", "no-such.nii", "-m", "brain-t1"], 3, "E301"),
        (["segment", "x.nii", "-m", "no-such-model"], 4, "E403"),
        (["run", "no-such.json"], 3, "E301"),
        (["check"], 2, "E101"),
    ],
)
def test_a_wrong_call_is_one_line_with_a_code(own_home, capsys, arguments, status, code):
    assert run(arguments) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and code in lines[0] and len(lines[0]) <= 200


@pytest.mark.parametrize(
    "text", ["", "{}", '{"task": "segment"}', '{"task": "guess", "inputs": {}}', '{"inputs": {}, "inputs": {}}']
)
def test_a_job_that_is_none_is_refused(own_home, tmp_path, capsys, text):
    (tmp_path / "job.json").write_text(text)
    assert run(["run", str(tmp_path / "job.json")]) == 2
    assert "E102" in capsys.readouterr().err


def test_the_command_is_there_as_a_module():
    answer = subprocess.run(
        [sys.executable, "-m", "MedDLLogic.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert answer.stdout.strip() == f"meddl {MedDLLogic.__version__}"

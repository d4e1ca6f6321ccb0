"""The command line: the same job through `segment`, `run` and the API, one line for each failure."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

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

from ..geometries import grid
from ..small_models import ball, make_bright_card, save_card


def json_lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def read_picture_voxels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


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


def test_a_relative_output_folder_lies_where_the_command_is_run(bright_card, image_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        run(["segment", image_file.name, "-m", str(bright_card), "-o", "out", "--products", "segmentation,scene"]) == 0
    )
    assert len(list((tmp_path / "out").glob("*/scene.mrb"))) == 1
    monkeypatch.undo()


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


def test_the_picture_is_titled_with_the_name_of_the_card_and_not_its_path(segmented, bright_card, image_file, tmp_path):
    shown = read_picture_voxels(segmented / "overview.png")
    other = bright_card.with_name("a-path-that-says-a-name.json")
    other.write_bytes(bright_card.read_bytes())
    assert run(["segment", str(image_file), "-m", str(other), "-o", str(tmp_path / "two")]) == 0
    assert np.array_equal(read_picture_voxels(next((tmp_path / "two").glob("*/overview.png"))), shown)


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
    *_, summary, error = json_lines(capsys)
    states = {case["case"]: case["state"] for case in summary["cases"]}
    assert error["error"]["code"] == "E605"
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


def test_check_says_how_oblique_a_grid_is(tmp_path, capsys):
    write_volume(tmp_path / "tilted.nrrd", ball(geometry=grid((6, 7, 8), degrees=(0, 0, 20)))[0])
    assert run(["check", str(tmp_path / "tilted.nrrd")]) == 0
    assert "oblique by up to 20 degrees" in capsys.readouterr().out


def test_check_names_what_is_wrong(tmp_path, capsys):
    (tmp_path / "x.nii").write_bytes(bytes(400))
    assert run(["check", str(tmp_path / "x.nii"), "--json"]) == 3
    answer = json_lines(capsys)[0]
    assert answer["verdict"] == "refuse" and answer["findings"][0]["code"].startswith("E3")


def test_check_takes_a_folder_for_the_images_in_it(image_file, capsys):
    (image_file.parent / "broken.nii").write_bytes(bytes(400))
    assert run(["check", str(image_file.parent), "--json"]) == 3
    verdicts = {answer["path"].rpartition("/")[2]: answer["verdict"] for answer in json_lines(capsys)}
    assert verdicts == {"ball.nii.gz": "accept", "broken.nii": "refuse"}


def test_check_says_of_an_empty_folder_that_it_holds_no_image(tmp_path, capsys):
    assert run(["check", str(tmp_path), "--json"]) == 3
    assert json_lines(capsys)[0]["findings"][0]["code"] == "E320"


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


def test_storage_removes_nothing_when_one_name_is_not_on_its_list(bright_card, own_home, capsys):
    assert run(["storage", "--json"]) == 0
    stored = json_lines(capsys)[0][0]["path"]
    assert run(["storage", "--remove", stored, "--remove", "/no/such", "--yes"]) == 2
    assert Path(stored).is_dir()


def test_a_yes_to_a_card_is_one_to_the_program_of_a_card_that_it_runs(own_home, tmp_path, image_file):
    inner = json.loads(make_bright_card(tmp_path).read_text())
    stage = {"kind": "card", "name": "inner", "card": "bright", "inputs": {"image": {"role": "image"}}}
    outer = save_card(tmp_path, inner | {"name": "outer", "stages": [stage]})
    assert run(["models", "trust", str(outer), "--yes"]) == 0
    assert run(["segment", str(image_file), "-m", str(outer), "-o", str(tmp_path / "out")]) == 0


def test_a_device_that_is_not_there_is_told_before_any_case_begins(bright_card, image_file, tmp_path, capsys):
    arguments = ["segment", str(image_file), "-m", str(bright_card), "-o", str(tmp_path / "out"), "--device", "cuda:99"]
    assert run(arguments) == 5
    assert not (tmp_path / "out").exists()


def test_another_modality_is_told_in_the_manifest_too(bright_card, tmp_path):
    bright_card.write_text(bright_card.read_text().replace('"modality": "MR"', '"modality": "CT"'))
    write_volume(tmp_path / "ball.nii.gz", ball()[0])
    assert run(["segment", str(tmp_path / "ball.nii.gz"), "-m", str(bright_card), "-o", str(tmp_path / "out")]) == 0
    done = json.loads((tmp_path / "out" / "run.jsonl").read_text().splitlines()[-1])
    record = json.loads(next((tmp_path / "out").glob("*/run.json")).read_text())
    assert done["warnings"] == record["provenance"]["warnings"]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["--bogus"], 2, "E101"),
        (["segment", "x.nii", "-m", "brain-t1", "--roi", "-inf,0,0,1,1,1"], 2, "E102"),
        (["segment", "x.nii", "-m", "brain-t1", "--products", ","], 2, "E101"),
        (["segment", "x.nii", "-m", "brain-t1", "--products", "volume"], 2, "E101"),
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
    "arguments",
    [
        ["segment", "no-such.nii", "-m", "brain-t1"],
        ["segment", "--bogus"],
        ["preprocess", "no-such.nii", "-r", "no-such.json"],
        ["run", "no-such.json"],
        ["models", "show", "no-such-model"],
        ["models", "get", "brain-t1"],
        ["models", "trust", "brain-t1"],
        ["storage", "--remove", "no-such"],
    ],
)
def test_with_json_a_failure_is_one_document_on_stdout_and_one_line_on_stderr(own_home, capsys, arguments):
    status = run([*arguments, "--json"])
    answer = capsys.readouterr()
    error = json.loads(answer.out)["error"]
    assert status != 0 and error["message"] == answer.err.strip() and error["code"] in answer.err


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


def meddl(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "MedDLLogic.cli", *arguments], check=False, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_standard_output_on_a_full_disk_is_no_defect(image_file):
    with Path("/dev/full").open("w") as full:
        assert meddl("check", str(image_file), stdout=full).returncode == 5


def test_a_reader_that_leaves_early_sees_no_traceback(image_file):
    process = subprocess.Popen(
        [sys.executable, "-m", "MedDLLogic.cli", "check", str(image_file)], stdout=PIPE, stderr=PIPE
    )
    process.stdout.close()
    assert not process.stderr.read()
    process.wait()


def test_names_that_the_terminal_cannot_show_are_escaped(image_file):
    path = image_file.rename(image_file.with_name("コ.nii.gz"))
    answer = meddl("check", str(path), capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    assert answer.returncode == 0 and b"\\u30b3.nii.gz: fine" in answer.stdout


def test_json_is_the_same_in_every_encoding(image_file):
    path = image_file.rename(image_file.with_name("Köln.nii.gz"))
    answer = meddl("check", "--json", str(path), capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    assert json.loads(answer.stdout)["path"] == str(path)


def test_without_standard_input_there_is_nobody_to_ask(own_home, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert run(["models", "get", "brain-t1"]) == 2
    assert "E105" in capsys.readouterr().err


def test_ctrl_c_before_the_run_is_one_line_too(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("MedDLLogic.cli.models.run_list", interrupted)
    assert run(["models", "list"]) == 6
    assert "E602" in capsys.readouterr().err


def test_a_picture_is_segmented_like_a_volume(bright_card, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((40, 50), 200, np.uint8)), str(tmp_path / "x.png"))
    products = "segmentation,scene,measurements,overview"
    arguments = ["segment", str(tmp_path / "x.png"), "-m", str(bright_card), "-o", str(tmp_path / "out")]
    assert run([*arguments, "--products", products]) == 0
    assert len(list(tmp_path.glob("out/case-*/*"))) == 5

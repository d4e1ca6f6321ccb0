"""`meddl segment --plan` and `--quality`."""

import json

import pytest

from MedDLLogic.cli import run
from MedDLLogic.io.write_volume import write_volume

from ..small_models import ball


@pytest.fixture
def cases(tmp_path):
    """A folder with two images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, shape_kji in {"one": (24, 28, 20), "two": (48, 28, 20)}.items():
        write_volume(folder / f"{name}.nii.gz", ball(shape_kji)[0])
    return folder


def planned(capsys, *arguments):
    assert run(["segment", *map(str, arguments), "--plan", "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["cases"]


def test_every_case_is_planned_and_nothing_is_run(cases, bright_card, tmp_path, capsys):
    plans = [case["plan"] for case in planned(capsys, cases, "-m", bright_card, "-o", tmp_path / "out")]
    assert [plan["shape_kji"] for plan in plans] == [[24, 28, 20], [48, 28, 20]]
    assert [(plan["tiles"], plan["seconds"], plan["is_learned"]) for plan in plans] == [(1, None, False)] * 2
    assert not (tmp_path / "out").exists()


def test_after_a_run_the_plan_tells_time_loading_writing_and_memory_apart(cases, bright_card, tmp_path, capsys):
    case = [cases / "one.nii.gz", "-m", bright_card, "-o", tmp_path / "out"]
    assert run(["segment", *map(str, case)]) == 0
    capsys.readouterr()
    (told,) = planned(capsys, *case)
    assert told["plan"]["is_learned"] and told["plan"]["seconds"] > 0 and told["plan"]["write_seconds"] > 0


def test_people_read_it_as_a_table(cases, bright_card, capsys):
    assert run(["segment", str(cases / "one.nii.gz"), "-m", str(bright_card), "--plan", "--quality", "fast"]) == 0
    told = capsys.readouterr().out
    assert "20 x 28 x 24" in told and "not known" in told and "find" in told
    assert "Quality fast is as standard here" in told


def test_an_image_that_cannot_be_planned_does_not_hide_the_others(cases, bright_card, capsys):
    (cases / "three.nii.gz").write_bytes(b"no image")
    assert run(["segment", str(cases), "-m", str(bright_card), "--plan", "--json"]) == 7
    told = json.loads(capsys.readouterr().out.splitlines()[0])["cases"]
    assert sorted(case["plan"] is None for case in told) == [False, False, True]


def test_the_only_case_fails_with_its_own_code(bright_card, tmp_path, capsys):
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(b"no image")
    assert run(["segment", str(path), "-m", str(bright_card), "--plan"]) == 3


def test_the_quality_of_the_command_line_is_that_of_the_record(cases, bright_card, unet_card, tmp_path):
    arguments = [f"first={cases}/one.nii.gz", f"second={cases}/one.nii.gz", "-m", str(unet_card)]
    assert run(["segment", *arguments, "-o", str(tmp_path / "out"), "--quality", "fine"]) == 0
    (record,) = (tmp_path / "out").glob("*/run.json")
    steps = json.loads(record.read_text(encoding="utf-8"))["provenance"]["steps"]
    assert [step["step"]["overlap"] for step in steps if step["step"]["kind"] == "predict"] == [0.625]
    assert json.loads(record.read_text(encoding="utf-8"))["job"]["quality"] == "fine"

"""``meddl environment``."""

from __future__ import annotations

import json

import pytest

from MedDLLogic.cli import run

from . import tiny


def last_json(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_check_tells_lights_and_state(own_home, capsys, tmp_path):
    assert run(["environment", "check", "--wheelhouse", str(tmp_path), "--json"]) == 5
    told = last_json(capsys)
    assert (told["state"]["kind"], told["is_go"]) == ("missing", False)
    assert {check["light"] for check in told["checks"]} <= {"green", "yellow", "red"}


def test_nothing_is_installed_without_a_yes(own_home, capsys):
    assert run(["environment", "install", "--build", "cpu", "--json"]) == 2
    assert tiny.environments(own_home) == []


def test_an_empty_folder_of_wheels_is_one_line(own_home, capsys, tmp_path):
    assert run(["environment", "install", "--build", "cpu", "--yes", "--wheelhouse", str(tmp_path)]) == 5
    assert capsys.readouterr().err.splitlines()[-1].startswith("MEDDL-E506")


def test_verify_without_an_environment_is_one_line(own_home, capsys):
    assert run(["environment", "verify"]) == 5
    assert "MEDDL-E507" in capsys.readouterr().err


def test_removing_what_is_installed(installed, monkeypatch, capsys):
    monkeypatch.setenv("MEDDL_HOME", str(installed))
    assert run(["environment", "remove", "--yes", "--json"]) == 0
    assert last_json(capsys)["removed_bytes"] > 10**6


def test_another_python_is_described(own_home, capsys):
    assert run(["environment", "python", "no-such-python", "--json"]) == 5
    assert last_json(capsys)["message"] == "It cannot be started."


def test_a_report_is_written(own_home, capsys, tmp_path):
    assert run(["environment", "report", str(tmp_path / "report.txt")]) == 0
    assert "MedDL bug report" in (tmp_path / "report.txt").read_text()


@pytest.mark.parametrize("command", ["install", "repair"])
def test_an_unknown_build_is_refused(own_home, capsys, command):
    assert run(["environment", command, "--build", "cu999", "--yes"]) == 2

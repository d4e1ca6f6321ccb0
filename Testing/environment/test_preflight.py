from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace

import pytest

from MedDLLogic.environment.install import Sources
from MedDLLogic.environment.preflight import CheckReport, preflight, read_check_report

from . import tiny
from .test_builds import card, machine

HOPELESS = machine("windows", gpus=[card("3.5", "400.0")], gpu_problem="", is_translated=False)


@pytest.fixture
def lights(tmp_path):
    """Lights by id; packages come from an empty folder unless told otherwise, so that no index is asked."""

    def look(facts, **options):
        options.setdefault("sources", Sources(wheelhouse=tmp_path))
        return {check.id: check for check in preflight(facts, **options)}

    return look


def test_a_slicer_that_is_too_old_is_one_clear_sentence(lights):
    check = lights(machine(), slicer_version="5.8.1")["slicer"]
    assert (check.light, check.text) == ("red", "Slicer 5.8.1 is too old for MedDL.")


@pytest.mark.parametrize("version", ["5.10.0", "5.12.3", "5.13.0-2026-08-21"])
def test_a_newer_slicer_is_fine(lights, version):
    assert lights(machine(), slicer_version=version)["slicer"].light == "green"


def test_outside_of_slicer_its_version_is_no_matter(lights):
    assert "slicer" not in lights(machine())


@pytest.mark.parametrize(
    ("facts", "id_", "light"),
    [
        ({"python": "3.9.10"}, "python", "red"),
        ({"free_bytes": 10**9}, "disk", "red"),
        ({"ram_bytes": 4 * 10**9}, "ram", "red"),
        ({"ram_bytes": 8 * 10**9}, "ram", "yellow"),
        ({"os": "windows", "folder_length": 120}, "path", "red"),
        ({"os": "windows", "folder_length": 66}, "path", "green"),
        ({"folder_length": 200}, "path", "green"),
        ({"gpu_problem": "nvidia-smi did not answer"}, "gpu", "yellow"),
        ({"gpus": (card("8.6", "581.0"),)}, "gpu", "green"),
        ({"gpus": (card("8.6", "450.0"),)}, "gpu", "yellow"),
        ({"os": "macos", "architecture": "x86_64", "is_translated": True}, "build", "red"),
        ({"os": "macos", "architecture": "arm64"}, "gpu", "green"),
    ],
)
def test_each_fact_has_its_light(lights, facts, id_, light):
    assert lights(replace(machine(), **facts))[id_].light == light


def test_no_red_light_without_a_hint(lights):
    worst = replace(machine("windows"), python="3.9", ram_bytes=1, free_bytes=1, folder_length=250)
    red = [check for check in lights(worst, slicer_version="5.6").values() if check.light == "red"]
    assert len(red) >= 6
    assert all(check.hint for check in red)


def test_a_folder_of_wheels_without_torch_is_red(lights):
    assert lights(machine())["wheelhouse"].light == "red"


def test_a_folder_of_wheels_with_the_build_is_green(lights, tmp_path):
    (tmp_path / "torch-2.13.0+cpu-cp312-cp312-win_amd64.whl").touch()
    assert lights(machine())["wheelhouse"].light == "green"


@pytest.fixture
def only_one_index(monkeypatch):
    """No other place than the index that is named."""
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def test_an_index_out_of_reach_is_red(lights, only_one_index):
    found = lights(machine(), sources=Sources("http://localhost:9/simple", "http://localhost:9/simple"))
    assert (found["index"].light, found["torch-index"].light) == ("red", "red")


def test_an_index_without_the_build_is_red(lights, only_one_index, wheelhouse, tmp_path):
    url = tiny.make_index(wheelhouse, tmp_path / "index")
    found = lights(machine(), build_name="cu126", sources=Sources(torch_index_url=url))["torch-index"]
    assert (found.light, "2.13.0+cu126" in found.text) == ("red", True)


def test_no_answer_in_time_is_a_red_light_and_not_a_long_wait(lights, only_one_index):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/simple"
        found = lights(machine(), sources=Sources(url, url), deadline_s=0.3)
    assert {(found[id_].light, found[id_].text) for id_ in ("index", "torch-index")} == {("red", "No answer in time.")}


def test_a_python_without_pip_is_red(lights, tmp_path):
    import venv

    venv.create(tmp_path / "bare")
    bare = tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    assert lights(machine(), python=str(bare))["pip"].light == "red"


def test_the_child_writes_what_it_found(home, wheelhouse, tmp_path):
    file = tmp_path / "checks.json"
    told = tiny.run(home, "check", str(file), "--slicer", "5.8.1", "--wheelhouse", str(wheelhouse))
    report = read_check_report(file)
    assert told.end.kind == "finished", told.log
    assert isinstance(report, CheckReport)
    assert not report.is_go

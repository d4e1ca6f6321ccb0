"""``meddl segment --worker``: the same files, cases isolated by a process, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from MedDLLogic.cli import run
from MedDLLogic.cli import segment as segment_command
from MedDLLogic.io.write_volume import write_volume
from MedDLLogic.storage import exchange_base

from ..faults import rig
from ..small_models import ball, make_unet_card
from . import bad_workers
from .test_child import is_alive


@pytest.fixture
def cases(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        write_volume(folder / f"{number}.nii.gz", ball(radius_mm=5.0 + number)[0])
    (folder / "cases.csv").write_text("case,image\na,0.nii.gz\nb,1.nii.gz\n")
    return folder / "cases.csv"


def test_the_files_and_the_manifest_are_those_of_a_run_without_a_worker(bright_card, cases, tmp_path):
    for name, options in (("without", []), ("with", ["--worker"])):
        arguments = ["segment", str(cases), "-m", str(bright_card), "-o", str(tmp_path / name), *options]
        # A scene is an archive whose members hold times.
        assert run([*arguments, "--products", "segmentation,measurements,overview,probabilities"]) == 0
    one, other = tmp_path / "without", tmp_path / "with"
    assert rig.tree_sha256(one, leave_out_times=True) == rig.tree_sha256(other, leave_out_times=True)
    assert rig.done_by_case(one) == rig.done_by_case(other)
    assert not exchange_base().exists() or list(exchange_base().iterdir()) == []


def test_a_job_file_is_done_by_a_worker_too(bright_card, cases, tmp_path):
    job = {
        "task": "segment",
        "inputs": {"image": {"path": str(cases.with_name("0.nii.gz"))}},
        "card": {"name": str(bright_card)},
        "output": {"folder": "out", "products": ["measurements"]},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert run(["run", "--worker", str(tmp_path / "job.json")]) == 0
    assert (tmp_path / "out" / "case" / "measurements.csv").is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_case_that_kills_the_worker_fails_alone(bright_card, cases, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(segment_command, "launch_here", bad_workers.First(bad_workers.DIES_IN_A_JOB))
    out = tmp_path / "out"
    assert run(["segment", str(cases), "-m", str(bright_card), "-o", str(out), "--worker"]) == 7
    lines = [json.loads(line) for line in (out / "run.jsonl").read_text().splitlines()]
    ends = [(line["case"], line["kind"], line.get("code")) for line in lines if line["kind"] in {"failed", "done"}]
    assert ends == [("a", "failed", "E502"), ("b", "done", None)]


def test_an_error_of_a_case_is_the_same_line_with_and_without_a_worker(bright_card, cases, tmp_path, capsys):
    cases.with_name("0.nii.gz").write_bytes(b"no image")
    told = []
    for name, options in (("without", []), ("with", ["--worker"])):
        assert run(["segment", str(cases), "-m", str(bright_card), "-o", str(tmp_path / name), *options]) == 7
        lines = [json.loads(line) for line in (tmp_path / name / "run.jsonl").read_text().splitlines()]
        told.append([line["message"] for line in lines if line["kind"] == "failed"])
    assert told[0] == told[1] != []


@pytest.mark.skipif(os.name == "nt", reason="looks into /proc")
def test_ctrl_c_cancels_the_worker_and_leaves_nothing(own_home, tmp_path):
    write_volume(tmp_path / "large.nii.gz", ball((96, 96, 96), (1.0, 1.0, 1.0), 30.0)[0])
    inputs = [f"{role}={tmp_path / 'large.nii.gz'}" for role in ("first", "second")]
    command = [sys.executable, "-m", "MedDLLogic.cli", "segment", *inputs, "-m", str(make_unet_card(tmp_path))]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "out"), "--worker", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while json.loads(process.stdout.readline()).get("stage") != "divide":
        pass
    workers = [
        pid for task in Path(f"/proc/{process.pid}/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"E602" in err) == (6, True)
    assert workers and not any(is_alive(int(pid)) for pid in workers) and list(exchange_base().iterdir()) == []

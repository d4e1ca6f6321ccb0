"""The bug report says enough, and names nobody."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path

import pytest

from MedDLLogic.environment.folder import EnvironmentState
from MedDLLogic.environment.report import report_text
from MedDLLogic.environment.scrub import scrub

from . import tiny
from .test_builds import card, machine

NAMES = ("Mustermann", "Erika", "DOE^JANE", "MRT Kopf nativ", "1.2.840.113619.2.55.3", "19641231", "geheim")
WORKER_LOG = f"""Traceback (most recent call last):
  File "/home/erika/Slicer/lib/MedDL/MedDLLogic/tasks/run.py", line 12, in run_job
    read("/daten/Mustermann Erika/T1.nii.gz")
  File "C:\\Users\\Erika\\AppData\\MedDL\\data\\environments\\env-12ab\\monai\\inferers\\utils.py", line 7, in <module>
  File "/daten/Mustermann/secret.py", line 3, in <module>
RuntimeError: cannot read /daten/Mustermann Erika/DOE^JANE_19641231.nii.gz
KeyError: 'DOE^JANE'
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB for MRT Kopf nativ
MEDDL-E301: Erika Mustermann not found
Loading MRT Kopf nativ of Mustermann, Erika, born 19641231
ERROR: In itkImageFileReader.cxx, SimpleITK: Mustermann Erika has UID 1.2.840.113619.2.55.3
{getpass.getuser()} at {platform.node()}
Killed
""".splitlines()
PIP_LOG = [
    "Looking in indexes: https://erika:geheim@mirror.klinik.example/simple",
    "Collecting torch==2.13.0+cpu (from -r /home/erika/MedDL/requirements.txt (line 1))",
    "Processing C:\\Users\\Erika\\wheels\\torch-2.13.0-cp312.whl",
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device: '/home/erika/x geheim'",
    "Mustermann Erika",
]


@pytest.fixture
def text():
    return report_text(
        machine(gpus=[card("8.6", "581.29", "GeForce RTX 3060")]),
        EnvironmentState("broken", "3 files are missing or changed: torch.", "cu130", "cuda", {"torch": "2.13.0"}),
        slicer_version="5.12.3",
        settings={"device": "auto", "volume": "MRT Kopf nativ", "output": "/daten/Mustermann", "python": "Erika"},
        error_codes=["E502", "Erika"],
        worker_log=WORKER_LOG,
        install_log=PIP_LOG,
        private=["Erika", "MRT Kopf nativ"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_name_gets_through(text, name):
    assert name.lower() not in text.lower()


@pytest.mark.parametrize("path", ["/home", "/daten", "Users", "klinik", "T1.nii", "secret.py"])
def test_no_path_and_no_address_gets_through(text, path):
    assert path not in text


def test_no_user_and_no_machine_gets_through(text):
    own = {getpass.getuser(), platform.node(), Path.home().name} - {"root", "localhost", ""}
    assert not [name for name in own if name in text]


@pytest.mark.parametrize(
    "fact",
    [
        "Slicer 5.12.3", "torch 2.13.0", "GeForce RTX 3060", "581.29", "broken: 3 files", "device = auto", "volume = <text>",
        "E502: not enough memory", "tasks/run.py:12 in run_job", "monai/inferers/utils.py:7", "RuntimeError",
        "torch.cuda.OutOfMemoryError: CUDA out of memory", "MEDDL-E301", "Killed", "Collecting torch==2.13.0+cpu",
        "No space left on device", "lines left out",
    ],
)  # fmt: skip
def test_what_helps_to_find_a_defect_stays(text, fact):
    assert fact in text


@pytest.mark.parametrize("text", ["torch 2.13.0+cpu", "driver 581.29 is older than 580.65", "3 files, 2 GB", "5.13.0"])
def test_plain_words_and_versions_are_left_alone(text):
    assert scrub(text) == text


@pytest.mark.parametrize(
    "named",
    ["/a/b", "C:\\x\\y.nii", "\\\\server\\share", "file:///x", "head.nii.gz", "1.2.840.10008.1", "10.0.0.7", "a@b.org"],
)
def test_what_names_something_is_replaced(named):
    assert named not in scrub(f"see {named} there")


def test_a_quoted_file_name_goes_with_all_its_words():
    assert scrub("No such file: 'Jane Doe.txt'") == "No such file: '<file>'"


def test_the_child_writes_the_report(installed, tmp_path):
    (tmp_path / "log").write_text("\n".join(WORKER_LOG))
    (tmp_path / "settings").write_text(json.dumps({"settings": {"device": "cpu"}, "private": ["Erika"]}))
    file = tmp_path / "report.txt"
    more = ["--worker-log", str(tmp_path / "log"), "--settings", str(tmp_path / "settings"), "--slicer", "5.12.3"]
    assert tiny.run(installed, "report", str(file), *more).end.kind == "finished"
    assert "device = cpu" in file.read_text()
    assert "Mustermann" not in file.read_text()

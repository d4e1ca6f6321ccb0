from __future__ import annotations

import os
import sys
import venv

import pytest

from MedDLLogic.environment.child import MAX_LINE_BYTES, run_guarded
from MedDLLogic.environment.other_python import OtherPython, probe_python, without_slicer
from MedDLLogic.records import parse_json
from Testing.packaging.slim import find_python

from . import tiny


def test_this_python_can_be_the_worker():
    found = probe_python(sys.executable)
    assert (found.is_usable, found.device, found.missing) == (True, "cpu", ()) or found.device in ("cuda", "mps")


def test_a_python_without_packages_is_told_what_it_lacks(tmp_path):
    venv.create(tmp_path / "bare", symlinks=os.name != "nt")
    found = probe_python(str(tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")))
    assert (found.is_usable, "torch" in found.missing) == (False, True)
    assert '"monai>=' in found.message


def test_a_program_that_is_not_there_is_told():
    assert probe_python("no-such-python") == OtherPython(is_usable=False, message="It cannot be started.")


def test_a_program_that_is_no_python_is_told(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    assert "no Python" in probe_python(str(program)).message


def test_a_python_that_hangs_is_ended(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    assert not probe_python(str(program), limit_s=0.5).is_usable


@pytest.mark.parametrize("script", ['printf "MEDDL-PROBE {cut"', "tr '\\0' x < /dev/zero", "yes"])
def test_a_program_that_writes_nonsense_is_no_python(tmp_path, script):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert "no Python" in probe_python(str(program), limit_s=1.0).message


def test_a_line_without_end_is_heard_in_pieces(tmp_path):
    script, pieces = tmp_path / "endless.py", []
    script.write_text(f"print('x' * {3 * MAX_LINE_BYTES}, end='')")
    assert run_guarded(sys.executable, [str(script)], on_line=pieces.append) == 0
    assert [len(piece) for piece in pieces] == 3 * [MAX_LINE_BYTES]


def test_an_old_python_is_told_its_version():
    old = find_python("3.9") or find_python("3.8") or find_python("3.6")
    if old is None:
        pytest.skip("no old Python on this machine")
    assert "MedDL needs" in probe_python(old).message


def test_slicers_own_paths_do_not_reach_another_python():
    started = {"SLICER_HOME": "/s", "PYTHONHOME": "/s/py", "LD_LIBRARY_PATH": "/s/lib:/usr/lib", "LANG": "C"}
    assert without_slicer(started) == {"SLICER_HOME": "/s", "LD_LIBRARY_PATH": "/usr/lib", "LANG": "C"}


def test_the_child_writes_what_it_found(home, tmp_path):
    file = tmp_path / "python.json"
    assert tiny.run(home, "python", str(file), "no-such-python").end.kind == "finished"
    assert not parse_json(OtherPython, file.read_bytes()).is_usable

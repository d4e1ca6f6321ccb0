from __future__ import annotations

import shutil
import subprocess
import sys

import MedDLLogic
from MedDLLogic.jobs.identity import LIBRARY, library_sha256

ASK = "from MedDLLogic.jobs.identity import library_sha256 as ask; print(ask())"


def sha256_in(folder):
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {ASK}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_copy_elsewhere_is_the_same_library_and_a_changed_one_is_not(tmp_path):
    assert LIBRARY.samefile(MedDLLogic.__path__[0])
    shutil.copytree(LIBRARY, tmp_path / "MedDLLogic", ignore=shutil.ignore_patterns("__pycache__"))
    assert sha256_in(tmp_path) == library_sha256()
    with (tmp_path / "MedDLLogic" / "image.py").open("a") as file:
        file.write("# changed\n")
    assert sha256_in(tmp_path) != library_sha256()

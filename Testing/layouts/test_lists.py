"""What the CMake files name is what there is to ship."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .list_files import LISTS, ROOT, expected, listed

STUBS = Path(__file__).with_name("slicer_stub")
METADATA = ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")


@pytest.mark.parametrize("name", LISTS)
def test_every_file_that_must_ship_is_listed(name: str) -> None:
    missing = sorted(set(expected(name)) - set(listed(name)))
    assert not missing, f"add to {name}: {missing} (python -m Testing.layouts.list_files)"


@pytest.mark.parametrize("name", LISTS)
def test_every_listed_file_is_there_and_stands_once(name: str) -> None:
    assert set(listed(name)) <= set(expected(name))
    assert len(listed(name)) == len(set(listed(name)))


@pytest.mark.parametrize("key", METADATA)
def test_the_metadata_stands_on_one_line_each(key: str) -> None:
    lines = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.fullmatch(rf'set\(EXTENSION_{key} "[^"$]+"\)', line)]


def test_the_project_has_the_name_of_the_extension() -> None:
    assert "project(MedDL)\n" in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_ships_what_the_lists_name(tmp_path: Path) -> None:
    options = [f"-DSlicer_DIR={STUBS}", f"-DMEDDL_SOURCE={ROOT}", f"-DRECORD={tmp_path / 'shipped.txt'}"]
    done = subprocess.run(["cmake", "-S", STUBS, "-B", tmp_path, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shipped = (tmp_path / "shipped.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(shipped) == sorted(path for name in LISTS for path in listed(name))


@pytest.mark.parametrize("script", ["MedDL.py", "MedDLLib/segment_in_slicer.py"])
def test_what_an_old_slicer_reads_first_is_valid_python_3_9(script: str) -> None:
    text = (ROOT / "MedDLExtension" / script).read_text(encoding="utf-8")
    assert ast.parse(text, feature_version=(3, 9))

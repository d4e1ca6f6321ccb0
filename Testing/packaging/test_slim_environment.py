"""What runs inside Slicer needs no more than numpy and the MRML classes, on Slicer's Python 3.12 too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import slim
from .resolver import PYTHONS


@pytest.fixture(scope="module", params=PYTHONS)
def slim_python(request: pytest.FixtureRequest, package_index: None) -> Iterator[str]:
    python = slim.find_python(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} on this machine")
    with tempfile.TemporaryDirectory() as folder:
        yield slim.build(python, Path(folder, "env"))


def test_every_slicer_side_module_imports_there(slim_python: str) -> None:
    slim.import_all(slim_python)


def test_the_tests_of_these_modules_pass_there(slim_python: str) -> None:
    assert " passed" in slim.run_tests(slim_python)

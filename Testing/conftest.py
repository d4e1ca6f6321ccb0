"""Fixtures for all tests: the larger real data, the package index, and a watch over what a test leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .prompted_model import box_card  # noqa: F401 - fixture for all tests
from .small_models import bright_card, own_home, unet_card  # noqa: F401 - fixtures for all tests

CHILDREN_OF_THIS_PROCESS = Path("/proc/self/task")


@pytest.fixture(scope="session")
def real_data() -> Callable[..., Path]:
    """``real_data("mr", "head.nii.gz")``: that part of the folder MEDDL_DATA names; skips where there is none."""

    def find(*parts: str) -> Path:
        root = os.environ.get("MEDDL_DATA")
        if not root:
            pytest.skip("MEDDL_DATA names no folder with real data")
        path = Path(root, *parts).resolve()
        if not path.exists():
            pytest.skip(f"the folder that MEDDL_DATA names has no {'/'.join(parts)}")
        return path

    return find


@pytest.fixture(scope="session")
def package_index() -> None:
    """Skips where pip cannot reach a package index; with MEDDL_NETWORK=1 that is a failure."""
    ask = ["install", "--dry-run", "--no-deps", "--ignore-installed", "--only-binary=:all:", "--retries=0", "iniconfig"]
    reached = subprocess.run([sys.executable, "-m", "pip", *ask], capture_output=True, timeout=120, check=False)
    if reached.returncode and os.environ.get("MEDDL_NETWORK") == "1":
        pytest.fail("no package index can be reached")
    if reached.returncode:
        pytest.skip("no package index can be reached")


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails a test that leaves a child process running or the working folder changed."""
    children, folder = _children(), Path.cwd()
    yield
    here = Path.cwd()
    os.chdir(folder)
    assert here == folder, "the test changed the working folder"
    assert _children() <= children, "the test left a child process"


def _children() -> set[str]:
    """Ids of this process's children; empty where the system does not list them."""
    return {
        child
        for task in CHILDREN_OF_THIS_PROCESS.glob("*/children")
        for child in task.read_text(encoding="ascii").split()
    }

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from Testing.faults import rig, small_batch


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> rig.Undisturbed:
    """Six inputs, how to run the small batch on them, and what comes out when nothing happens."""
    folder = tmp_path_factory.mktemp("batch")
    inputs = small_batch.make_inputs(folder / "in put")
    return rig.Undisturbed(partial(small_batch.argv, inputs), inputs, folder / "out")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """``disk(1024)``: a disk of that many KiB; skips where the process may not mount one."""
    if not rig.can_mount():
        pytest.skip("only an administrator of Linux can mount a small disk")
    with ExitStack() as mounted:
        yield lambda size_kib: mounted.enter_context(rig.small_disk(tmp_path / f"disk {size_kib}", size_kib))

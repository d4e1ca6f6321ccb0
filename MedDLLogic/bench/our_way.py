"""A contest's task by MedDL's engine: ``python -m MedDLLogic.bench.our_way PRECISION TASK.json``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import Geometry
from ..inference.decode import Decoding
from ..inference.patches import tile_count
from ..inference.precision import Choice
from ..inference.run import run_network
from ..inference.warm import Networks
from ..models.card import Tiling
from ..models.registry import read_card
from .turns import Work, read_task, take_turns


def load(task: dict[str, Any], precision: Any) -> Work:
    """The engine from the prepared volume to labels on the same grid; the network is made ready here."""
    found = read_card(Path(task["card"]))
    (stage,) = found.card.network_stages
    k, j, i = task["patch_kji"]
    tiling = Tiling((k, j, i), task["overlap"], task["blend"], task["placement"])
    networks = Networks(1)

    def ready(device: str) -> Any:
        return networks.ready(found, stage, device, Choice(precision), tiling)

    ready("cpu")

    def work() -> tuple[Any, int]:
        voxels = np.load(task["voxels"])
        grid = Geometry(voxels.shape[1:], np.eye(4))

        def decoding(allocate: Any, axes: Any) -> Decoding:
            return Decoding(stage.decode, {}, grid, grid, axes, allocate=allocate)

        made = run_network(ready, "cpu", voxels, {}, tiling, decoding, lambda part: None, _refuse)
        return made.masks.volumes[0], tile_count(grid.shape_kji, tiling)

    return work


def _refuse(rung: str) -> None:
    """What falls short of memory is not what is compared."""
    raise MemoryError(rung)


if __name__ == "__main__":
    wanted = read_task(sys.argv[2])
    take_turns(wanted, lambda task: load(task, sys.argv[1]))

"""A contest's task by MONAI's SlidingWindowInferer over torch's eager mode: ``python -m MedDLLogic.bench.monai_way``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .turns import Work, read_task, take_turns


def load(task: dict[str, Any]) -> Work:
    """One window at a time, as MONAI's bundles have it, and argmax on the same grid."""
    import numpy as np
    import torch
    from monai.inferers.inferer import SlidingWindowInferer

    from ..models.loaders import load_network
    from ..models.registry import read_card
    from ..models.store import weights_file

    torch.set_num_threads(task["threads"])
    found = read_card(Path(task["card"]))
    (stage,) = found.card.network_stages
    network = load_network(stage, weights_file(found, stage), model=found.card.name, is_trusted=False)
    windows = 0

    def counted(patch: Any) -> Any:
        nonlocal windows
        windows += 1
        return network(patch)

    inferer = SlidingWindowInferer(task["patch_kji"], 1, task["overlap"], mode="gaussian")

    def work() -> tuple[Any, int]:
        nonlocal windows
        windows = 0
        with torch.inference_mode():
            volume = torch.from_numpy(np.load(task["voxels"]))[None]
            labels: Any = inferer(volume, counted)
        return labels[0].argmax(0).to(torch.uint8).numpy(), windows

    return work


if __name__ == "__main__":
    wanted = read_task(sys.argv[1])
    take_turns(wanted, load)

"""A contest's task by nnU-Net's own predictor: ``PEER_PYTHON nnunet_way.py TASK.json``. No MedDL package is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from turns import Work, read_task, take_turns  # type: ignore[import-not-found]


def load(task: dict[str, Any]) -> Work:
    """Sliding window over the prepared volume, without mirroring, and argmax on the same grid."""
    import numpy as np
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    torch.set_num_threads(task["threads"])
    predictor = nnUNetPredictor(
        tile_step_size=1 - task["overlap"], use_gaussian=True, use_mirroring=False, perform_everything_on_device=False,
        device=torch.device("cpu"), allow_tqdm=False,
    )  # fmt: skip
    predictor.initialize_from_trained_model_folder(task["foreign"], ("all",), "checkpoint_final.pth")
    predictor.network.load_state_dict(predictor.list_of_parameters[0])
    windows = 0

    def count(*_ignored: Any) -> None:
        nonlocal windows
        windows += 1

    predictor.network.register_forward_hook(count)

    def work() -> tuple[Any, int]:
        nonlocal windows
        windows = 0
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(np.load(task["voxels"])))
        return logits.argmax(0).to(torch.uint8).numpy(), windows

    return work


if __name__ == "__main__":
    found = read_task(sys.argv[1])
    take_turns(found, load)

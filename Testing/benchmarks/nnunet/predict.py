"""Predicts with nnU-Net's own code; run in a Python that has nnunetv2, not in ours.

``PEER_PYTHON predict.py MODEL CASES OUT [--mirror]`` writes ``OUT/CASE.nii.gz`` for each ``CASES/CASE_0000.nii.gz``,
with all folds of the results folder ``MODEL``, half-overlapping windows and Gaussian weights.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--folds", type=int, nargs="*", help="all by default")
    options = parser.parse_args()
    # Read when nnunetv2 is imported: its export would otherwise take eight threads, however many cores there are.
    os.environ.setdefault("nnUNet_def_n_proc", str(os.cpu_count()))

    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=options.mirror,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(options.model), options.folds and tuple(options.folds))
    options.out.mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(str(options.cases), str(options.out))


if __name__ == "__main__":
    sys.exit(main())

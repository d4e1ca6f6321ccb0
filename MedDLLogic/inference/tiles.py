"""A working volume through a network: whole, or in overlapping patches that are blended."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..models.card import Tiling
from .backend import Floats, OnProgress, Predictor
from .patches import Shape, tile_count

if TYPE_CHECKING:
    from torch import Tensor


def load_tiling(tiling: Tiling) -> None:
    """Import what patches need, which takes seconds, ahead of the first one."""
    if tiling.patch_kji is not None:
        importlib.import_module("monai.inferers.utils")


def predict_volume(
    predictor: Predictor,
    voxels: NDArray[np.float32],
    side: Mapping[str, Floats],
    tiling: Tiling,
    on_progress: OnProgress,
) -> Floats:
    """(channels, k, j, i) float32 activations of the (c, k, j, i) working volume.

    Progress is told per patch and within it; whatever ``on_progress`` raises stops the run.

    Raises
    ------
    MedDLError : E606 when an activation is not a finite number, else what the predictor raises.
    """
    import torch

    batch = torch.from_numpy(np.array(voxels[None], dtype=np.float32, order="C"))
    if tiling.patch_kji is None:
        found = predictor.predict(batch, side, on_progress)
    else:
        found = _predict_patches(predictor, batch, side, tiling, tiling.patch_kji, on_progress)
    activations = cast(Floats, found[0].float().cpu().numpy())
    if not np.isfinite(activations).all():
        raise MedDLError("E606", "model gave numbers that are not finite", "", "check intensities and model")
    return activations


def _predict_patches(
    predictor: Predictor,
    batch: Tensor,
    side: Mapping[str, Floats],
    tiling: Tiling,
    patch_kji: Shape,
    on_progress: OnProgress,
) -> Tensor:
    import torch
    from monai.inferers.utils import sliding_window_inference

    k, j, i = batch.shape[2:]
    count = tile_count((k, j, i), tiling)
    done = 0

    def predict_patch(patch: Tensor) -> Tensor:
        nonlocal done
        answer = predictor.predict(patch, side, lambda part: on_progress((done + part) / count))
        done += patch.shape[0]
        on_progress(done / count)
        return cast("Tensor", answer)

    with torch.inference_mode():  # blending writes into what the network gave
        blended = sliding_window_inference(
            batch,
            roi_size=patch_kji,
            sw_batch_size=1,
            predictor=predict_patch,
            overlap=tiling.overlap,
            mode=tiling.blend,
            sw_device=predictor.device,
            device="cpu",
        )
    return cast("Tensor", blended)

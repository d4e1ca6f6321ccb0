"""Archives of MONAIAuto3DSeg for Slicer with small random networks, and what Auto3DSeg's own chain makes of them."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .bundles import random_network

NETWORK = {
    "_target_": "SegResNetDS",
    "init_filters": 8,
    "blocks_down": [1, 1, 1],
    "norm": ["INSTANCE", {"affine": True}],
    "in_channels": 1,
    "out_channels": 3,
    "dsdepth": 2,
}
CONFIG = {
    "network": NETWORK,
    "bundle_root": "/train/segresnet_0",
    "modality": "ct",
    "sigmoid": False,
    "normalize_mode": "range",
    "intensity_bounds": [-250.0, 250.0],
    "orientation_ras": True,
    "crop_foreground": True,
    "resample_resolution": [3.0, 3.0, 6.0],
    "roi_size": [32, 32, 16],
    "extra_modalities": None,
    "class_names": ["liver", "spleen"],
    "class_index": None,
}
COLUMNS = ("LabelValue", "Name")
_SEQUENCES = (
    "SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence",
    "SegmentedPropertyTypeModifierCodeSequence", "AnatomicRegionSequence", "AnatomicRegionModifierSequence",
)  # fmt: skip
HEADER = ",".join(
    [*COLUMNS, *(f"{s}.{part}" for s in _SEQUENCES for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning"))]
)
ORGAN = "SCT,123037004,Anatomical Structure"
ROWS = (f"1,liver,{ORGAN},SCT,10200004,Liver", f"2,left kidney,{ORGAN},SCT,64033007,Kidney,SCT,7771000,Left,,,,,,")
BRATS = (
    f"1,necrosis,{ORGAN},SCT,6574001,Necrosis",
    f"2,edema,{ORGAN},SCT,79654002,Edema",
    f"3,enhancing,{ORGAN},SCT,1,Lesion",
)


def make_zip(path: Path, config: dict[str, Any] | None = None, rows: tuple[str, ...] = ROWS, folder: str = "") -> Path:
    """The archive; the checkpoint holds what Auto3DSeg writes beside the weights."""
    found = CONFIG if config is None else config
    checkpoint = {
        "config": found,
        "state_dict": random_network({"spatial_dims": 3, **found["network"]}).state_dict(),
        "epoch": 7,
        "best_metric": np.float64(0.9),
    }
    weights = path.with_suffix(".pt")
    torch.save(checkpoint, weights)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(weights, f"{folder}model.pt")
        archive.writestr(f"{folder}labels.csv", "\n".join((HEADER, *rows)) + "\n")
    weights.unlink()
    return path


def labels_of_monai(config: dict[str, Any], image: Path) -> tuple[np.ndarray, np.ndarray]:
    """(1, k, j, i) labels by MONAI's transforms in Auto3DSeg's order, and the array that the network was given."""
    from monai.data import decollate_batch, list_data_collate
    from monai.inferers import SlidingWindowInfererAdapt
    from monai.transforms import (
        AsDiscreted,
        Compose,
        CropForegroundd,
        Invertd,
        Lambdad,
        LoadImaged,
        Orientationd,
        ScaleIntensityRanged,
        Spacingd,
    )

    pixdim, (low, high) = np.array(config["resample_resolution"]), config["intensity_bounds"]
    chain = Compose([
        LoadImaged(keys="image", ensure_channel_first=True),
        Orientationd(keys="image", axcodes="RAS"),
        *([CropForegroundd(keys="image", source_key="image", margin=10, allow_smaller=True)] if config["crop_foreground"] else []),
        Spacingd(keys="image", pixdim=list(pixdim), min_pixdim=pixdim * 0.75, max_pixdim=pixdim * 1.25),
        ScaleIntensityRanged(keys="image", a_min=low, a_max=high, b_min=-1, b_max=1, clip=False),
        Lambdad(keys="image", func=torch.sigmoid),
    ])  # fmt: skip
    network = random_network({"spatial_dims": 3, **config["network"]})
    inferer = SlidingWindowInfererAdapt(roi_size=config["roi_size"], overlap=0.625, mode="gaussian")
    back = Compose([
        Invertd(keys="pred", orig_keys="image", transform=chain, nearest_interp=False),
        AsDiscreted(keys="pred", argmax=True),
    ])  # fmt: skip
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        batch = list_data_collate([chain({"image": str(image)})])
        given = batch["image"]
        batch["pred"] = torch.softmax(inferer(given, network), dim=1)
        found = back(decollate_batch(batch)[0])["pred"]
    return found.numpy().transpose(0, 3, 2, 1), given[0].numpy()

"""MONAI bundles in their true layout with small random networks, and what MONAI itself makes of them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

UNET = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8, 16],
    "strides": [2, 2],
    "num_res_units": 1,
    "norm": "batch",
}
PREPROCESSING = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": "@spacing", "mode": "bilinear"},
    {
        "_target_": "ScaleIntensityRanged",
        "keys": "image",
        "a_min": -57,
        "a_max": 164,
        "b_min": 0,
        "b_max": 1,
        "clip": True,
    },
    {"_target_": "EnsureTyped", "keys": "image"},
]
POSTPROCESSING = [
    {"_target_": "Activationsd", "keys": "pred", "softmax": True},
    {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    },
    {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
]
INFERER = {"_target_": "SlidingWindowInferer", "roi_size": [32, 32, 32], "sw_batch_size": 2, "overlap": 0.5}
METADATA = {
    "version": "0.5.9",
    "monai_version": "1.4.0",
    "task": "Spleen segmentation",
    "description": "A pre-trained model for the spleen",
    "authors": "MONAI team",
    "copyright": "Copyright (c) MONAI Consortium",
    "data_source": "Task09_Spleen.tar",
    "eval_metrics": {"mean_dice": 0.961},
    "intended_use": "This is an example, not to be used for diagnostic purposes",
    "references": ["Xia, Yingda, et al. 2018"],
    "network_data_format": {
        "inputs": {
            "image": {"type": "image", "modality": "CT", "num_channels": 1, "channel_def": {"0": "image"}},
        },
        "outputs": {"pred": {"channel_def": {"0": "background", "1": "spleen", "2": "left kidney"}}},
    },
}


def configuration(**changes: Any) -> dict[str, Any]:
    """``inference.json`` as the Model Zoo's bundles have it; ``changes`` take the place of what stands there."""
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/workspace/data",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "spacing": "$[1.5 * 2, 3.0, 4.0]",
        "network_def": UNET,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": PREPROCESSING},
        "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]", "transform": "@preprocessing"},
        "inferer": INFERER,
        "postprocessing": {"_target_": "Compose", "transforms": POSTPROCESSING},
        "evaluator": {"_target_": "SupervisedEvaluator", "network": "@network", "inferer": "@inferer", "amp": True},
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
        "run": ["$@evaluator.run()"],
    } | changes


def make_bundle(
    folder: Path,
    config: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    network: dict[str, Any] | None = None,
) -> Path:
    """The bundle's folder, with weights for its network, or for the one given where the configuration is hostile."""
    from monai.bundle import ConfigParser

    found = configuration() if config is None else config
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    ConfigParser.export_config_file(found, str(folder / "configs" / "inference.json"), indent=4)
    ConfigParser.export_config_file(metadata or METADATA, str(folder / "configs" / "metadata.json"), indent=4)
    (folder / "LICENSE").write_text("Apache License\n Version 2.0, January 2004\n", encoding="utf-8")
    (folder / "docs" / "data_license.txt").write_text("Third Party Licenses\n", encoding="utf-8")
    torch.save(random_network(network or found["network_def"]).state_dict(), folder / "models" / "model.pt")
    return folder


def random_network(described: dict[str, Any]) -> torch.nn.Module:
    """MONAI's network of that description, its weights the same every time, no class of its output far ahead."""
    from monai.networks import nets

    torch.manual_seed(3)
    arguments = {name: value for name, value in described.items() if not name.startswith("_")}
    network = getattr(nets, described["_target_"])(**arguments).eval()
    dimensions, channels = arguments.get("spatial_dims", 3), arguments["out_channels"]
    noise = torch.rand(1, arguments["in_channels"], *[32] * dimensions)
    with torch.no_grad():
        bias = [
            value for name, value in network.named_parameters() if name.endswith("bias") and len(value) == channels
        ][-1]
        bias -= network(noise).mean(dim=(0, *range(2, dimensions + 2)))
    return network


def small_image(source: Path, target: Path, size: int = 48) -> Path:
    """The middle of a NIfTI image, with its place in the patient."""
    import nibabel

    image = nibabel.load(source)
    middle = tuple(slice(max(0, (n - size) // 2), (n + size) // 2) for n in image.shape)
    nibabel.save(image.slicer[middle], target)
    return target


def labels_of_monai(bundle: Path, image: Path | list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """(channel, k, j, i) labels of MONAI's own components, and the (channel, ...) array that its network was given."""
    from monai.bundle import ConfigParser
    from monai.data import decollate_batch, list_data_collate

    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser["bundle_root"] = str(bundle)
    parts = parser["postprocessing"]["transforms"]
    parser["postprocessing"]["transforms"] = [part for part in parts if part["_target_"] != "SaveImaged"]
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    files = [str(path) for path in image] if isinstance(image, list) else str(image)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        batch = list_data_collate([parser.get_parsed_content("preprocessing")({"image": files})])
        given = batch["image"]
        batch["pred"] = parser.get_parsed_content("inferer")(given, network)
        found = parser.get_parsed_content("postprocessing")(decollate_batch(batch)[0])["pred"]
    return found.numpy().transpose(0, 3, 2, 1), given[0].numpy()


def changed(part: list[dict[str, Any]], target: str, **arguments: Any) -> list[dict[str, Any]]:
    """The transforms, that one with other arguments; None takes an argument away."""
    found = json.loads(json.dumps(part))
    for transform in found:
        if transform["_target_"] == target:
            transform.update(arguments)
    return [{name: value for name, value in transform.items() if value is not None} for transform in found]


def composed(*transforms: Any) -> dict[str, Any]:
    """A ``Compose`` of the transforms."""
    return {"_target_": "Compose", "transforms": list(transforms)}

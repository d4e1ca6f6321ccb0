"""A network that has learned something, and a volume for it: what engines are compared on.

``python -m Testing.benchmarks.phantom_network OUT`` trains nnU-Net's PlainConvUNet (16 to 256 features, 5 classes) for
some minutes on made-up volumes, and leaves ``OUT/nnunet``, a results folder in nnU-Net's layout with fold ``all``, and
``OUT/volume.npy``, (1, 192, 192, 160) float32. Random weights would not do: their classes nearly tie everywhere, so
that the smallest rounding changes labels. It learns from made-up data what made-up data are like, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from MedDLLogic.models.nets.plain_conv_unet import PlainConvUNet
from Testing.models.imports.nnunet_files import saved_twice

FEATURES = (16, 32, 64, 128, 256)
CLASSES = 5
PATCH = (96, 96, 96)
TRAINED_ON = (32, 32, 32)
VOLUME = (192, 192, 160)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--iterations", type=int, default=300)
    options = parser.parse_args()
    network = trained(options.iterations)
    write_folder(options.out / "nnunet", network.state_dict())
    np.save(options.out / "volume.npy", phantom(VOLUME, np.random.default_rng(7))[0][None])


def make_network() -> PlainConvUNet:
    """The network with fresh weights, as nnU-Net would make it from the plans of ``write_folder``."""
    levels = len(FEATURES)
    return PlainConvUNet(
        dimensions=3,
        in_channels=1,
        out_channels=CLASSES,
        features=FEATURES,
        kernels=((3, 3, 3),) * levels,
        strides=((1, 1, 1), *((2, 2, 2),) * (levels - 1)),
        convolutions=(2,) * levels,
        decoder_convolutions=(2,) * (levels - 1),
        bias=True,
    )


def phantom(shape_kji: tuple[int, int, int], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Image (k, j, i) float32 of mean 0 and deviation 1, and its classes: lumps of tissue of several sizes, with noise."""
    fields = [_lumps(shape_kji, size, random) for size in (10.0, 6.0, 4.0, 4.0)]
    labels = np.zeros(shape_kji, dtype=np.int64)
    labels[fields[0] > 0.2] = 1
    labels[(fields[0] > 0.2) & (fields[1] > 0.5)] = 2
    labels[(fields[0] > 0.2) & (fields[2] > 1.0)] = 3
    labels[(fields[0] <= 0.2) & (fields[3] > 1.2)] = 4
    levels = np.array([0.0, 1.0, 2.0, 3.0, 1.5])
    image = ndimage.gaussian_filter(levels[labels], 0.7) + random.normal(0, 0.4, shape_kji)
    return ((image - image.mean()) / image.std()).astype(np.float32), labels


def trained(iterations: int) -> PlainConvUNet:
    """The network after that many steps of one patch each."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    network = make_network().train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    for step in range(iterations):
        image, labels = phantom(TRAINED_ON, random)
        loss = torch.nn.functional.cross_entropy(
            network(torch.from_numpy(image)[None, None]), torch.from_numpy(labels)[None]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 0:
            sys.stderr.write(f"step {step} loss {loss.item():.3f}\n")
    return network.eval()


def write_folder(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """A results folder as nnU-Net leaves it, with the parts that its predictor reads."""
    folder = folder / "Dataset900_Phantom" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (folder / "fold_all").mkdir(parents=True, exist_ok=True)
    names = ["background", "tissue", "core", "cyst", "node"]
    dataset = {
        "channel_names": {"0": "MR"},
        "labels": {name: value for value, name in enumerate(names)},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "plans.json").write_text(json.dumps(_plans()))
    checkpoint = {
        "network_weights": saved_twice(state),
        "current_epoch": 1,
        "init_args": {"plans": {}, "configuration": "3d_fullres", "fold": "all", "dataset_json": {}},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }
    torch.save(checkpoint, folder / "fold_all" / "checkpoint_final.pth")


def _plans() -> dict:
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    levels = len(FEATURES)
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(PATCH),
        "median_image_size_in_voxels": list(VOLUME),
        "spacing": [1.0, 1.0, 1.0],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": levels,
                "features_per_stage": list(FEATURES),
                "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [[3, 3, 3]] * levels,
                "strides": [[1, 1, 1], *[[2, 2, 2]] * (levels - 1)],
                "n_conv_per_stage": [2] * levels,
                "n_conv_per_stage_decoder": [2] * (levels - 1),
                "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    return {
        "dataset_name": "Dataset900_Phantom",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": list(VOLUME),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": dict.fromkeys(("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std"), 0.0)
        },
    }


def _lumps(shape_kji: tuple[int, int, int], size: float, random: np.random.Generator) -> np.ndarray:
    field = ndimage.gaussian_filter(random.normal(size=shape_kji), size, mode="wrap")
    return field / field.std()


if __name__ == "__main__":
    main()

"""Results folders as nnU-Net v2 writes them, with small networks of a fixed seed."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path

SAMPLER = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
}
STATISTICS = {"mean": 40.0, "std": 20.0, "percentile_00_5": -100.0, "percentile_99_5": 200.0, "median": 38.0}
LABELS = {"background": 0, "liver": 1, "kidney_left": 2}
REGIONS = {"background": 0, "whole": [1, 2], "core": 2}
MIRRORED = {2: (0, 1), 3: (0, 1, 2)}


def plans_json(**changes):
    """plans.json of a CT dataset with the configurations 2d, 3d_fullres and a cascade; ``changes`` go into each."""
    full = configuration(3) | changes
    cascade = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    return {
        "dataset_name": "Dataset602_Made",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration(2) | changes, "3d_fullres": full, "3d_cascade_fullres": cascade},
        "foreground_intensity_properties_per_channel": {"0": STATISTICS, "1": STATISTICS},
    }


def configuration(dimensions, network="PlainConvUNet"):
    return SAMPLER | {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": [8, 16, 16][-dimensions:],
        "spacing": [2.0, 1.0, 1.5][-dimensions:],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": architecture(dimensions, network),
    }


def architecture(dimensions, network="PlainConvUNet"):
    depth = {"PlainConvUNet": "n_conv_per_stage", "ResidualEncoderUNet": "n_blocks_per_stage"}[network]
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
        "arch_kwargs": {
            "n_stages": 2,
            "features_per_stage": [4, 6],
            "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
            "kernel_sizes": [[3] * dimensions] * 2,
            "strides": [[1] * dimensions, [2] * dimensions],
            depth: [1, 2],
            "n_conv_per_stage_decoder": [1],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def old_configuration():
    """A configuration as the first plans of nnU-Net v2 describe it."""
    old = configuration(3)
    del old["architecture"]
    return old | {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 6,
        "n_conv_per_stage_encoder": [1, 2],
        "n_conv_per_stage_decoder": [1],
        "num_pool_per_axis": [1, 1, 1],
        "conv_kernel_sizes": [[3, 3, 3]] * 2,
        "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2]],
    }


def dataset_json(labels=LABELS, channels=("CT",), **more):
    names = {str(n): name for n, name in enumerate(channels)}
    return {"channel_names": names, "labels": dict(labels), "file_ending": ".nii.gz"} | more


def network_for(plans, name, channels_in, channels_out, seed=0):
    """MedDL's own network for a configuration, with weights that make every class win somewhere."""
    import torch

    from MedDLLogic.models.imports.nnunet_network import network_of
    from MedDLLogic.models.imports.nnunet_plans import read_plans
    from MedDLLogic.models.networks import build_network

    described = network_of(read_plans(json.dumps(plans), name).configuration, channels_in, channels_out)
    torch.manual_seed(seed)
    return build_network(described.architecture, described.parameters).eval()


def saved_twice(state):
    """The table of weights with the second names under which nnU-Net's modules hold the same layers."""
    whole = dict(state)
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        before, _, own = layer.rpartition(".")
        if own in ("conv", "norm"):
            whole[f"{before}.all_modules.{int(own == 'norm')}.{kind}"] = tensor
    return whole | {f"decoder.{name}": tensor for name, tensor in whole.items() if name.startswith("encoder.")}


def checkpoint_of(state, name, dimensions, **changes):
    """What nnU-Net's trainer saves, numpy numbers included."""
    import numpy as np
    import torch

    begun_with = {"configuration": name, "fold": 0, "plans": {}, "dataset_json": {}, "device": torch.device("cpu")}
    return {
        "network_weights": saved_twice(state),
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.01}]},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float32(0.5), np.float64(0.6)], "epoch_start_timestamps": [1.0]},
        "_best_ema": np.float32(0.5),
        "current_epoch": 1,
        "init_args": begun_with,
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": MIRRORED[dimensions],
    } | changes


def write_results(
    root, name="3d_fullres", *, plans=None, dataset=None, folds=("0",), file="checkpoint_final.pth", **changes
):
    """A results folder below ``root`` with one checkpoint a fold; returns it. ``changes`` go into the checkpoints."""
    import torch

    plans, dataset = plans or plans_json(), dataset or dataset_json()
    folder = Path(root) / "Dataset602_Made" / f"nnUNetTrainer__nnUNetPlans__{name}"
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    outputs = len(dataset["labels"]) - ("ignore" in dataset["labels"]) - ("regions_class_order" in dataset)
    inner = "3d_fullres" if "cascade" in name else name
    for seed, fold in enumerate(folds):
        state = network_for(plans, inner, len(dataset["channel_names"]), outputs, seed).state_dict()
        (folder / f"fold_{fold}").mkdir()
        dimensions = len(plans["configurations"][inner]["patch_size"])
        torch.save(checkpoint_of(state, name, dimensions, **changes), folder / f"fold_{fold}" / file)
    return folder


def zipped(folder, path):
    """The folder's files in an archive, as nnUNetv2_export_model_to_zip makes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(Path(folder).rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def changed(plans, name, **changes):
    """A copy of the plans with some arguments of a configuration's network changed; None takes one away."""
    plans = copy.deepcopy(plans)
    arguments = plans["configurations"][name]["architecture"]["arch_kwargs"]
    arguments |= changes
    return plans

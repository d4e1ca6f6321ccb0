"""Trains a small model with nnU-Net's own code; run in a Python that has nnunetv2, not in ours.

``PEER_PYTHON train.py OUT --data hippocampus --images FOLDER --configuration 3d_fullres`` leaves the results folder
that nnU-Net writes, with its checkpoints, in ``OUT/results/Dataset.../...`` and cases it was not trained on in
``OUT/cases/CASE_0000.nii.gz``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

TRAINED, KEPT_BACK = 8, 3
ITERATIONS = 12
SMALLEST_FEATURES = 8
DATASET_ID = 601
WORKERS = "nnUNet_n_proc_DA"
PATCHES = {"hippocampus": (24, 32, 24), "phantom": (16, 32, 32)}


def main() -> None:
    options = _options()
    out = options.out.resolve()
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(out / name)
        (out / name).mkdir(parents=True, exist_ok=True)
    os.environ |= {WORKERS: "1", "nnUNet_compile": "f"}
    dataset = f"Dataset{DATASET_ID}_{options.data.capitalize()}"
    raw = out / "raw" / dataset
    if options.data == "hippocampus":
        _write_hippocampus(raw, out / "cases", options.images)
    else:
        _write_phantoms(raw, out / "cases", in_regions=options.regions)
    plans = _planned(dataset, options)
    os.environ |= {WORKERS: "0"}  # augmentation in this process: no pool for a few patches
    for fold in range(options.folds):
        _train(plans, dataset, fold, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", choices=("hippocampus", "phantom"), default="hippocampus")
    parser.add_argument("--images", type=Path, help="folder with images/ and labels/ of the hippocampus")
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--planner", default="ExperimentPlanner", help="nnUNetPlannerResEncM for residual encoders")
    parser.add_argument("--regions", action="store_true", help="train the phantom's labels as regions that overlap")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--folds", type=int, default=2)
    return parser.parse_args()


# -- data --------------------------------------------------------------------------------------------


def _write_hippocampus(raw: Path, cases: Path, source: Path) -> None:
    images = sorted((source / "images").glob("*.nii.gz"))
    for path in images[:TRAINED]:
        name = path.name.removesuffix(".nii.gz")
        _write_case(raw, name, [sitk.ReadImage(str(path))], sitk.ReadImage(str(source / "labels" / path.name)))
    for path in images[-KEPT_BACK:]:
        _write(sitk.ReadImage(str(path)), cases / path.name.replace(".nii.gz", "_0000.nii.gz"))
    _write_json(raw, {"0": "MRI"}, {"background": 0, "anterior": 1, "posterior": 2}, ())


def _write_phantoms(raw: Path, cases: Path, *, in_regions: bool) -> None:
    """Two channels, planes of 5 mm that lie along the array's last axis, a frame of zeros, spacings that vary."""
    for number in range(TRAINED + KEPT_BACK):
        channels, label = _phantom(number)
        name = f"phantom_{number:03d}"
        if number < TRAINED:
            _write_case(raw, name, channels, label)
        else:
            for channel, image in enumerate(channels):
                _write(image, cases / f"{name}_{channel:04d}.nii.gz")
    inner = {"whole": [1, 2], "core": 2} if in_regions else {"shell": 1, "core": 2}
    _write_json(raw, {"0": "CT", "1": "PET"}, {"background": 0, **inner}, (1, 2) if in_regions else ())


def _phantom(number: int) -> tuple[list[sitk.Image], sitk.Image]:
    rng = np.random.default_rng(number)
    spacing_ijk = (5.0 + 0.5 * (number % 3), 1.0 + 0.1 * (number % 2), 1.0)
    shape_kji = (56, 60, 18)
    places_mm = np.indices(shape_kji) * np.reshape(spacing_ijk[::-1], (3, 1, 1, 1))
    center_mm = places_mm.reshape(3, -1).max(axis=1) / 2 + rng.uniform(-4, 4, 3)
    away_mm = np.linalg.norm(places_mm - center_mm.reshape(3, 1, 1, 1), axis=0)
    label = (away_mm < 20).astype(np.uint8) + (away_mm < 11)
    ct = np.choose(label, (-80.0, 40.0, 160.0)) + rng.normal(0, 30, shape_kji)
    pet = np.choose(label, (1.0, 2.0, 6.0)) + rng.normal(0, 0.5, shape_kji)
    body = np.zeros(shape_kji, dtype=bool)
    body[3:-4, 5:-2, 1:-1] = True
    return [_image(np.where(body, v, 0), spacing_ijk) for v in (ct, pet)], _image(label, spacing_ijk)


def _image(voxels: np.ndarray, spacing_ijk: tuple[float, ...]) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels.astype(np.uint8 if voxels.dtype == np.uint8 else np.float32))
    image.SetSpacing(spacing_ijk)
    return image


def _write_case(raw: Path, name: str, channels: list[sitk.Image], label: sitk.Image) -> None:
    for number, channel in enumerate(channels):
        _write(channel, raw / "imagesTr" / f"{name}_{number:04d}.nii.gz")
    _write(sitk.Cast(label, sitk.sitkUInt8), raw / "labelsTr" / f"{name}.nii.gz")


def _write(image: sitk.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def _write_json(raw: Path, channels: dict[str, str], labels: dict[str, object], order: tuple[int, ...]) -> None:
    content: dict[str, object] = {"channel_names": channels, "labels": labels, "numTraining": TRAINED}
    if order:
        content["regions_class_order"] = order
    (raw / "dataset.json").write_text(json.dumps(content | {"file_ending": ".nii.gz"}), encoding="utf-8")


# -- nnU-Net -----------------------------------------------------------------------------------------


def _planned(dataset: str, options: argparse.Namespace) -> str:
    """The identifier of nnU-Net's own plans, with a network and patches small enough for a processor."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([DATASET_ID], num_processes=1)
    name = api.plan_experiments([DATASET_ID], options.planner)
    path = options.out.resolve() / "preprocessed" / dataset / f"{name}.json"
    plans = json.loads(path.read_text(encoding="utf-8"))
    for configuration in plans["configurations"].values():
        if "architecture" in configuration:
            _shrink(configuration, PATCHES[options.data])
    path.write_text(json.dumps(plans), encoding="utf-8")
    api.preprocess([DATASET_ID], name, (options.configuration,), (1,))
    return name


def _shrink(configuration: dict[str, object], patch: tuple[int, ...]) -> None:
    """Two halvings are left in each axis, so that patches smaller than the images can be taken."""
    arguments = configuration["architecture"]["arch_kwargs"]
    stages = min(3, arguments["n_stages"])
    for name, value in arguments.items():
        if isinstance(value, list):
            arguments[name] = value[: stages - 1 if name == "n_conv_per_stage_decoder" else stages]
    arguments["n_stages"] = stages
    arguments["features_per_stage"] = [SMALLEST_FEATURES * 2**stage for stage in range(stages)]
    configuration["patch_size"] = list(patch[-len(configuration["patch_size"]) :])
    configuration["batch_size"] = 2


def _train(plans: str, dataset: str, fold: int, options: argparse.Namespace) -> None:
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    torch.manual_seed(fold)
    np.random.seed(fold)  # noqa: NPY002 - what nnU-Net's augmentation draws from
    trainer = get_trainer_from_args(
        dataset, options.configuration, fold, "nnUNetTrainer", plans, device=torch.device("cpu")
    )
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = (
        options.epochs, ITERATIONS, 2,
    )  # fmt: skip
    trainer.run_training()


if __name__ == "__main__":
    sys.exit(main())

"""Models in nnU-Net's layout, run by MedDL and by nnU-Net's way written down plainly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from Testing.benchmarks.nnunet.dense import Model, labels, logits

from .nnunet_files import REGIONS, STATISTICS, architecture, dataset_json, network_for, plans_json, write_results

SPACING_KJI = (1.6, 1.2, 1.1)


@dataclass(frozen=True)
class Case:
    """What is special about one model."""

    configuration: str = "3d_fullres"
    changes: dict = field(default_factory=dict)
    transpose: tuple[int, int, int] = (0, 1, 2)
    folds: tuple[str, ...] = ("0",)
    mirroring: bool = False
    labels: dict | None = None
    spacing_kji: tuple[float, float, float] = SPACING_KJI
    is_thick: bool = False


CASES = {
    "plain": Case(),
    "ensemble mirrored": Case(folds=("0", "1"), mirroring=True),
    "planes": Case("2d", mirroring=True),
    "residual": Case(changes={"architecture": architecture(3, "ResidualEncoderUNet")}),
    "transposed": Case(transpose=(2, 0, 1), changes={"normalization_schemes": ["ZScoreNormalization"]}),
    "regions": Case(labels=REGIONS),
    "thick planes": Case(changes={"spacing": [4.0, 1.0, 1.5]}, spacing_kji=(5.0, 1.2, 1.1), is_thick=True),
    "thick planes across": Case(
        changes={"spacing": [4.0, 1.0, 1.5]}, transpose=(2, 0, 1), spacing_kji=(1.2, 1.1, 5.0), is_thick=True
    ),
    "smaller than a patch": Case(changes={"patch_size": [32, 48, 40]}),
}


def agreement(case: Case, folder: Path) -> float:
    """Lowest Dice of a segment between the two ways; a segment that neither finds does not count."""
    plans = plans_json(**case.changes) | {"transpose_forward": list(case.transpose)}
    if case.changes:
        del plans["configurations"]["2d"]
    regions = {"regions_class_order": [1, 2]} if case.labels else {}
    dataset = dataset_json(case.labels, **regions) if case.labels else dataset_json()
    root = write_results(folder, case.configuration, plans=plans, dataset=dataset, folds=case.folds)
    image = an_image(case.spacing_kji)
    ours, theirs = _by_meddl(root, case, image), _plainly(plans, case, image)
    return min(_dice(ours[name], mask) for name, mask in theirs.items() if mask.any() or ours[name].any())


def an_image(spacing_kji=SPACING_KJI):
    """(k, j, i) noise that is smooth, in a frame of zeros."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(np.random.default_rng(3).normal(0, 1, (19, 30, 34)), 2)
    voxels = (300 * smooth / smooth.std() + 40).astype(np.float32)
    voxels[0], voxels[:, :2], voxels[:, :, -3:] = 0, 0, 0
    return Image(voxels[None], Geometry(voxels.shape, np.diag([*spacing_kji[::-1], 1.0])), modality="CT")


def _by_meddl(root, case, image):
    import MedDLLogic
    from MedDLLogic.models.imports.importing import import_model
    from MedDLLogic.models.own import keep

    name = root.parents[1].name.replace(" ", "-")
    foreign = import_model(root, name)
    keep(foreign.card, foreign.files)
    result = MedDLLogic.segment(
        image, model=name, device="cpu", precision="reference", backend="torch", mirroring=case.mirroring
    )
    return {segment.id: result.mask_of(segment.id) for segment in foreign.card.segments}


def _plainly(plans, case, image):
    names = list(case.labels or {"background": 0, "liver": 1, "kidney_left": 2})[1:]
    outputs = len(names) + (not case.labels)
    modules = [network_for(plans, case.configuration, 1, outputs, seed) for seed in range(len(case.folds))]
    configuration = plans["configurations"][case.configuration]
    axes = tuple(range(len(configuration["patch_size"]))) if case.mirroring else ()
    model = Model(modules, configuration, STATISTICS, case.transpose, axes, case.is_thick)
    if case.labels:
        found = np.nan_to_num(logits(model, image.voxels[0], case.spacing_kji), nan=-1.0)
        return {name: found[number] > 0 for number, name in enumerate(names)}
    found = labels(model, image.voxels[0], case.spacing_kji)
    return {name: found == number for number, name in enumerate(names, start=1)}


def _dice(one, other):
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))

"""Documents of every sort, as a user or another program would write them."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

from MedDLLogic.recipe import Step

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
SCHEMA_FOLDER = RESOURCES / "schemas"
CARDS = sorted((RESOURCES / "Models").glob("*.json"))

STEPS = [
    {"kind": "orient", "codes": "RAS"},
    {"kind": "resample_to_spacing", "spacing_ijk_mm": [1, 1.0, 2.5], "interpolation": "cubic"},
    {"kind": "resample_to_shape", "shape_kji": [64, 128, 128]},
    {"kind": "resample_to_longest", "longest": 256},
    {"kind": "crop_to_mask", "mask": "brain", "margin_fraction": 0.1},
    {"kind": "crop_to_box", "start_kji": [-3, 0, 5], "shape_kji": [32, 32, 32]},
    {"kind": "pad", "multiple": 16},
    {"kind": "flip", "axes": ["i", "k"]},
    {"kind": "rotate", "degrees_ijk": [0, 0, 12.5]},
    {"kind": "foreground", "above": None},
    {"kind": "apply_mask"},
    {"kind": "window", "low": -160, "high": 240},
    {"kind": "display_window", "ct_high": 300},
    {"kind": "percentile"},
    {"kind": "zscore", "mask": "foreground"},
    {"kind": "minmax"},
    {"kind": "linear", "scale": 0.226, "shift": 0.449},
    {"kind": "suppress_bright"},
    {"kind": "n4", "iterations": [50, 30]},
    {"kind": "gaussian", "sigma_mm": 1.5},
    {"kind": "median", "radius_voxels": 2},
    {"kind": "curvature_diffusion"},
    {"kind": "clahe", "tiles": 4},
    {"kind": "sharpen"},
    {"kind": "resample_from_first", "spacing_ijk_mm": [1.5, 1.5, 0], "tolerance": 0.01},
    {"kind": "resample_in_box", "spacing_ijk_mm": [1, 1, 3], "apart_above": None},
    {"kind": "transpose", "axes": ["k", "i", "j"]},
    {"kind": "nonzero", "filled": True},
    {"kind": "clip", "low": -1, "high": 1.5, "channels": [0, 2]},
    {"kind": "zscore_nonzero"},
    {"kind": "deviations_above_minimum", "channels": [1]},
    {"kind": "sigmoid"},
    {"kind": "soft_limit", "limit": 5},
]
BY_KIND = {step["kind"]: step for step in STEPS}

INPUT = {"path": "head.nii.gz", "lps_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 5.5], [0, 0, 0, 1]]}
BOX = {"min_lps_mm": [-50, -50, 0], "max_lps_mm": [50, 50, 80.5]}

PROMPT = {"corner_lps_mm": [-20, -30.5, 12], "opposite_lps_mm": [40, 35, 12], "segment": "liver"}

JOBS = [
    {"task": "segment", "inputs": {"t1": INPUT}, "card": {"name": "brain-t1"}, "roi": BOX, "nan_fill": 0, "seed": 3},
    {"task": "segment", "inputs": {"image": INPUT}, "card": {"name": "lite-medsam"}, "prompts": [PROMPT]},
    {"task": "preprocess", "inputs": {"image": {"handle": "ab" * 32}}, "recipe": {"steps": STEPS[:3]}, "output": {}},
]

EVENTS = [
    {"kind": "started", "case": "case-1", "stages": ["read", "brain"]},
    {"kind": "progress", "case": "case-1", "stage": "brain", "fraction": 0.25, "remaining_s": None},
    {"kind": "warning", "case": "case-1", "code": "E331", "message": "the model wants MR"},
    {"kind": "finished", "case": "case-1", "outputs": {"segmentation": "case-1.seg.nrrd"}},
    {"kind": "failed", "case": "case-1", "code": "E305", "message": "data cut short"},
    {"kind": "cancelled", "case": "case-1"},
]

CARD = {
    "name": "two-rings",
    "version": "1",
    "title": "Rings",
    "description": "Two rings, for tests.",
    "task": "segment",
    "anatomy": ["phantom"],
    "inputs": [{"role": "t1", "modality": "MR", "description": "any"}],
    "stages": [
        {
            "kind": "network",
            "name": "ring",
            "inputs": ["t1"],
            "recipe": [BY_KIND["orient"], BY_KIND["foreground"], BY_KIND["zscore"]],
            "network": {
                "format": "safetensors",
                "architecture": "UNet",
                "parameters": {"channels": [8, 16], "res": True},
            },
            "weights": {"source": {"kind": "file", "path": "w"}, "sha256": "0" * 64, "size_bytes": 9},
            "decode": {
                "rule": "argmax",
                "channels": ["", "ring"],
                "activation": "softmax",
                "no_background_in": {"mask": "foreground"},
            },
            "tiling": {"patch_kji": [32, 32, 32]},
            "postprocess": [
                {"kind": "largest_component"},
                {"kind": "fill_holes", "segments": ["ring"]},
                {"kind": "remove_small", "min_volume_mm3": 20},
                {"kind": "smooth", "sigma_mm": 1},
            ],
        },
        {"kind": "card", "name": "again", "card": "brain-t1", "inputs": {"t1": {"role": "t1", "within": "ring"}}},
    ],
    "segments": [
        {
            "id": "ring",
            "name": "Ring",
            "value": 1,
            "color": [200, 10, 10],
            "terminology": {
                "category": {"scheme": "SCT", "value": "123037004", "meaning": "Anatomical Structure"},
                "type": {"scheme": "SCT", "value": "12738006", "meaning": "Brain"},
            },
        }
    ],
    "license": {"expression": "CC0-1.0", "covers": "weights"},
    "citation": [],
    "intended_use": "tests",
    "performance": [{"measure": "Dice", "value": 1, "data": "phantom"}],
}

SAMPLES: dict[str, list[Any]] = {"job": JOBS, "recipe": [{"steps": STEPS}], "card": [CARD], "event": EVENTS}


def all_kinds() -> set[str]:
    """The ``kind`` of every preprocessing step there is."""
    return {step.kind for step in typing.get_args(Step)}

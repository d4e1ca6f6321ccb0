"""Models small enough for tests, made as a user would add them: a card as JSON with weights beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image

EMPTY_CARD = {
    "version": "1.0",
    "description": "for tests",
    "task": "segment",
    "anatomy": ["phantom"],
    "license": {"expression": "Apache-2.0", "covers": "everything"},
    "citation": [],
    "intended_use": "tests",
}


def card_json(name, *, inputs, stages, segments):
    return EMPTY_CARD | {"name": name, "title": name, "inputs": inputs, "stages": stages, "segments": segments}


def input_json(role, modality="MR", **more):
    return {"role": role, "modality": modality, "description": "a phantom"} | more


def segment_json(name, value=1, layer=0, color=(255, 0, 0)):
    return {"id": name, "name": name, "value": value, "layer": layer, "color": list(color)}


def local_weights(path):
    content = path.read_bytes()
    source = {"kind": "file", "path": path.name}
    return {"source": source, "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def save_card(folder, card):
    path = Path(folder) / f"{card['name']}.json"
    path.write_text(json.dumps(card), encoding="utf-8")
    return path


def make_bright_card(folder, *, name="bright", recipe=(), decode=None, postprocess=(), tiling=None):
    """A TorchScript program whose second channel is the first input channel itself: it finds what is above 0.5."""
    import torch

    class Bright(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            first = image[:, :1]
            return torch.cat([1 - first, first], dim=1)

    weights = Path(folder) / f"{name}.ts"
    torch.jit.script(Bright()).save(str(weights))
    stage = {
        "kind": "network",
        "name": "find",
        "inputs": ["image"],
        "recipe": list(recipe),
        "network": {"format": "torchscript"},
        "weights": local_weights(weights),
        "decode": decode or {"rule": "threshold", "channels": ["", "bright"]},
        "postprocess": list(postprocess),
    } | ({"tiling": tiling} if tiling else {})
    return save_card(
        folder,
        card_json(
            name, inputs=[input_json("image", in_patient=False)], stages=[stage], segments=[segment_json("bright")]
        ),
    )


UNET = {"spatial_dims": 3, "in_channels": 2, "out_channels": 3, "channels": [4, 8], "strides": [2]}


def make_unet_card(folder, *, name="two-channels", roles=("first", "second"), seed=7):
    """A MONAI U-Net with safetensors weights of a fixed seed, two channels in, two segments out, run in patches."""
    import torch
    from monai.networks.nets import UNet
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    weights = Path(folder) / f"{name}.safetensors"
    save_file(UNet(**UNET).state_dict(), str(weights))
    stage = {
        "kind": "network",
        "name": "divide",
        "inputs": list(roles),
        "recipe": [{"kind": "orient", "codes": "RAS"}, {"kind": "zscore"}],
        "network": {"format": "safetensors", "architecture": "monai.UNet", "parameters": UNET},
        "weights": local_weights(weights),
        "tiling": {"patch_kji": [16, 16, 16], "overlap": 0.25},
        "decode": {"rule": "argmax", "activation": "softmax", "channels": ["", "one", "two"]},
    }
    segments = [segment_json("one", 1), segment_json("two", 300, color=(0, 0, 255))]
    return save_card(
        folder, card_json(name, inputs=[input_json(role) for role in roles], stages=[stage], segments=segments)
    )


def ball(shape_kji=(24, 28, 20), spacing_ijk_mm=(1.0, 1.0, 2.0), radius_mm=7.0, geometry=None):
    """An image whose value is 1 within a ball around its center and 0 elsewhere, with a soft rim; (image, inside)."""
    geometry = geometry or Geometry(shape_kji, np.diag([*spacing_ijk_mm, 1.0]))
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.shape_kji), indexing="ij")
    points = geometry.lps_of(np.stack([i.ravel(), j.ravel(), k.ravel()], axis=1))
    away_mm = np.linalg.norm(points - geometry.center_lps_mm, axis=1).reshape(geometry.shape_kji)
    soft = np.clip((radius_mm - away_mm) / 2 + 0.5, 0, 1).astype(np.float32)
    return Image(soft[None], geometry, modality="MR"), soft > 0.5


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A MEDDL_HOME of the test's own."""
    home = tmp_path / "home"
    monkeypatch.setenv("MEDDL_HOME", str(home))
    return home


@pytest.fixture
def bright_card(own_home, tmp_path):
    """The card file of a trusted model that finds bright voxels."""
    from MedDLLogic.models.registry import read_card
    from MedDLLogic.models.store import trust

    path = make_bright_card(tmp_path)
    trust(stage.weights.sha256 for stage in read_card(path).card.network_stages)
    return path


@pytest.fixture
def unet_card(own_home, tmp_path):
    """The card file of a U-Net for two channels, JSON and safetensors alone."""
    return make_unet_card(tmp_path)

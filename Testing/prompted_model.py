"""A model that draws what is bright in a box, small enough for tests."""

from __future__ import annotations

import pytest

from .small_models import card_json, input_json, local_weights, save_card, segment_json

EDGE = 32


def make_box_card(folder, *, name="box", longest=EDGE, plane=None):
    """One TorchScript program in both halves: without a box it gives the plane back, with one a logit for each pixel."""
    import torch

    class BrightInBox(torch.nn.Module):
        def forward(self, plane: torch.Tensor, box: torch.Tensor | None = None) -> torch.Tensor:
            if box is None:
                return plane
            i, j = torch.arange(plane.shape[3]), torch.arange(plane.shape[2])[:, None]
            first, last = box[:, :2] - 0.5, box[:, 2:] + 0.5
            inside = (i >= first[0, 0]) & (j >= first[0, 1]) & (i <= last[0, 0]) & (j <= last[0, 1])
            return torch.where(inside & (plane > 0.5), 8.0, -8.0)

    weights = folder / f"{name}.ts"
    torch.jit.script(BrightInBox()).save(str(weights))
    program = {"format": "torchscript", "dimensions": 2}
    pad = {"kind": "pad", "min_shape_kji": [1, EDGE, EDGE], "at": "end"}
    stage = {
        "kind": "network",
        "name": "draw",
        "inputs": ["image"],
        "recipe": [],
        "network": program,
        "weights": local_weights(weights),
        "tiling": {"patch_kji": [1, EDGE, EDGE]},
        "decode": {"rule": "threshold", "activation": "sigmoid", "channels": ["object"]},
        "prompts": {
            "plane": plane or [{"kind": "resample_to_longest", "longest": longest}, pad],
            "decoder": program | {"side_inputs": ["box_ijij"]},
        },
    }
    inputs = [input_json("image", "any", in_patient=False)]
    return save_card(folder, card_json(name, inputs=inputs, stages=[stage], segments=[segment_json("object")]))


def trusted_box_card(folder, **options):
    from MedDLLogic.models.registry import read_card
    from MedDLLogic.models.store import trust

    path = make_box_card(folder, **options)
    trust(stage.weights.sha256 for stage in read_card(path).card.network_stages)
    return path


@pytest.fixture
def box_card(own_home, tmp_path):
    """The card file of a trusted model that draws what is bright in a box."""
    return trusted_box_card(tmp_path)

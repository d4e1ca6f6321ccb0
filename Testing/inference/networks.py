"""Small networks for the tests of engines, with weights of a fixed seed, and their graphs."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import torch

from MedDLLogic.inference.graph_export import export_for
from MedDLLogic.inference.openvino_backend import OpenVinoPredictor
from MedDLLogic.models.card import Network

VOLUMES, PLANES = Network("torchscript"), Network("torchscript", dimensions=2)
SHAPE = (16, 24, 32)


@cache
def unet(dimensions=3):
    """A MONAI U-Net with instance norms, one channel in, three out."""
    from monai.networks.nets import UNet

    torch.manual_seed(7)
    return UNet(dimensions, 1, 3, (8, 16, 32), (2, 2), num_res_units=1).eval()


@cache
def graph(shape_kji=SHAPE, dimensions=3):
    network = VOLUMES if dimensions == 3 else PLANES
    return export_for(unet(dimensions), network, 1, shape_kji, lambda made: on_openvino(made, network)).graph


def on_openvino(content, network=VOLUMES, precision="exact"):
    return OpenVinoPredictor(lambda shape: content, network, precision)


def patch(shape_kji=SHAPE, channels=1):
    return np.random.default_rng(3).standard_normal((channels, *shape_kji), dtype=np.float32)


def script_of(module):
    """Bytes of a TorchScript program."""
    file = io.BytesIO()
    torch.jit.script(module).save(file)
    return file.getvalue()


def ignore(fraction):
    """Progress that nobody asks for."""

"""Small networks as files of the formats that readers know."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

UNET = {"spatial_dims": 3, "in_channels": 2, "out_channels": 3, "channels": [4, 8], "strides": [2]}


def unet(**changes):
    """A MONAI U-Net of a fixed seed."""
    import torch
    from monai.networks.nets import UNet

    torch.manual_seed(7)
    return UNet(**(UNET | changes)).eval()


def onnx_bytes(shape=(1, 2, 16, 16, 16), dynamic=(2, 3, 4), *, last="", channels_out=3):
    """A convolution as ONNX: the first channel is the image times -1, the last times 1.

    ``dynamic`` axes take any size, ``last`` is an operator after it.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    sizes = [f"size{n}" if n in dynamic else size for n, size in enumerate(shape)]
    factors = np.linspace(-1, 1, channels_out, dtype=np.float32)
    kernel = np.broadcast_to(
        factors.reshape(-1, *[1] * (len(shape) - 1)), (channels_out, shape[1], *[1] * len(shape[2:]))
    )
    nodes = [helper.make_node("Conv", ["x", "w"], ["y" if not last else "z"])]
    nodes += [helper.make_node(last, ["z"], ["y"])] if last else []
    made = [sizes[0], channels_out, *sizes[2:]]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(kernel.copy(), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=onnx.IR_VERSION_2020_5_8)


def write_onnx(path, model=None):
    """The model as a file; without one the convolution."""
    Path(path).write_bytes((model or onnx_bytes()).SerializeToString())
    return path


def script_bytes(network):
    """The network as TorchScript."""
    import torch

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(network), buffer)
    return buffer.getvalue()


def torch_bytes(value, **how):
    """The value as ``torch.save`` writes it."""
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer, **how)
    return buffer.getvalue()


def with_turned_bit(content, seed):
    """An archive of torch's with one bit of its weights turned, at a place that the seed chose."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        member = random.Random(seed).choice([one for one in archive.infolist() if "/data/" in one.filename])
    name_length, extra_length = struct.unpack_from("<HH", content, member.header_offset + 26)
    start = member.header_offset + 30 + name_length + extra_length
    turned = bytearray(content)
    turned[start + random.Random(seed).randrange(member.file_size)] ^= 1 << (seed % 8)
    return bytes(turned)

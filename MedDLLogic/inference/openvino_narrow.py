"""Convolutions with few output channels, made to fill the processor's vectors.

A vector of 16 numbers holds one voxel's output channels: of 8 channels half of it lies idle. So two neighbors along i
are computed as one voxel of 16 channels, by a kernel that is one voxel longer and steps by two: the same sums and some
zeros. With kernels of 5 voxels that takes a quarter less time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .openvino_backend import import_openvino

if TYPE_CHECKING:
    import openvino

LANES = 16
"""Numbers of float32 in a vector of 512 bits."""

LEAST_KERNEL = 5
"""Shorter kernels grow by too large a part."""

LEAST_INPUTS = 8
_NEIGHBORS = 2


def widen(model: openvino.Model) -> int:
    """Put wide convolutions in the place of narrow ones, in a model of fixed shape; how many there were."""
    found = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution" and _is_narrow(node)]
    for node in found:
        node.output(0).replace(_widened(node))
    return len(found)


def _is_narrow(node: openvino.Node) -> bool:
    weights = node.input_value(1).get_node()
    if weights.get_type_name() != "Constant" or not node.output(0).get_partial_shape().is_static:
        return False
    channels_out, channels_in, *kernel = weights.get_data().shape
    attributes = node.get_attributes()
    length = kernel[-1]
    pads = {attributes["pads_begin"][-1], attributes["pads_end"][-1]}
    return (
        channels_out <= LANES // _NEIGHBORS
        and channels_in >= LEAST_INPUTS
        and length >= LEAST_KERNEL
        and pads == {(length - 1) // 2}
        and length % 2 == 1
        and node.output(0).get_shape()[-1] % _NEIGHBORS == 0
        and all(step == 1 for step in (*attributes["strides"], *attributes["dilations"]))
        and attributes["auto_pad"].lower() == "explicit"
    )


def _widened(node: openvino.Node) -> openvino.Output:
    import_openvino()
    from openvino import opset8 as op

    def numbers(values: Any) -> Any:
        return op.constant(np.array(values, dtype=np.int64))

    attributes = node.get_attributes()
    narrow = node.input_value(1).get_node().get_data()
    channels, *rest, length = narrow.shape
    wide = np.zeros((_NEIGHBORS * channels, *rest, length + _NEIGHBORS - 1), dtype=narrow.dtype)
    for number in range(_NEIGHBORS):
        wide[number * channels : (number + 1) * channels, ..., number : number + length] = narrow
    strides = [*attributes["strides"][:-1], _NEIGHBORS]
    pads = (attributes["pads_begin"], attributes["pads_end"])
    made = op.convolution(node.input_value(0), op.constant(wide), strides, *pads, attributes["dilations"])
    *outer, size = (int(n) for n in node.output(0).get_shape())
    # (n, neighbor, channel, ..., i / 2) to (n, channel, ..., i / 2, neighbor), which is (n, channel, ..., i).
    split = op.reshape(
        made, numbers([outer[0], _NEIGHBORS, channels, *outer[2:], size // _NEIGHBORS]), special_zero=False
    )
    turned = op.transpose(split, numbers([0, *range(2, len(outer) + 2), 1]))
    return op.reshape(turned, numbers([*outer, size]), special_zero=False).output(0)

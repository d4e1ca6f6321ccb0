"""What is done to a graph before OpenVINO compiles it: its shape, where channels lie, weights, and steady norms.

OpenVINO's own layer for instance normalization adds up in as many parts as there are threads, in float32 over millions
of voxels: its answer changes with the number of threads, and is 50 times further from torch's than the convolutions.
Here means are those of rows first and then of rows' means, which no thread divides, in the same time. In bfloat16 each
of the few numbers between is stored as two, the second one the error of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .openvino_backend import import_openvino
from .windows import weights

if TYPE_CHECKING:
    import openvino

    from ..models.card import Blend


def prepare(
    model: openvino.Model, shape: tuple[int, ...], blend: Blend | None, precision: Literal["exact", "fast"]
) -> NDArray[np.float32] | None:
    """Change the model to one that takes (1, channel, [k,] j, i) of that shape and gives channels last.

    Returns what its last input is to be given, once: the weights, where they are an input of their own.

    Parameters
    ----------
    blend : the answer comes multiplied with these weights.

    Raises
    ------
    RuntimeError : OpenVINO's, for a shape that the network does not take.
    """
    image, *sides = model.inputs
    wanted = {image: list(shape)} | {side: [1, side.partial_shape[1].get_length()] for side in sides}
    model.reshape(wanted)
    steady(model)
    factors = None if blend is None else _factors(model, blend)
    is_input = factors is not None and precision == "exact"
    _give_channels_last(model, factors, is_input=is_input)
    return factors if is_input else None


def steady(model: openvino.Model) -> int:
    """Put sums of a fixed order in the place of instance norms over planes or volumes; how many there were."""
    found = [node for node in model.get_ordered_ops() if node.get_type_name() == "MVN" and _is_over_voxels(node)]
    for node in found:
        node.output(0).replace(_normalized(node))
    return len(found)


def _is_over_voxels(node: openvino.Node) -> bool:
    attributes = node.get_attributes()
    shape = node.input(0).get_partial_shape()
    axes = node.input_value(1).get_node()
    return (
        shape.is_static
        and len(shape) in (4, 5)
        and axes.get_type_name() == "Constant"
        and sorted(int(axis) % len(shape) for axis in axes.get_data().ravel()) == list(range(2, len(shape)))
        and bool(attributes["normalize_variance"])
        and attributes["eps_mode"].lower() == "inside_sqrt"
    )


def _normalized(node: openvino.Node) -> openvino.Output:
    """(x - mean) / sqrt(variance + eps) of the node's input."""
    import_openvino()
    from openvino import opset8 as op

    def number(value: float) -> Any:
        return op.constant(np.float32(value))

    x = node.input_value(0)
    length = x.get_shape()[-1]
    inner = len(x.get_shape()) - 2
    over_rows = op.constant(np.arange(2, 2 + inner, dtype=np.int64))

    def mean(values: Any) -> Any:
        return op.reduce_mean(values, over_rows, keep_dims=True)

    kernel = [1] * (inner - 1) + [length]
    nothing = [0] * inner
    rows = op.avg_pool(x, kernel, nothing, nothing, kernel, exclude_pad=False, rounding_type="floor")
    middle = mean(rows)
    away = op.subtract(rows, middle)
    rest = mean(away)
    norm = op.reduce_l2(x, op.constant(np.array([1 + inner], dtype=np.int64)), keep_dims=True)
    squares = op.multiply(op.multiply(norm, norm), number(1 / length))
    # Within a row, and of the rows' means: no difference of two numbers as large as the mean's square.
    spread = op.add(op.subtract(squares, op.multiply(rows, rows)), op.multiply(away, away))
    variance = mean(spread)
    variance = op.add(variance, mean(op.subtract(spread, variance)))
    variance = op.maximum(op.subtract(variance, op.multiply(rest, rest)), number(0.0))
    scale = op.divide(number(1.0), op.sqrt(op.add(variance, number(node.get_attributes()["eps"]))))
    return op.multiply(op.subtract(op.subtract(x, middle), rest), scale).output(0)


def _factors(model: openvino.Model, blend: Blend) -> NDArray[np.float32]:
    """Weights of the voxels of an answer, which has one axis for the batch and one for channels before them."""
    shape = [int(size) for size in model.get_results()[0].input_value(0).get_shape()[2:]]
    k, j, i = [1] * (3 - len(shape)) + shape
    return weights((k, j, i), blend).reshape(1, 1, *shape)


def _give_channels_last(model: openvino.Model, factors: NDArray[np.float32] | None, *, is_input: bool) -> None:
    """Move channels to the end, and multiply: in the least memory, which for each precision is another way.

    In float32 that is before channels are moved, which then costs nothing. But weights that are a constant would be
    multiplied with the last layer's bias beforehand, to two constants as large as the answer; so they are an input. In
    bfloat16 it is after that, where the answer becomes float32 anyway.
    """
    import_openvino()
    from openvino import opset8 as op

    result = model.get_results()[0]
    answer = result.input_value(0)
    last = [0, *range(2, len(answer.get_shape())), 1]
    if factors is not None and is_input:
        given = op.parameter(list(factors.shape), np.float32, name="weights")
        answer = op.multiply(answer, given).output(0)
        model.add_parameters([given])
    answer = op.transpose(answer, op.constant(np.array(last, dtype=np.int64))).output(0)
    if factors is not None and not is_input:
        answer = op.multiply(answer, op.constant(factors.transpose(last))).output(0)
    result.input(0).replace_source_output(answer)
    model.validate_nodes_and_infer_types()

"""Parent transforms of a scene: their linear part, and how they change volume."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, flip_lps_ras
from .arrays import numpy_matrix
from .mrml import Node, vtkGeneralTransform, vtkMatrix4x4
from .steps import Steps

MAX_SAMPLES = 48
"""Positions along each axis at which a non-linear transform's derivative is taken."""

Positions = list[NDArray[np.float64]]

_LPS_RAS = flip_lps_ras(np.eye(4))


def is_linear(node: Node) -> bool:
    """Whether a node lies under no transform or under linear ones only, nested ones included."""
    parent = node.GetParentTransformNode()
    return parent is None or bool(parent.IsTransformToWorldLinear())


def lps_to_world(node: Node, center_lps_mm: NDArray[np.float64]) -> Matrix | None:
    """(4, 4) map from a node's own LPS to that of the world; None when it has no parent transform.

    Under a non-linear transform: its tangent at ``center_lps_mm``, which maps that point exactly.

    Raises
    ------
    MedDLError : E307 when the transform cannot be inverted.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return None
    if is_linear(node):
        matrix = vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(matrix)
        return _usable(flip_lps_ras(numpy_matrix(matrix)) @ _LPS_RAS)
    center_ras_mm = _LPS_RAS[:3, :3] @ center_lps_mm
    moved_ras_mm, slope = _derivative(_to_world(parent), center_ras_mm)
    tangent = np.eye(4)
    tangent[:3, :3] = slope
    tangent[:3, 3] = moved_ras_mm - slope @ center_ras_mm
    return _usable(flip_lps_ras(tangent) @ _LPS_RAS)


def volume_factor(node: Node, center_lps_mm: NDArray[np.float64]) -> float:
    """By how much a node's linear parent transform changes volumes; E307 as ``lps_to_world``."""
    to_world = lps_to_world(node, center_lps_mm)
    return 1.0 if to_world is None else abs(float(np.linalg.det(to_world[:3, :3])))


class VolumeFactors:
    """By how much a transform changes the volume of each voxel of a grid: its absolute Jacobian determinant.

    Parameters
    ----------
    sampled : (k, j, i) determinants at the crossings of ``positions``; linear between them.
    positions : indices along k, j, i.
    shape_kji : of the grid.
    """

    def __init__(self, sampled: NDArray[np.float64], positions: Positions, shape_kji: tuple[int, int, int]) -> None:
        self._sampled = sampled
        self._between = [_between(n, at) for n, at in zip(shape_kji, positions, strict=True)]

    def plane(self, k: int) -> NDArray[np.float64]:
        """(j, i) factors of one plane."""
        # By element: matrix products wake threads, which on a busy computer takes far longer than the product.
        (low_k, high_k, part_k), (low_j, high_j, part_j), (low_i, high_i, part_i) = self._between
        plane = self._sampled[low_k[k]] * (1 - part_k[k]) + self._sampled[high_k[k]] * part_k[k]
        rows = plane[low_j] * (1 - part_j)[:, None] + plane[high_j] * part_j[:, None]
        return np.asarray(rows[:, low_i] * (1 - part_i) + rows[:, high_i] * part_i)


def sampling_volume_factors(node: Node, geometry: Geometry) -> Steps[VolumeFactors]:
    """The factors of the node's parent transform, from derivatives at up to ``MAX_SAMPLES`` positions an axis.

    Raises
    ------
    MedDLError : E604 when the transform is changed between two steps.
    """
    parent = node.GetParentTransformNode()
    to_world, changed = _to_world(parent), parent.GetTransformToWorldMTime()
    positions = [np.linspace(0, n - 1, min(n, MAX_SAMPLES)) for n in geometry.shape_kji]
    at_k, at_j, at_i = positions
    sampled = np.empty((len(at_k), len(at_j), len(at_i)))
    for n, m in np.ndindex(sampled.shape[:2]):
        points_lps_mm = geometry.lps_of([[i, at_j[m], at_k[n]] for i in at_i])
        slopes = [_derivative(to_world, point)[1] for point in points_lps_mm @ _LPS_RAS[:3, :3]]
        sampled[n, m] = np.abs(np.linalg.det(np.array(slopes)))
        yield
        if node.GetParentTransformNode() is not parent or parent.GetTransformToWorldMTime() != changed:
            raise MedDLError("E604", "the input volume's transform was changed during the run", hint="run it again")
    return VolumeFactors(sampled, positions, geometry.shape_kji)


def _between(
    count: int, positions: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """For each index the numbers of the positions before and after it, and how far it is from one to the other."""
    at = np.interp(np.arange(count), positions, np.arange(len(positions)))
    low = np.floor(at).astype(np.intp)
    return low, np.minimum(low + 1, len(positions) - 1), at - low


def _to_world(parent: Node) -> Any:
    to_world = vtkGeneralTransform()
    parent.GetTransformToWorld(to_world)
    to_world.Update()
    return to_world


def _derivative(transform: Any, point_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], Matrix]:
    """Where a point goes, and the (3, 3) derivative there."""
    moved = [0.0, 0.0, 0.0]
    slope = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    transform.InternalTransformDerivative(point_mm.tolist(), moved, slope)
    return np.array(moved), np.array(slope)


def _usable(matrix: Matrix) -> Matrix:
    linear = matrix[:3, :3]
    affine = np.all(np.isfinite(matrix)) and np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-9)
    lengths = np.linalg.norm(linear, axis=0) if affine else np.zeros(3)
    if lengths.min() == 0 or abs(np.linalg.det(linear / lengths)) < 1e-6:
        raise MedDLError("E307", "the parent transform cannot be used", "it flattens space or is not affine")
    return matrix

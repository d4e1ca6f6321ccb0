"""Parent transforms of a scene: their linear part, and how they change volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, flip_lps_ras
from .arrays import numpy_matrix
from .mrml import Node, vtkGeneralTransform, vtkMatrix4x4

MAX_SAMPLES = 48
"""Positions along each axis at which a non-linear transform's derivative is taken."""

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


def jacobian_volume_factors(node: Node, geometry: Geometry) -> Iterator[NDArray[np.float64]]:
    """Yield, for k = 0, 1, ..., the (j, i) factors by which the parent transform changes a voxel's volume.

    The factor is the absolute Jacobian determinant, taken at up to ``MAX_SAMPLES`` positions an axis
    and interpolated linearly between them.
    """
    positions = [np.linspace(0, n - 1, min(n, MAX_SAMPLES)) for n in geometry.shape_kji]
    sampled = _determinants(node, geometry, positions)
    to_k, to_j, to_i = (_interpolation(n, at) for n, at in zip(geometry.shape_kji, positions, strict=True))
    for weights in to_k:
        yield to_j @ np.tensordot(weights, sampled, axes=1) @ to_i.T


def _determinants(node: Node, geometry: Geometry, positions: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(len(k), len(j), len(i)) absolute Jacobian determinants of the transform to the world."""
    k, j, i = np.meshgrid(*positions, indexing="ij")
    points_lps_mm = geometry.lps_of(np.stack([i.ravel(), j.ravel(), k.ravel()], axis=1))
    to_world = _to_world(node.GetParentTransformNode())
    slopes = np.array([_derivative(to_world, point)[1] for point in points_lps_mm @ _LPS_RAS[:3, :3]])
    return np.asarray(np.abs(np.linalg.det(slopes)).reshape(k.shape))


def _interpolation(count: int, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(count, len(positions)) weights that give each index its value from those at ``positions``."""
    indices = np.arange(count)
    return np.stack([np.interp(indices, positions, unit) for unit in np.eye(len(positions))], axis=1)


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

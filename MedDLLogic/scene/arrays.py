"""Voxels and matrices between numpy and VTK."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, flip_lps_ras
from ..labels import MAX_LABEL
from .mrml import numpy_support, vtkMatrix4x4

SCALARS_NAME = "ImageScalars"
"""The DICOM SEG export of 3D Slicer takes a segment for empty when its array has another name."""

_STORED_AS: dict[str, str] = {
    "bool": "uint8",
    "float16": "float32",
    np.dtype(np.longdouble).name: "float64",
    "int8": "int16",  # VTK holds these and 64-bit integers, but no file of a scene does
    "int64": "float64",
    "uint64": "float64",
}


def voxels_of(image_data: Any) -> NDArray[Any]:
    """(k, j, i) view of a VTK image's voxels; it shares the image's memory.

    Raises
    ------
    MedDLError : E301 when there are none, E310 when each voxel has several components.
    """
    scalars = image_data.GetPointData().GetScalars() if image_data is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise MedDLError("E301", "the node holds no voxels")
    if scalars.GetNumberOfComponents() != 1:
        why = f"{scalars.GetNumberOfComponents()} components a voxel"
        raise MedDLError("E310", "color and vector volumes are not supported", why, "extract one component")
    i, j, k = image_data.GetDimensions()
    return np.asarray(numpy_support.vtk_to_numpy(scalars)).reshape(k, j, i)


def set_voxels(image_data: Any, voxels: NDArray[Any]) -> None:
    """Give a VTK image a copy of ``voxels`` (k, j, i) and their size."""
    k, j, i = voxels.shape
    name = voxels.dtype.name  # says nothing about byte order, so what is stored has the machine's own
    stored = np.ascontiguousarray(voxels, dtype=_STORED_AS.get(name, name))
    scalars = numpy_support.numpy_to_vtk(stored.reshape(-1), deep=True)
    scalars.SetName(SCALARS_NAME)
    image_data.SetDimensions(i, j, k)
    image_data.GetPointData().SetScalars(scalars)


def numpy_matrix(matrix: Any) -> Matrix:
    """(4, 4) float64 of a ``vtkMatrix4x4``."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def vtk_matrix(matrix: Matrix) -> Any:
    """``vtkMatrix4x4`` of a (4, 4) array."""
    copy = vtkMatrix4x4()
    copy.DeepCopy([float(value) for value in matrix.ravel()])
    return copy


def ras_matrix(geometry: Geometry) -> Any:
    """``vtkMatrix4x4`` from the indices of a grid to RAS."""
    return vtk_matrix(flip_lps_ras(geometry.ijk_to_lps))


def grid_of(ijk_to_ras: Any, extent: tuple[int, ...]) -> Geometry:
    """The grid of a ``vtkMatrix4x4`` from indices to RAS, over first and last index along i, j, k.

    Raises
    ------
    MedDLError : E303, E306 or E307 when there is no such grid.
    """
    low, high = np.array(extent[::2]), np.array(extent[1::2])
    shape_kji = tuple((high - low + 1)[::-1].tolist())
    matrix = flip_lps_ras(numpy_matrix(ijk_to_ras))
    matrix[:3, 3] += matrix[:3, :3] @ low
    return Geometry(shape_kji, matrix)


def extent_of(geometry: Geometry) -> list[int]:
    """First and last index along i, j, k."""
    k, j, i = geometry.shape_kji
    return [0, i - 1, 0, j - 1, 0, k - 1]


def label_counts(volume: NDArray[Any]) -> NDArray[np.int64]:
    """Number of voxels of each label value: ``counts[value]``, 65536 entries.

    Plane by plane and without the background, since counting widens its input to 64 bit.

    Raises
    ------
    MedDLError : E402 for a label value that is no whole number from 0 to 65535.
    """
    require_labels(volume)
    counts = np.zeros(MAX_LABEL + 1, dtype=np.int64)
    for plane in volume:
        labels = plane[plane != 0]
        if labels.size:
            counts += np.bincount(labels.astype(np.uint16, copy=False), minlength=len(counts))
    counts[0] = volume.size - counts.sum()
    return counts


def require_labels(volume: NDArray[Any]) -> None:
    """Raise E402 when a value is no whole number from 0 to 65535."""
    if volume.dtype in (np.uint8, np.uint16) or not volume.size:
        return
    low, high = float(volume.min()), float(volume.max())
    fractional = volume.dtype.kind == "f" and bool(np.any(volume != np.round(volume)))
    if not 0 <= low <= high <= MAX_LABEL or fractional:
        raise MedDLError(
            "E402", "label values not usable", f"{low:g} to {high:g}", "whole numbers 0 to 65535 are needed"
        )

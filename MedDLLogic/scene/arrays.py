"""Voxels and matrices between numpy and VTK."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, flip_lps_ras
from ..labels import MAX_LABEL
from .mrml import numpy_support, vtkMatrix4x4

SCALARS_NAME = "ImageScalars"
"""The DICOM SEG export of 3D Slicer takes a segment for empty when its array has another name."""

_FACTORS = (2 * np.arange(1 << 15, dtype=np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)

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


def copied(voxels: NDArray[Any]) -> NDArray[Any]:
    """A copy of (k, j, i) voxels, made by two threads.

    Most of a large copy's time goes into fresh memory pages, which the system gives to both at once.
    """
    copy = np.empty_like(voxels)
    middle = len(voxels) // 2
    second = threading.Thread(target=np.copyto, args=(copy[middle:], voxels[middle:]))
    second.start()
    np.copyto(copy[:middle], voxels[:middle])
    second.join()
    return copy


def set_voxels(image_data: Any, voxels: NDArray[Any]) -> None:
    """Give a VTK image a copy of ``voxels`` (k, j, i) and their size."""
    set_scalars(image_data, owned_scalars(voxels), voxels.shape)


def owned_scalars(voxels: NDArray[Any], dtype: DTypeLike | None = None) -> Any:
    """VTK array with a copy of ``voxels`` (k, j, i), in VTK's own memory: it lives as long as anything shows it.

    Needs no scene and may run in any thread; others run on while it copies. ``dtype`` must hold all
    values; without it, it is that of the voxels, or the nearest that files of a scene can hold.
    """
    name = np.dtype(
        voxels.dtype if dtype is None else dtype
    ).name  # says nothing about byte order: the machine's own is stored
    stored_as = np.dtype(_STORED_AS.get(name, name))
    scalars = numpy_support.create_vtk_array(numpy_support.get_vtk_array_type(stored_as))
    scalars.SetNumberOfValues(voxels.size)
    scalars.SetName(SCALARS_NAME)
    # VTK's own copy would hold Python's lock, and with it the application, all the while.
    np.copyto(numpy_support.vtk_to_numpy(scalars).reshape(voxels.shape), voxels, casting="unsafe")
    return scalars


def set_scalars(image_data: Any, scalars: Any, shape_kji: tuple[int, ...]) -> None:
    """Give a VTK image these voxels, without a copy, and their size."""
    k, j, i = shape_kji
    image_data.SetDimensions(i, j, k)
    image_data.GetPointData().SetScalars(scalars)


def checksums(scalars: Any) -> NDArray[np.uint64]:
    """One number for each quarter of a megabyte of an array's memory: no value can change or change places unseen.

    Sums modulo 2**64 of eight bytes at a time, each with an odd factor of its own. That takes a
    quarter of the time that counting labels takes.
    """
    content = np.asarray(numpy_support.vtk_to_numpy(scalars)).view(np.uint8)
    whole = content.size // 8 * 8
    words = np.append(content[whole:], np.zeros(whole + 8 - content.size, np.uint8)).view(np.uint64)
    parts = [content[:whole].view(np.uint64)[n : n + len(_FACTORS)] for n in range(0, whole // 8, len(_FACTORS))]
    return np.array([np.dot(part, _FACTORS[: len(part)]) for part in (*parts, words)], dtype=np.uint64)


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

    Raises
    ------
    MedDLError : E402 for a label value that is no whole number from 0 to 65535.
    """
    require_labels(volume)
    counts = np.zeros(MAX_LABEL + 1, dtype=np.int64)
    for of_plane in plane_counts(volume):
        counts += of_plane
    return counts


def plane_counts(volume: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """Yield ``label_counts`` of each plane k of a label volume, whose values were looked at before.

    Plane by plane, since counting widens its input to 64 bit and holds Python's lock.
    """
    for plane in volume:
        labels = plane[plane != 0]  # the background is most of it
        counts = np.bincount(labels.astype(np.uint16, copy=False), minlength=MAX_LABEL + 1)
        counts[0] = plane.size - labels.size
        yield counts


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

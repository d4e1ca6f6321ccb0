"""Volumes into NIfTI, NRRD and MetaImage files, each read back before it counts."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import GRID_TOLERANCE, PATIENT, SHEAR_TOLERANCE, Geometry, require_millimetres
from ..image import Image
from .write import WrittenFile, differs, write_atomically

VOLUME_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
NIFTI_TOLERANCE_MM = 1e-4
"""Largest displacement in a NIfTI file, which holds its matrix in single precision."""

_CHUNK_BYTES = 1 << 23
_NIFTI_OFFSET_AT, _NIFTI_MAX_SIZE = 108, 32767


def write_volume(path: Path, image: Image) -> WrittenFile:
    """Write one channel, bit for bit, on its grid.

    Truth values become 0 and 1 of 8 bits, half precision becomes single; all else keeps its type.
    ``.nii.gz``, ``.nrrd`` and ``.mha`` are compressed.

    Raises
    ------
    MedDLError : E101 suffix not among ``VOLUME_SUFFIXES``, E307 the format cannot hold this grid,
        E309 voxels that are not finite, E310 several channels, E330 no patient frame; and what
        ``write_atomically`` raises.
    """
    suffix = _suffix_of(path)
    _require_writable(image, suffix)
    voxels_kji = _as_stored(image.voxels[0])
    volume = _as_itk(voxels_kji, image.geometry)

    def write(partial: Path) -> None:
        sitk.WriteImage(volume, str(partial), useCompression=suffix != ".nii")

    def verify(partial: Path) -> None:
        _require_same_grid(partial, image.geometry, suffix)
        _require_same_voxels(partial, voxels_kji, suffix)

    return write_atomically(path, write, verify)


def _suffix_of(path: Path) -> str:
    for suffix in VOLUME_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise MedDLError("E101", "volume not written", "suffix not known", f"use {', '.join(VOLUME_SUFFIXES)}")


def _require_writable(image: Image, suffix: str) -> None:
    geometry = image.geometry
    require_millimetres(geometry)
    if len(image.channel_names) != 1:
        raise MedDLError("E310", "volume not written", f"{len(image.channel_names)} channels", "one file a channel")
    if not np.isfinite(image.voxels).all():
        raise MedDLError("E309", "volume not written", "it holds NaN or infinity")
    if geometry.shear > SHEAR_TOLERANCE:
        raise MedDLError("E307", "volume not written", "its axes are not at right angles", "resample it first")
    if suffix.startswith(".nii"):
        _require_fits_nifti(geometry)


def _require_fits_nifti(geometry: Geometry) -> None:
    if max(geometry.shape_kji) > _NIFTI_MAX_SIZE:
        raise MedDLError("E304", "volume not written", f"NIfTI ends at {_NIFTI_MAX_SIZE} voxels a side", "use .nrrd")
    extent_mm = max(n * mm for n, mm in zip(geometry.shape_kji[::-1], geometry.spacing_ijk_mm, strict=True))
    if geometry.shear * extent_mm > NIFTI_TOLERANCE_MM:
        raise MedDLError("E307", "volume not written", "NIfTI cannot hold axes not quite at right angles", "use .nrrd")


def _as_stored(voxels_kji: NDArray[Any]) -> NDArray[Any]:
    if voxels_kji.dtype == np.bool_:
        return np.ascontiguousarray(voxels_kji, np.uint8)
    if voxels_kji.dtype == np.float16:
        return np.ascontiguousarray(voxels_kji, np.float32)
    native: NDArray[Any] = voxels_kji.astype(voxels_kji.dtype.newbyteorder("="), order="C", copy=False)
    return native


def _as_itk(voxels_kji: NDArray[Any], geometry: Geometry) -> sitk.Image:
    volume = sitk.GetImageFromArray(voxels_kji)
    volume.SetSpacing(geometry.spacing_ijk_mm)
    volume.SetOrigin(geometry.origin_lps_mm)
    volume.SetDirection(geometry.direction.ravel().tolist())
    return volume


def _require_same_grid(path: Path, meant: Geometry, suffix: str) -> None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    matrix[:3, 3] = reader.GetOrigin()
    i, j, k = reader.GetSize()
    if not Geometry((k, j, i), matrix, PATIENT).is_same_grid(meant, _tolerance_mm(meant, suffix)):
        raise differs("another grid was read back")


def _tolerance_mm(geometry: Geometry, suffix: str) -> float:
    i, j, k = geometry.shape_kji[::-1]
    farthest_mm = float(np.abs(geometry.lps_of([[0, 0, 0], [i, j, k]])).max())
    if suffix.startswith(".nii"):
        return max(NIFTI_TOLERANCE_MM, 8 * farthest_mm * float(np.finfo(np.float32).eps))
    return max(GRID_TOLERANCE, 8 * farthest_mm * float(np.finfo(np.float64).eps))


def _require_same_voxels(path: Path, meant_kji: NDArray[Any], suffix: str) -> None:
    """Compare the stored bytes themselves: readers fill up what is missing at the end of a file."""
    meant = meant_kji.reshape(-1).view(np.uint8).data
    with path.open("rb") as file, _stored_bytes(file, suffix) as stored:
        for start in range(0, len(meant), _CHUNK_BYTES):
            expected = meant[start : start + _CHUNK_BYTES]
            if stored.read(len(expected)) != expected:
                raise differs("other voxels were read back")
        if stored.read(1):
            raise differs("more voxels were read back")


def _stored_bytes(file: BinaryIO, suffix: str) -> BinaryIO:
    """Stream of the voxels' bytes, i fastest, behind whatever header and compression the format has."""
    if suffix == ".nrrd":
        _skip_to(file, b"\n")
        return _unzipped(file)
    if suffix == ".mha":
        _skip_to(file, b"ElementDataFile = LOCAL\n")
        return io.BytesIO(zlib.decompress(file.read()))
    stored = _unzipped(file) if suffix == ".nii.gz" else file
    header = stored.read(_NIFTI_OFFSET_AT + 4)
    offset = int(np.frombuffer(header[_NIFTI_OFFSET_AT:], np.float32)[0])
    stored.read(offset - len(header))
    return stored


def _unzipped(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb"))


def _skip_to(file: BinaryIO, last_header_line: bytes) -> None:
    for line in file:
        if line == last_header_line:
            return
    raise differs("the header has no end")

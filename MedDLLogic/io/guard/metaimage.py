"""MetaImage headers, attached and detached (itk.org/Wiki/MetaIO/Documentation)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import MedDLError
from ...geometry import PATIENT, UNKNOWN, Geometry
from ..verdict import Finding
from .header import VolumeHeader, VoxelData, geometry_of, require_size, require_spacing, warning
from .text import HEAD_BYTES, data_file, millimetres, numbers, whole_number

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MODALITIES = {"MET_MOD_CT": "CT", "MET_MOD_MR": "MR", "MET_MOD_NM": "NM", "MET_MOD_US": "US"}
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]{0,60}")

_Fields = dict[str, str]


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as Inf
def parse(head: bytes, path: Path) -> VolumeHeader:
    """The volume that a MetaImage header declares.

    ``head`` is the start of the file, up to ``HEAD_BYTES``; ``path`` is its place, needed for a detached header.
    Raises E301, E302, E303, E304, E306, E307, E310, E311 or E312.
    """
    fields, length = _read_fields(head)
    _require_scalar_image(fields)
    stored = _stored_type(fields)
    axes = whole_number(_need(fields, "NDims"), "NDims")
    shape_ijk = _shape(fields, axes)
    require_size(shape_ijk, stored.itemsize)
    geometry, findings = _geometry(fields, axes, shape_ijk)
    modality = _MODALITIES.get(fields.get("Modality", ""), "")
    data = _voxel_data(fields, path, length)
    return VolumeHeader("MetaImage", geometry, stored, data, modality=modality, warnings=findings)


def _read_fields(head: bytes) -> tuple[_Fields, int]:
    """Fields by name, and where the header ends: after the line that names the data."""
    fields: _Fields = {}
    position = 0
    while "ElementDataFile" not in fields:
        end = head.find(b"\n", position)
        line = head[position : end if end >= 0 else len(head)]
        key, separator, value = (part.strip() for part in line.partition(b"="))
        if not separator or not _NAME.fullmatch(key):
            raise _cut_or_damaged(fields, head, position)
        name = key.decode("ascii")
        if name in fields:
            raise MedDLError("E303", "", "a field stands twice", "the header is damaged")
        fields[name] = value.decode("utf-8", "surrogateescape")
        position += len(line) + 1
    return fields, position


def _cut_or_damaged(fields: _Fields, head: bytes, position: int) -> MedDLError:
    if not fields:
        return MedDLError("E302", "not a MetaImage file", "no header at its start", "check the name's ending")
    if b"\n" not in head[position:] and len(head) < HEAD_BYTES:
        return MedDLError("E305", "", "the header ends before ElementDataFile", "get the file again")
    return MedDLError("E303", "", "a line is not of the form 'name = value'", "the header is damaged")


def _need(fields: _Fields, name: str) -> str:
    if name not in fields:
        raise MedDLError("E303", "", f"{name} is missing", "the header is damaged")
    return fields[name]


def _first(fields: _Fields, *names: str) -> str | None:
    """The value of the first of several names that mean the same."""
    return next((fields[name] for name in names if name in fields), None)


def _is_true(value: str | None) -> bool:
    return value is not None and value[:1] in ("T", "t", "Y", "y", "1")


def _require_scalar_image(fields: _Fields) -> None:
    if fields.get("ObjectType", "Image") != "Image":
        raise MedDLError("E310", "", "its ObjectType is not Image", "give an image")
    if fields.get("ElementNumberOfChannels", "1") != "1":
        raise MedDLError("E310", "", "several channels a voxel", "give one real number a voxel")
    if not _is_true(fields.get("BinaryData", "True")):
        raise MedDLError("E310", "", "voxels are written as text", "save the volume again as binary")
    slope = _first(fields, "ElementToIntensityFunctionSlope") or "1"
    offset = _first(fields, "ElementToIntensityFunctionOffset") or "0"
    if numbers(slope, "slope", 1, "E312") != (1.0,) or numbers(offset, "offset", 1, "E312") != (0.0,):
        raise MedDLError("E312", "", "ElementToIntensityFunction is set, which readers ignore", "save final values")


def _stored_type(fields: _Fields) -> np.dtype[np.generic]:
    name = _need(fields, "ElementType")
    if name.endswith("_ARRAY"):
        raise MedDLError("E310", "", "several channels a voxel", "give one real number a voxel")
    if name not in _TYPES:
        raise MedDLError("E303", "", "ElementType is none that MetaImage has", "the header is damaged")
    big = _is_true(_first(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    return np.dtype((">" if big else "<") + _TYPES[name])


def _shape(fields: _Fields, axes: int) -> list[int]:
    sizes = [whole_number(size, "DimSize") for size in _need(fields, "DimSize").split()]
    if not 1 <= axes <= 10 or len(sizes) != axes or min(sizes) < 1:
        raise MedDLError("E303", "image size not valid", f"NDims {axes}, DimSize {sizes[:10]}", "header is damaged")
    if axes < 2 or any(size != 1 for size in sizes[3:]):
        raise MedDLError("E310", "", f"{axes}-D, DimSize {sizes}", "give one volume a file")
    return [*sizes, 1][:3]


def _geometry(fields: _Fields, axes: int, shape_ijk: list[int]) -> tuple[Geometry, tuple[Finding, ...]]:
    scale, findings = millimetres(fields["DistanceUnits"]) if fields.get("DistanceUnits") else (1.0, ())
    spacing = [mm * scale for mm in _spacing(fields, axes)]
    turn = _first(fields, "TransformMatrix", "Rotation", "Orientation")
    if turn is None or axes < 3:
        told = warning("E327", "no orientation in the header", "left and right are not known")
        return geometry_of(shape_ijk, np.diag(spacing), np.zeros(3), UNKNOWN), (*findings, told)
    rows = np.reshape(numbers(turn, "TransformMatrix", axes * axes, "E307"), (axes, axes))
    lengths = np.linalg.norm(rows[:3, :3], axis=1)
    if np.abs(lengths - 1.0).max() > 1e-3:
        raise MedDLError("E307", "", "rows of TransformMatrix are not of length 1", "the header is damaged")
    place = _first(fields, "Offset", "Position", "Origin")
    origin = numbers(place, "Offset", axes, "E307")[:3] if place is not None else (0.0, 0.0, 0.0)
    if place is None:
        findings += (warning("E327", "no Offset in the header", "0 was assumed"),)
    columns = rows[:3, :3].T * spacing
    return geometry_of(shape_ijk, columns, [mm * scale for mm in origin], PATIENT), findings


def _spacing(fields: _Fields, axes: int) -> list[float]:
    told = _first(fields, "ElementSpacing", "ElementSize")
    if told is None:
        raise MedDLError("E306", "", "ElementSpacing is missing", "give the size of a voxel in mm")
    spacing = numbers(told, "ElementSpacing", axes, "E306")[:3]
    require_spacing(spacing, "ElementSpacing")
    return [*spacing, 1.0][:3]


def _voxel_data(fields: _Fields, path: Path, length: int) -> VoxelData:
    compressed = _is_true(fields.get("CompressedData"))
    skip = whole_number(fields.get("HeaderSize", "0"), "HeaderSize")
    name = fields["ElementDataFile"]
    is_local = name.upper() == "LOCAL"
    if skip < -1 or (skip == -1 and compressed) or (is_local and skip > 0 and skip != length):
        raise MedDLError("E303", "", f"HeaderSize = {skip}", "the header is damaged")
    if not name:
        raise MedDLError("E303", "", "ElementDataFile names no file", "the header is damaged")
    start = length if is_local else max(skip, 0)
    return VoxelData(path if is_local else data_file(path, name), None if skip == -1 else start, 0, compressed)

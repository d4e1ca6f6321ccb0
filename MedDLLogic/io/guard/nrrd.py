"""NRRD headers, attached and detached (teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import MedDLError
from ...geometry import PATIENT, UNKNOWN, Geometry, Matrix
from ..verdict import Finding
from .header import (
    MAX_SKIP,
    VolumeHeader,
    VoxelData,
    completed_axes,
    geometry_of,
    require_size,
    require_spacing,
    warning,
)
from .text import HEAD_BYTES, data_file, millimetres, numbers, whole_number

_TYPE_NAMES = {
    "i1": "signed char|int8|int8_t",
    "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t",
    "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float",
    "f8": "double",
}
_TYPES = {name: code for code, names in _TYPE_NAMES.items() for name in names.split("|")}
_TO_LPS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
_SPATIAL_KINDS = ("domain", "space", "???", "none")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_VECTOR = re.compile(r"\s*(none|\(([^()]{0,500})\))")
_MAX_AXES = 16
_OLD_NAMES = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip"}


@dataclass(frozen=True)
class _Header:
    """Fields and key/value pairs by name, and where the attached voxels begin."""

    fields: dict[str, str]
    pairs: frozenset[str]
    length: int | None

    def need(self, name: str) -> str:
        if name not in self.fields:
            raise MedDLError("E303", "", f"field '{name}' is missing", "the header is damaged")
        return self.fields[name]

    def of(self, name: str, default: str = "") -> str:
        return self.fields.get(name, default)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as Inf
def parse(head: bytes, path: Path) -> VolumeHeader:
    """The volume that a NRRD header declares.

    ``head`` is the start of the file, up to ``HEAD_BYTES``; ``path`` is its place, needed for a detached header.
    Raises E301, E302, E303, E304, E306, E307, E310 or E311.
    """
    header = _read_fields(head)
    stored = _stored_type(header)
    sizes, directions = _axes(header)
    spatial = _spatial_axes(header, sizes, directions)
    shape_ijk = [sizes[axis] for axis in spatial] + [1] * (3 - len(spatial))
    require_size(shape_ijk, stored.itemsize)
    geometry, findings = _geometry(header, shape_ijk, spatial, directions)
    return VolumeHeader("NRRD", geometry, stored, _voxel_data(header, path), warnings=findings)


def _read_fields(head: bytes) -> _Header:
    if not re.match(rb"NRRD000[1-5]\r?\n", head):
        raise MedDLError("E302", "not a NRRD file", "its magic word is wrong", "check the name's ending")
    blank = _BLANK_LINE.search(head)
    if blank is None and len(head) >= HEAD_BYTES:
        raise MedDLError("E303", "", "the header does not end", "the header is damaged")
    text = head[: blank.start() if blank else len(head)].decode("utf-8", "surrogateescape")
    fields: dict[str, str] = {}
    pairs = set()
    for line in text.split("\n")[1:]:
        name, separator, value = line.partition(":")
        if line.startswith("#") or not line.strip():
            continue
        name = _OLD_NAMES.get(name.strip().lower(), name.strip().lower())
        if not separator or (not value.startswith("=") and name in fields):
            raise MedDLError("E303", "", "a line without a field or a field twice", "the header is damaged")
        if value.startswith("="):
            pairs.add(name)
        else:
            fields[name] = value.strip()
    return _Header(fields, frozenset(pairs), blank.end() if blank else None)


def _stored_type(header: _Header) -> np.dtype[np.generic]:
    name = " ".join(header.need("type").lower().split())
    if name == "block":
        raise MedDLError("E310", "", "voxels are blocks", "give one real number a voxel")
    if name not in _TYPES:
        raise MedDLError("E303", "", "type is none that NRRD has", "the header is damaged")
    if _TYPES[name][1] == "1":
        return np.dtype(_TYPES[name])
    order = {"little": "<", "big": ">"}.get(header.need("endian").lower())
    if order is None:
        raise MedDLError("E303", "", "endian is neither little nor big", "the header is damaged")
    return np.dtype(order + _TYPES[name])


def _axes(header: _Header) -> tuple[list[int], list[tuple[float, ...] | None] | None]:
    """Size of each axis, fastest first, and its direction: None where it is not one of space."""
    count = whole_number(header.need("dimension"), "dimension")
    texts = header.need("sizes").split()
    if not 1 <= count <= _MAX_AXES or len(texts) != count:
        raise MedDLError("E303", "", f"dimension {count}, {len(texts)} sizes", "the header is damaged")
    sizes = [whole_number(text, "sizes") for text in texts]
    if "space directions" not in header.fields:
        return sizes, None
    directions = _vectors(header.of("space directions"))
    if len(directions) != count or len({len(vector) for vector in directions if vector}) > 1:
        raise MedDLError("E303", "", f"{len(directions)} space directions for {count} axes", "the header is damaged")
    return sizes, directions


def _vectors(text: str) -> list[tuple[float, ...] | None]:
    vectors: list[tuple[float, ...] | None] = []
    position = 0
    while position < len(text):
        match = _VECTOR.match(text, position)
        if match is None or len(vectors) > _MAX_AXES:
            raise MedDLError("E303", "", "vectors are not written as (x,y,z)", "the header is damaged")
        parts = (match[2] or "").split(",")
        vectors.append(None if match[1] == "none" else numbers(" ".join(parts), "vector", len(parts), "E307"))
        position = match.end()
    return vectors


def _spatial_axes(header: _Header, sizes: list[int], directions: list[tuple[float, ...] | None] | None) -> list[int]:
    """The two or three axes of space; every other axis must have one element."""
    kinds = header.of("kinds").lower().split()
    if directions is not None:
        spatial = [axis for axis, vector in enumerate(directions) if vector is not None]
    else:
        spatial = [a for a in range(len(sizes)) if a >= len(kinds) or kinds[a] in _SPATIAL_KINDS][:3]
    several = [n for axis, n in enumerate(sizes) if axis not in spatial and n != 1]
    if several and any(pair.startswith("segment0_") for pair in header.pairs):
        raise MedDLError("E310", "", f"{several[0]} layers of a segmentation", "give an image, not a segmentation")
    if several or not 2 <= len(spatial) <= 3:
        raise MedDLError("E310", "", f"{len(sizes)}-D, sizes {sizes[:6]}", "give one scalar volume a file")
    return spatial


def _geometry(
    header: _Header, shape_ijk: list[int], spatial: list[int], directions: list[tuple[float, ...] | None] | None
) -> tuple[Geometry, tuple[Finding, ...]]:
    signs = _TO_LPS.get(header.of("space").lower())
    if directions is None:
        columns = np.diag(_spacings(header, spatial))
    else:
        columns = _columns([vector for vector in directions if vector is not None])
    if signs is None or directions is None:
        told = warning("E327", "no anatomical space in the header", "left and right are not known")
        return geometry_of(shape_ijk, columns, np.zeros(3), UNKNOWN), (told,)
    scale, findings = _unit(header)
    to_lps_mm = np.diag(signs) * scale
    if "space origin" not in header.fields:
        findings += (warning("E327", "no space origin in the header", "0 was assumed"),)
    return geometry_of(shape_ijk, to_lps_mm @ columns, to_lps_mm @ _origin(header), PATIENT), findings


def _spacings(header: _Header, spatial: list[int]) -> list[float]:
    if "spacings" not in header.fields:
        return [1.0] * 3
    count = len(header.need("sizes").split())
    told = numbers(header.of("spacings"), "spacings", count)
    spacing = [told[axis] for axis in spatial]
    require_spacing(spacing, "spacings")
    return spacing + [1.0] * (3 - len(spacing))


def _columns(vectors: list[tuple[float, ...]]) -> Matrix:
    if {len(vector) for vector in vectors} not in ({2}, {3}):
        raise MedDLError("E303", "", f"space directions of {len(vectors[0])} components", "give three")
    if len(vectors) > len(vectors[0]):
        raise MedDLError("E307", "", "more axes than dimensions of space", "the header is damaged")
    full = [(*vector, 0.0)[:3] for vector in vectors]
    return completed_axes(*full) if len(full) == 2 else np.column_stack(full)


def _origin(header: _Header) -> Matrix:
    vectors = _vectors(header.of("space origin", "(0,0,0)"))
    if len(vectors) != 1 or vectors[0] is None or len(vectors[0]) != 3:
        raise MedDLError("E303", "", "space origin is not three numbers", "the header is damaged")
    return np.asarray(vectors[0], dtype=np.float64)


def _unit(header: _Header) -> tuple[float, tuple[Finding, ...]]:
    units = set(re.findall(r'"([^"]*)"', header.of("space units"))) - {""}
    if len(units) > 1:
        raise MedDLError("E306", "", "space units differ between axes", "give all axes in mm")
    return millimetres(units.pop()) if units else (1.0, ())


def _voxel_data(header: _Header, path: Path) -> VoxelData:
    encoding = header.need("encoding").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise MedDLError("E310", "", "encoding is neither raw nor gzip", "save the volume again as raw or gzip")
    compressed = encoding != "raw"
    skip = whole_number(header.of("byte skip", "0"), "byte skip")
    if skip < -1 or (skip == -1 and compressed) or whole_number(header.of("line skip", "0"), "line skip"):
        raise MedDLError("E310", "", "byte skip or line skip of a kind not supported", "save the volume again")
    if compressed and skip > MAX_SKIP:
        raise MedDLError("E303", "", f"byte skip = {skip}", f"{MAX_SKIP} is the largest here")
    file, start = path, header.length
    if "data file" in header.fields:
        file, start = data_file(path, header.of("data file")), 0
    if start is None:
        raise MedDLError("E305", "", "the header ends early", "get the file again")
    return VoxelData(file, None if skip == -1 else start, max(skip, 0), compressed)

"""NIfTI-1 and NIfTI-2 headers, by the standard (nifti.nimh.nih.gov) and stricter where readers disagree."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import MedDLError
from ...geometry import PATIENT, UNKNOWN, Geometry, Matrix, flip_lps_ras
from ..verdict import Finding
from .header import MAX_SKIP, VolumeHeader, VoxelData, geometry_of, require_size, require_spacing, warning

HEAD_BYTES = 544

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHER_KINDS = {1: "bits", 32: "complex", 128: "RGB", 1536: "float128", 1792: "complex", 2048: "complex", 2304: "RGBA"}
_MM_PER_UNIT = {1: 1e3, 2: 1.0, 3: 1e-3}

_SPACING_CONFLICT = 0.01
_SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT
_COSINE_CONFLICT = math.cos(math.radians(45))
_DIRECTION_NOISE = 2e-3  # a float32 quaternion near a half turn is no more exact than this
_POSITION_NOISE = 0.1  # voxels


class _Fields(NamedTuple):
    """The header's fields that bear on geometry and voxels."""

    dim: tuple[int, ...]
    datatype: int
    bitpix: int
    pixdim: tuple[float, ...]
    vox_offset: float
    slope: float
    intercept: float
    units: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    offset: tuple[float, ...]
    srow: tuple[float, ...]

    @property
    def axes(self) -> int:
        return min(self.dim[0], 3)


# Offset and struct code of each field, in the order of _Fields.
_NIFTI1 = (
    *((40, "8h"), (70, "h"), (72, "h"), (76, "8f"), (108, "f"), (112, "f"), (116, "f")),
    *((123, "B"), (252, "h"), (254, "h"), (256, "3f"), (268, "3f"), (280, "12f")),
)
_NIFTI2 = (
    *((16, "8q"), (12, "h"), (14, "h"), (104, "8d"), (168, "q"), (176, "d"), (184, "d")),
    *((500, "i"), (344, "i"), (348, "i"), (352, "3d"), (376, "3d"), (400, "12d")),
)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as Inf
def parse(head: bytes, path: Path, *, compressed: bool) -> VolumeHeader:
    """The volume that a NIfTI header declares.

    ``head`` is the first 544 bytes, unpacked; ``path`` is only remembered.
    Raises E302, E303, E304, E306, E307, E308, E310 or E312.
    """
    version, fields = _read_fields(head)
    stored = _stored_type(fields, _byte_order(head))
    slope, intercept, notes = _scaling(fields)
    shape_ijk = _shape(fields, max(stored.itemsize, 1 if (slope, intercept) == (1.0, 0.0) else 4))
    offset = _voxel_offset(fields, 352 if version == 1 else 544)
    scale, unit_findings = _millimetres(fields)
    geometry, findings = _geometry(fields, shape_ijk, scale)
    return VolumeHeader(
        format=f"NIfTI-{version}",
        geometry=geometry,
        stored=stored,
        data=VoxelData(path, skip=offset, compressed=compressed),
        slope=slope,
        intercept=intercept,
        warnings=(*unit_findings, *findings, *_bit_findings(fields, stored)),
        notes=notes,
    )


def _byte_order(head: bytes) -> str:
    for order in "<>":
        if head[:4] in (struct.pack(f"{order}i", 348), struct.pack(f"{order}i", 540)):
            return order
    raise MedDLError("E302", "not a NIfTI file", "its first number is not 348 or 540", "check the name's ending")


def _read_fields(head: bytes) -> tuple[int, _Fields]:
    order = _byte_order(head)
    (length,) = struct.unpack(f"{order}i", head[:4])
    version, layout = (1, _NIFTI1) if length == 348 else (2, _NIFTI2)
    if len(head) < length:
        raise MedDLError("E305", "", f"header of {len(head)} bytes", "get the file again")
    _require_magic(head, version)
    values = [struct.unpack_from(order + code, head, offset) for offset, code in layout]
    return version, _Fields._make(value if len(value) > 1 else value[0] for value in values)


def _require_magic(head: bytes, version: int) -> None:
    magic = head[344:348] if version == 1 else head[4:12]
    if magic in (b"ni1\0", b"ni2\0\r\n\x1a\n"):
        raise MedDLError("E310", "", "header and voxels in two files", "convert the pair to one .nii file")
    if magic not in (b"n+1\0", b"n+2\0\r\n\x1a\n"):
        raise MedDLError("E302", "not a NIfTI file", "its magic word is wrong", "it may be Analyze 7.5 or damaged")


def _stored_type(fields: _Fields, order: str) -> np.dtype[np.generic]:
    if fields.datatype in _OTHER_KINDS:
        raise MedDLError("E310", "", f"{_OTHER_KINDS[fields.datatype]} voxels", "give one real number a voxel")
    if fields.datatype not in _TYPES:
        raise MedDLError("E303", "", f"datatype = {fields.datatype}", "the header is damaged")
    return np.dtype(order + _TYPES[fields.datatype])


def _bit_findings(fields: _Fields, stored: np.dtype[np.generic]) -> tuple[Finding, ...]:
    if fields.bitpix == 8 * stored.itemsize:
        return ()
    return (warning("E303", f"bitpix = {fields.bitpix} does not fit datatype {fields.datatype}", "datatype was used"),)


def _shape(fields: _Fields, voxel_bytes: int) -> tuple[int, ...]:
    count = fields.dim[0]
    if not 1 <= count <= 7 or min(fields.dim[1 : count + 1]) < 1:
        raise MedDLError("E303", "image size not valid", f"dim = {fields.dim}", "the header is damaged")
    if count < 2 or any(n > 1 for n in fields.dim[4 : count + 1]):
        raise MedDLError("E310", "", f"{count}-D, dim = {fields.dim[1 : count + 1]}", "give one volume a file")
    shape_ijk = fields.dim[1:4] if count >= 3 else (*fields.dim[1:3], 1)
    require_size(shape_ijk, voxel_bytes)
    return shape_ijk


def _voxel_offset(fields: _Fields, smallest: int) -> int:
    offset = fields.vox_offset
    if not smallest <= offset <= MAX_SKIP or offset != int(offset):
        raise MedDLError("E303", "", f"vox_offset = {offset:g}", f"it lies between {smallest} and {MAX_SKIP}")
    return int(offset)


def _scaling(fields: _Fields) -> tuple[float, float, dict[str, str]]:
    if fields.slope == 0 or math.isnan(fields.slope):  # the standard: not set
        return 1.0, 0.0, {"scaling": f"none (scl_slope = {fields.slope:g})"}
    if not math.isfinite(fields.slope) or not math.isfinite(fields.intercept):
        raise MedDLError("E312", "", f"scl_slope = {fields.slope:g}, scl_inter = {fields.intercept:g}")
    return fields.slope, fields.intercept, {}


def _millimetres(fields: _Fields) -> tuple[float, tuple[Finding, ...]]:
    unit = fields.units & 7
    scale = _MM_PER_UNIT.get(unit, 1.0)
    if unit in (0, 2):
        return scale, ()
    if unit not in _MM_PER_UNIT:
        return scale, (warning("E306", f"xyzt_units = {fields.units} is no known unit", "mm was assumed"),)
    return scale, (warning("E306", f"lengths in {'m' if unit == 1 else 'micrometre'}", "converted to mm"),)


def _geometry(fields: _Fields, shape_ijk: tuple[int, ...], scale: float) -> tuple[Geometry, tuple[Finding, ...]]:
    """The grid, in mm, and what is to be told of it.

    Of two that differ it is the one ITK takes, and so Slicer: the sform only where it is the scanner's.
    """
    spacing = _spacing(fields)
    require_spacing([mm * scale for mm in spacing], "pixdim")
    sform = _sform(fields, spacing) if fields.sform_code > 0 else None
    qform = _qform(fields, spacing) if fields.qform_code > 0 else None
    grids = [_grid(shape_ijk, ijk_to_ras, scale) for ijk_to_ras in (sform, qform) if ijk_to_ras is not None]
    if not grids:
        told = warning("E327", "sform_code and qform_code are 0", "left and right are not known")
        return geometry_of(shape_ijk, np.diag(spacing) * scale, np.zeros(3), UNKNOWN), (told,)
    difference = _difference(sform, qform) if sform is not None and qform is not None else ""
    if not difference:
        return grids[0], ()
    is_sform = fields.sform_code == _SCANNER
    told = warning("E308", difference, f"{'sform' if is_sform else 'qform'} was used")
    return grids[0 if is_sform else 1], (told,)


def _grid(shape_ijk: tuple[int, ...], ijk_to_ras: Matrix, scale: float) -> Geometry:
    columns, origin = np.hsplit(flip_lps_ras(ijk_to_ras)[:3] * scale, [3])
    return geometry_of(shape_ijk, columns, origin.reshape(3), PATIENT)


def _spacing(fields: _Fields) -> list[float]:
    """Spacing along i, j, k; 1 where a picture of two axes does not say."""
    return [mm if axis < fields.axes or mm > 0 else 1.0 for axis, mm in enumerate(fields.pixdim[1:4])]


def _sform(fields: _Fields, spacing: list[float]) -> Matrix:
    matrix = np.vstack([np.reshape(fields.srow, (3, 4)), [0.0, 0.0, 0.0, 1.0]])
    if not np.isfinite(matrix).all():
        raise MedDLError("E307", "", "sform holds NaN or Inf", "the header is damaged")
    lengths = [math.hypot(*column) for column in matrix[:3, :3].T.tolist()]
    if min(lengths) == 0:
        raise MedDLError("E307", "", "sform does not span space", "the header is damaged")
    for axis in range(fields.axes):
        if abs(lengths[axis] / spacing[axis] - 1) > _SPACING_CONFLICT:
            told = f"sform {lengths[axis]:.4g}, pixdim {spacing[axis]:.4g} along axis {axis}"
            raise MedDLError("E308", "", told, "correct the header and save it again")
    return matrix


def _qform(fields: _Fields, spacing: list[float]) -> Matrix:
    b, c, d = fields.quaternion
    square = 1.0 - (b * b + c * c + d * d)
    if not (math.isfinite(square) and math.isfinite(fields.pixdim[0]) and all(map(math.isfinite, fields.offset))):
        raise MedDLError("E307", "", "qform holds NaN or Inf", "the header is damaged")
    if square < -1e-5:
        raise MedDLError("E307", "", f"qform is no rotation, quaternion {b:.4g}, {c:.4g}, {d:.4g}")
    a = math.sqrt(max(square, 0.0))
    rotation = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ]
    handedness = -1.0 if fields.pixdim[0] < 0 else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(rotation) * [spacing[0], spacing[1], spacing[2] * handedness]
    matrix[:3, 3] = fields.offset
    return matrix


def _difference(sform: Matrix, qform: Matrix) -> str:
    """What differs beyond rounding, in words; E308 when an axis points elsewhere altogether."""
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    directions = sform[:3, :3] / lengths
    others = qform[:3, :3] / np.linalg.norm(qform[:3, :3], axis=0)
    cosine = float(np.clip((directions * others).sum(axis=0).min(), -1.0, 1.0))
    degrees = math.degrees(math.acos(cosine))
    if cosine < _COSINE_CONFLICT:
        raise MedDLError("E308", "", f"sform and qform are {degrees:.0f} degrees apart", "remove the wrong one")
    shift = float(np.abs(sform[:3, 3] - qform[:3, 3]).max())
    turn = float(np.abs(directions - others).max())
    if turn <= _DIRECTION_NOISE and shift <= _POSITION_NOISE * lengths.min():
        return ""
    return f"sform and qform differ by {degrees:.2f} degrees and {shift:.4g}"

"""Writes volume files byte by byte, so that any field can be wrong: the guard's counterpart in the tests."""

from __future__ import annotations

import gzip
import math
import struct

import numpy as np

SHAPE_KJI = (3, 4, 5)
_NIFTI_TYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}
_NIFTI1 = {
    "sizeof_hdr": (0, "i"),
    "dim": (40, "8h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "B"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "quatern": (256, "3f"),
    "qoffset": (268, "3f"),
    "srow_x": (280, "4f"),
    "srow_y": (296, "4f"),
    "srow_z": (312, "4f"),
    "magic": (344, "4s"),
}
_NIFTI2 = {
    "sizeof_hdr": (0, "i"),
    "magic": (4, "8s"),
    "datatype": (12, "h"),
    "bitpix": (14, "h"),
    "dim": (16, "8q"),
    "pixdim": (104, "8d"),
    "vox_offset": (168, "q"),
    "scl_slope": (176, "d"),
    "scl_inter": (184, "d"),
    "qform_code": (344, "i"),
    "sform_code": (348, "i"),
    "quatern": (352, "3d"),
    "qoffset": (376, "3d"),
    "srow_x": (400, "4d"),
    "srow_y": (432, "4d"),
    "srow_z": (464, "4d"),
    "xyzt_units": (500, "i"),
}


def ramp(dtype: str = "i2", shape: tuple[int, ...] = SHAPE_KJI) -> np.ndarray:
    return np.arange(math.prod(shape), dtype=dtype).reshape(shape)


def nifti(*, version: int = 1, order: str = "<", dtype: str = "i2", voxels: bytes | None = None, **fields) -> bytes:
    """A NIfTI file of 5 x 4 x 3 voxels of 2 x 3 x 4 mm; any field can be given another value."""
    layout, offset = (_NIFTI1, 352) if version == 1 else (_NIFTI2, 544)
    header = bytearray(offset)
    values = {
        "sizeof_hdr": 348 if version == 1 else 540,
        "dim": (3, 5, 4, 3, 1, 1, 1, 1),
        "datatype": _NIFTI_TYPES[dtype],
        "bitpix": 8 * int(dtype[1]),
        "pixdim": (1, 2, 3, 4, 0, 0, 0, 0),
        "vox_offset": offset,
        "scl_slope": 1,
        "xyzt_units": 2,
        "qform_code": 1,
        "qoffset": (10, 20, 30),
        "sform_code": 1,
        "srow_x": (2, 0, 0, 10),
        "srow_y": (0, 3, 0, 20),
        "srow_z": (0, 0, 4, 30),
        "magic": b"n+1\0" if version == 1 else b"n+2\0\r\n\x1a\n",
    }
    for name, value in (values | fields).items():
        position, code = layout[name]
        struct.pack_into(order + code, header, position, *(value if isinstance(value, tuple) else (value,)))
    return bytes(header) + (ramp(order + dtype).tobytes() if voxels is None else voxels)


def nrrd(*, voxels: bytes | None = None, magic: str = "NRRD0004", **fields: str | None) -> bytes:
    """A NRRD file of 5 x 4 x 3 voxels of 2 x 3 x 4 mm; a field of None is left out, ``_`` stands for a space."""
    values: dict[str, str | None] = {
        "type": "short",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "5 4 3",
        "space directions": "(2,0,0) (0,3,0) (0,0,4)",
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "raw",
        "space origin": "(-10,-20,30)",
    }
    values |= {name.replace("_", " "): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in values.items() if value is not None]
    header = "\n".join([magic, *lines]) + "\n\n"
    return header.encode() + (ramp().tobytes() if voxels is None else voxels)


def metaimage(*, voxels: bytes | None = None, **fields: str | None) -> bytes:
    """A MetaImage file of 5 x 4 x 3 voxels of 2 x 3 x 4 mm; a field of None is left out."""
    values: dict[str, str | None] = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "-10 -20 30",
        "ElementSpacing": "2 3 4",
        "DimSize": "5 4 3",
        "ElementType": "MET_SHORT",
    }
    values |= fields
    values["ElementDataFile"] = values.pop("ElementDataFile", "LOCAL")
    text = "".join(f"{name} = {value}\n" for name, value in values.items() if value is not None)
    return text.encode() + (ramp().tobytes() if voxels is None else voxels)


def mgh(
    *,
    version: int = 1,
    dims: tuple[int, ...] = (5, 4, 3, 1),
    kind: int = 4,
    good: int = 1,
    delta: tuple[float, ...] = (2, 3, 4),
    axes: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
    center: tuple[float, ...] = (15, 26, 36),
    voxels: bytes | None = None,
) -> bytes:
    """An MGH file of 5 x 4 x 3 voxels of 2 x 3 x 4 mm."""
    header = struct.pack(">7ih15f", version, *dims, kind, 0, good, *delta, *axes, *center)
    return header.ljust(284, b"\0") + (ramp(">i2").tobytes() if voxels is None else voxels)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)

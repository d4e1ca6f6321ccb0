"""FreeSurfer's MGH header (surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ...errors import MedDLError
from ...geometry import PATIENT, UNKNOWN
from .header import VolumeHeader, VoxelData, geometry_of, require_size, require_spacing, warning

HEAD_BYTES = 284
_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused as Inf
def parse(head: bytes, path: Path, *, compressed: bool) -> VolumeHeader:
    """The volume that an MGH header declares.

    ``head`` is the first 284 bytes, unpacked; ``path`` is only remembered.
    Raises E302, E303, E304, E305, E306, E307 or E310.
    """
    if head[:4] != b"\0\0\0\x01":
        raise MedDLError("E302", "not an MGH file", "its version is not 1", "check the name's ending")
    if len(head) < HEAD_BYTES:
        raise MedDLError("E305", "", f"header of {len(head)} bytes", "get the file again")
    *shape_ijk, frames, kind, _, placed = struct.unpack_from(">6ih", head, 4)
    if frames != 1:
        raise MedDLError("E310" if frames > 1 else "E303", "", f"{frames} frames", "give one volume a file")
    if kind not in _TYPES:
        raise MedDLError("E310", "", f"voxel type {kind}", "give uchar, short, ushort, int or float")
    stored = np.dtype(_TYPES[kind])
    require_size(shape_ijk, stored.itemsize)
    data = VoxelData(path, skip=HEAD_BYTES, compressed=compressed, has_trailer=True)
    if not placed:
        geometry = geometry_of(shape_ijk, np.eye(3), np.zeros(3), UNKNOWN)
        unplaced = warning("E327", "goodRASFlag is 0", "left and right are not known")
        return VolumeHeader("MGH", geometry, stored, data, warnings=(unplaced,))
    numbers = struct.unpack_from(">15f", head, 30)
    require_spacing(numbers[:3], "delta")
    linear = np.reshape(numbers[3:12], (3, 3)).T * numbers[:3]
    origin = np.asarray(numbers[12:]) - linear @ (np.asarray(shape_ijk) / 2.0)  # stored is the grid's centre
    return VolumeHeader(
        "MGH", geometry_of(shape_ijk, _RAS_TO_LPS @ linear, _RAS_TO_LPS @ origin, PATIENT), stored, data
    )

"""What a volume's header declares, judged before a voxel is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import MedDLError
from ...geometry import SHEAR_TOLERANCE, UNKNOWN, Geometry, Matrix
from ..verdict import Finding

SMALLEST_MM, LARGEST_MM = 1e-6, 1e6
"""Spacings and positions outside these are damage, not anatomy."""

MAX_BYTES = 4 << 30
"""Memory budget of one volume, counted as it is read."""

MAX_SKIP = 64 << 20
"""Bytes of comment that may stand between header and voxels of one stream."""

MAX_EXPANSION = 1032
"""Deflate cannot pack tighter, so a header that declares more than this many times the file is wrong."""

BOMB_BYTES, BOMB_EXPANSION = 1 << 30, 500
"""A compressed volume that is both larger and tighter than these is a bomb, not an image."""


@dataclass(frozen=True)
class VoxelData:
    """Where the voxels stand: ``start`` bytes into the file, then ``skip`` bytes into what it unpacks to.

    ``start`` is None when they are the last bytes of the file.
    """

    path: Path
    start: int | None = 0
    skip: int = 0
    compressed: bool = False
    has_trailer: bool = False


@dataclass(frozen=True)
class VolumeHeader:
    """One scalar volume as its header describes it: accepted, apart from what the voxels may still show.

    ``stored`` is the voxel type in the file, byte order included; the value of a voxel is
    ``stored * slope + intercept``.
    """

    format: str
    geometry: Geometry
    stored: np.dtype[Any]
    data: VoxelData
    slope: float = 1.0
    intercept: float = 0.0
    modality: str = ""
    warnings: tuple[Finding, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_scaled(self) -> bool:
        """Whether the stored numbers differ from the voxel values."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def voxel_type(self) -> np.dtype[Any]:
        """Type of the voxels once read: float32 when scaled, else the stored one in native byte order."""
        return np.dtype(np.float32) if self.is_scaled else self.stored.newbyteorder("=")

    @property
    def voxel_count(self) -> int:
        """Number of voxels declared."""
        return math.prod(self.geometry.shape_kji)

    @property
    def stored_bytes(self) -> int:
        """Unpacked size declared, in bytes."""
        return self.voxel_count * self.stored.itemsize

    @property
    def facts(self) -> dict[str, str]:
        """Plain words for the user."""
        scaling = {"scaling": f"{self.slope:g} * stored + {self.intercept:g}"} if self.is_scaled else {}
        return plain_facts(self.format, self.geometry, self.voxel_type, self.modality) | scaling | dict(self.notes)


def plain_facts(format_name: str, geometry: Geometry, voxel_type: np.dtype[Any], modality: str = "") -> dict[str, str]:
    """Format, size, spacing, orientation, voxel type and, where known, modality in plain words."""
    facts = {"format": format_name, "size": " x ".join(map(str, geometry.shape_kji[::-1]))}
    if geometry.frame == UNKNOWN:
        facts |= {"frame": "place in the patient not known"}
    else:
        spacing = " x ".join(f"{mm:.4g}" for mm in geometry.spacing_ijk_mm)
        facts |= {"spacing": f"{spacing} mm", "orientation": geometry.orientation}
    facts["voxel type"] = voxel_type.name
    return facts | ({"modality": modality} if modality else {})


def warning(code: str, *parts: str) -> Finding:
    """A finding that does not stop the reading."""
    return Finding(code, "warning", " — ".join(parts))


def require_size(shape_ijk: Sequence[int], voxel_bytes: int) -> None:
    """Raise E303 for a size below one, E304 for one that the memory budget cannot hold."""
    if min(shape_ijk) < 1:
        raise MedDLError("E303", "image size not valid", f"i, j, k = {_short(shape_ijk)}", "each must be at least 1")
    if math.prod(shape_ijk) * voxel_bytes > MAX_BYTES:
        raise MedDLError("E304", "", f"{_short(shape_ijk)} voxels", f"the limit is {MAX_BYTES >> 30} GiB")


def require_spacing(spacing_mm: Sequence[float], where: str) -> None:
    """Raise E306, naming the header's field, unless every spacing is a sensible positive number."""
    if not all(SMALLEST_MM <= mm <= LARGEST_MM for mm in spacing_mm):  # NaN fails too
        raise MedDLError("E306", "", f"{where} = {_short(spacing_mm)}", "each must be positive, in mm")


def geometry_of(shape_ijk: Sequence[int], linear: ArrayLike, origin: ArrayLike, frame: str) -> Geometry:
    """The grid with columns ``linear`` (3, 3) and first voxel at ``origin`` (3,), in mm and LPS.

    Raises
    ------
    MedDLError : E307 for NaN, Inf, shear or axes that do not span space, E306 for a spacing that cannot be.
    """
    columns, first = _require_finite(linear), _require_finite(origin)
    require_spacing([math.hypot(*column) for column in columns.T.tolist()], "length of the axes")
    if np.abs(first).max() > LARGEST_MM:
        raise MedDLError("E307", "", f"first voxel at {_short(first.tolist())} mm", "the header is damaged")
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = columns, first
    i, j, k = shape_ijk
    geometry = Geometry((k, j, i), matrix, frame)
    if geometry.shear > SHEAR_TOLERANCE:
        raise MedDLError(
            "E307", "", f"axes not at right angles, cosine {geometry.shear:.4f}", "resample it to a straight grid first"
        )
    return geometry


def completed_axes(first: Sequence[float], second: Sequence[float]) -> Matrix:
    """(3, 3) columns of a single slice: its two axes and 1 mm along their normal."""
    normal = np.cross(first, second)
    length = float(np.linalg.norm(normal))
    return np.column_stack([first, second, normal / length if length > 0 else normal])


def require_stored(header: VolumeHeader) -> None:
    """Raise E304 or E305 when the file cannot hold what its header declares, E301 when it is not there."""
    present = file_size(header.data.path) - (header.data.start or 0)
    needed = header.data.skip + header.stored_bytes
    if needed > max(present, 1) * MAX_EXPANSION:
        raise MedDLError("E304", "", f"{needed} bytes declared, {max(present, 0)} bytes stored", "the header is wrong")
    if header.data.compressed and needed > BOMB_BYTES and needed > present * BOMB_EXPANSION:
        raise MedDLError("E304", "", f"{present} bytes unpack to {needed}", "this is no image but a bomb")
    if not header.data.compressed and present < needed:
        raise MedDLError("E305", "", f"{needed} bytes declared, {max(present, 0)} there", "get the file again")


def file_size(path: Path) -> int:
    """Size of a regular file in bytes; E301 for anything else, so that no device or pipe is ever opened."""
    try:
        if path.is_file():
            return path.stat().st_size
    except (OSError, ValueError) as exc:
        raise MedDLError("E301", "", type(exc).__name__) from exc
    raise MedDLError("E301", "", "no such file", "check the name")


def _require_finite(numbers: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(numbers, dtype=np.float64)
    if not np.isfinite(array).all():
        raise MedDLError("E307", "", "it holds NaN or Inf", "the header is damaged")
    return array


def _short(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.6g}" for number in numbers)

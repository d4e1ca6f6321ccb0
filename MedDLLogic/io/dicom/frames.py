"""The common form of one image plane, whether it is a file of its own or a frame of a multi-frame file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ...errors import MedDLError
from ...geometry import SHEAR_TOLERANCE
from . import tags
from .header import Header
from .scaling import Scaling, scaling_of

Vector = NDArray[np.float64]

UNIT_TOLERANCE = 1e-2
"""Largest difference from 1 of the length of a direction vector, which files often round."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One image plane of a series.

    Parameters
    ----------
    header : the file; ``frame`` : its frame, from 0.
    shape_ji : rows, columns.
    position_lps_mm : (3,) centre of the first pixel.
    axes_lps : (2, 3) unit vectors along which i (columns) and j (rows) grow.
    spacing_ij_mm : distance between pixels along i, j.
    measures : where the thickness is stated, which only a lone plane needs.
    scaling : from stored to real values.
    """

    header: Header
    frame: int
    shape_ji: tuple[int, int]
    position_lps_mm: Vector
    axes_lps: NDArray[np.float64]
    spacing_ij_mm: tuple[float, float]
    measures: Dataset
    scaling: Scaling

    @property
    def normal_lps(self) -> Vector:
        """(3,) unit vector across the plane: the direction in which k grows."""
        normal = np.cross(self.axes_lps[0], self.axes_lps[1])
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @property
    def thickness_mm(self) -> float | None:
        """What the plane stands for along its normal; None when not stated. Errors: E306."""
        for keyword in ("SliceThickness", "SpacingBetweenSlices"):
            found = tags.numbers(self.measures, keyword, "E306")
            if len(found) == 1 and found[0] > 0:
                return found[0]
        return None


def plane_of_file(header: Header) -> Plane:
    """The plane of a single-frame file. Errors: E303, E306, E307, E312, E327."""
    data = header.data
    return _plane(header, 0, position=data, orientation=data, measures=data, values=data)


def planes_of_frames(header: Header) -> tuple[Plane, ...]:
    """The planes of an enhanced multi-frame file, in stored order. Errors: E303, E306, E307, E310, E312, E327."""
    data = header.data
    per_frame = tags.items(data, "PerFrameFunctionalGroupsSequence")
    frames = tags.count(data, "NumberOfFrames", 1)
    if len(per_frame) != frames:
        raise MedDLError("E303", "frames do not agree", f"{frames} declared, {len(per_frame)} described")
    shared = next(iter(tags.items(data, "SharedFunctionalGroupsSequence")), Dataset())
    if not any(_has_group(groups, shared, "PlanePositionSequence") for groups in per_frame):
        raise MedDLError("E310", "kind of image not supported here", "its frames have no place in the patient")
    return tuple(_plane_of_frame(header, number, groups, shared) for number, groups in enumerate(per_frame))


def _plane_of_frame(header: Header, number: int, groups: Dataset, shared: Dataset) -> Plane:
    def group(keyword: str) -> Dataset:
        found = tags.items(groups, keyword) or tags.items(shared, keyword)
        return found[0] if found else Dataset()

    values = group("PixelValueTransformationSequence")
    return _plane(
        header,
        number,
        position=group("PlanePositionSequence"),
        orientation=group("PlaneOrientationSequence"),
        measures=group("PixelMeasuresSequence"),
        values=values if len(values) else header.data,
    )


def _has_group(groups: Dataset, shared: Dataset, keyword: str) -> bool:
    return keyword in groups or keyword in shared


def _plane(
    header: Header, frame: int, *, position: Dataset, orientation: Dataset, measures: Dataset, values: Dataset
) -> Plane:
    return Plane(
        header=header,
        frame=frame,
        shape_ji=(tags.count(header.data, "Rows"), tags.count(header.data, "Columns")),
        position_lps_mm=_position(position),
        axes_lps=_axes(orientation),
        spacing_ij_mm=_spacing(measures),
        measures=measures,
        scaling=scaling_of(values),
    )


def _position(data: Dataset) -> Vector:
    found = tags.numbers(data, "ImagePositionPatient", "E327")
    if len(found) != 3:
        raise MedDLError("E327", "no position in the patient", f"{len(found)} of 3 coordinates")
    return np.array(found)


def _axes(data: Dataset) -> NDArray[np.float64]:
    found = tags.numbers(data, "ImageOrientationPatient", "E307")
    if len(found) != 6 or not any(found):
        raise MedDLError("E327", "no orientation in the patient", "all zero" if found else "the element is missing")
    axes = np.array(found).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    if np.abs(lengths - 1.0).max() > UNIT_TOLERANCE:
        raise MedDLError("E307", "image orientation not valid", "its directions do not have length 1")
    axes = np.asarray(axes / lengths[:, None], dtype=np.float64)
    if abs(float(axes[0] @ axes[1])) > SHEAR_TOLERANCE:
        raise MedDLError("E307", "image orientation not valid", "rows and columns are not at right angles")
    return axes


def _spacing(data: Dataset) -> tuple[float, float]:
    found = tags.numbers(data, "PixelSpacing", "E306")
    if len(found) != 2 or min(found) <= 0:
        raise MedDLError("E306", "PixelSpacing not valid", f"{found} mm" if found else "the element is missing")
    return found[1], found[0]  # DICOM states the distance between rows first

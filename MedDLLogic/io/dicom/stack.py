"""From planes in any order to one regular grid, or a named refusal. Nothing is interpolated or guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import MedDLError
from ...geometry import SHEAR_TOLERANCE, Geometry
from ..verdict import Finding
from . import tags
from .frames import Plane, Vector

SPACING_TOLERANCE = 0.01
"""Largest part of the usual slice distance by which one distance may differ, or a slice lie off sideways."""

DRIFT_TOLERANCE = 0.05
"""Largest part of the slice distance by which small differences may add up along the series."""

SAME_PLACE_MM = 1e-3
"""Planes closer than this along the normal stand at one place."""

DIRECTION_TOLERANCE = 1e-3
"""Largest difference between direction cosines, and between pixel spacings in mm, within one stack."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes from first to last along k, their grid, and what was noticed on the way."""

    planes: tuple[Plane, ...]
    geometry: Geometry
    findings: tuple[Finding, ...] = ()


def stack_of(planes: Sequence[Plane], same_pixels: Callable[[Plane, Plane], bool]) -> Stack:
    """The planes ordered by position along their normal, never by number or file name.

    ``same_pixels`` tells whether two planes at one place are copies.
    Errors: E310 several images at each place, E322 missing, E323 double, E324 uneven, E325 tilt, E326 not fitting.
    """
    _require_alike(planes)
    normal = planes[0].normal_lps
    ordered = sorted(planes, key=lambda plane: float(plane.position_lps_mm @ normal))
    kept, findings = _without_copies(ordered, normal, same_pixels)
    if len(kept) == 1:
        step, lone = _lone_step(kept[0])
        findings += lone
    else:
        step = _step(np.array([plane.position_lps_mm for plane in kept]), normal)
    return Stack(tuple(kept), _geometry(kept, step), tuple(findings))


def _require_alike(planes: Sequence[Plane]) -> None:
    first = planes[0]
    checks: tuple[tuple[str, Callable[[Plane], bool]], ...] = (
        ("another size", lambda plane: plane.shape_ji == first.shape_ji),
        ("another pixel spacing", lambda plane: _near(plane.spacing_ij_mm, first.spacing_ij_mm)),
        ("another orientation", lambda plane: _near(plane.axes_lps, first.axes_lps)),
        ("another frame of reference", lambda plane: _space(plane) == _space(first)),
    )
    for words, is_like_first in checks:
        odd = sum(not is_like_first(plane) for plane in planes)
        if odd:
            why = f"{min(odd, len(planes) - odd)} of {len(planes)} slices have {words}"
            raise MedDLError("E326", "the series is not one stack", why, "give the files of one stack")


def _near(one: object, other: object) -> bool:
    difference = np.abs(np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64))
    return bool(difference.max() <= DIRECTION_TOLERANCE)


def _space(plane: Plane) -> str:
    return tags.text(plane.header.data, "FrameOfReferenceUID")


def _without_copies(
    ordered: list[Plane], normal: Vector, same_pixels: Callable[[Plane, Plane], bool]
) -> tuple[list[Plane], list[Finding]]:
    places = _places(ordered, normal)
    if any(_is_moved(place[0], other) for place in places for other in place[1:]):
        raise MedDLError("E326", "the series is not one stack", "several stacks lie side by side")
    different = [place for place in places if not all(_is_copy(place[0], other, same_pixels) for other in place[1:])]
    if different:
        raise _doubled_error(places, different)
    dropped = len(ordered) - len(places)
    warning = Finding("E323", "warning", f"{dropped} slices stand twice with the same pixels; one of each was kept")
    return [place[0] for place in places], [warning] if dropped else []


def _places(ordered: list[Plane], normal: Vector) -> list[list[Plane]]:
    places: list[list[Plane]] = []
    for plane in ordered:
        if places and float((plane.position_lps_mm - places[-1][0].position_lps_mm) @ normal) < SAME_PLACE_MM:
            places[-1].append(plane)
        else:
            places.append([plane])
    return places


def _is_moved(one: Plane, other: Plane) -> bool:
    return bool(np.abs(one.position_lps_mm - other.position_lps_mm).max() > SAME_PLACE_MM)


def _is_copy(one: Plane, other: Plane, same_pixels: Callable[[Plane, Plane], bool]) -> bool:
    return one.scaling == other.scaling and same_pixels(one, other)


def _doubled_error(places: list[list[Plane]], different: list[list[Plane]]) -> MedDLError:
    times = {len(place) for place in places}
    if len(different) == len(places) and len(times) == 1:
        why = f"{times.pop()} different images at each of {len(places)} places (times, echoes, directions?)"
        return MedDLError("E310", "more than one volume in the series", why, "give the files of one volume")
    return MedDLError("E323", "slices stand twice", f"different images at {len(different)} of {len(places)} places")


def _lone_step(plane: Plane) -> tuple[Vector, list[Finding]]:
    thickness_mm = plane.thickness_mm
    if thickness_mm is not None:
        return plane.normal_lps * thickness_mm, []
    message = "one slice of unknown thickness: 1 mm assumed"
    return plane.normal_lps, [Finding("E306", "warning", message)]


def _step(positions: NDArray[np.float64], normal: Vector) -> Vector:
    """(3,) from one slice to the next, in mm, along ``normal``; refuses whatever is not evenly stacked along it.

    The grid is orthogonal, as Slicer and ITK build it; a smaller lean than the tolerance is rounding in the file.
    """
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    along = float(step @ normal)
    lean = float(np.linalg.norm(step - along * normal)) / along
    if lean > SHEAR_TOLERANCE:
        why = f"the stack leans by {np.degrees(np.arctan(lean)):.2f} degrees"
        raise MedDLError("E325", "gantry tilt", why, "resample it to an upright grid first")
    _require_even(np.diff(positions @ normal))
    _require_on_line(positions - (positions[0] + np.arange(len(positions))[:, None] * step), normal, along)
    return np.asarray(along * normal, dtype=np.float64)


def _require_on_line(off_mm: NDArray[np.float64], normal: Vector, along_mm: float) -> None:
    drift = off_mm @ normal
    if np.abs(drift).max() > DRIFT_TOLERANCE * along_mm:
        raise MedDLError("E324", "slices unevenly spaced", "the distance drifts along the series")
    sideways = float(np.linalg.norm(off_mm - np.outer(drift, normal), axis=1).max())
    if sideways > SPACING_TOLERANCE * along_mm:
        raise MedDLError("E326", "slices are shifted sideways", f"by up to {sideways:.3g} mm")


def _require_even(gaps_mm: NDArray[np.float64]) -> None:
    usual = float(np.median(gaps_mm))
    if np.abs(gaps_mm - usual).max() <= SPACING_TOLERANCE * usual:
        return
    ratios = gaps_mm / gaps_mm.min()
    whole = np.round(ratios)
    if np.all(np.abs(ratios - whole) <= np.minimum(2 * SPACING_TOLERANCE * ratios, DRIFT_TOLERANCE)):
        missing = int((whole - 1).sum())
        raise MedDLError("E322", "slices missing", f"{missing} missing of {len(gaps_mm) + 1 + missing}")
    why = f"distances from {gaps_mm.min():.4g} to {gaps_mm.max():.4g} mm"
    raise MedDLError("E324", "slices unevenly spaced", why, "resample the series to even spacing first")


def _geometry(planes: Sequence[Plane], step: Vector) -> Geometry:
    first = planes[0]
    ijk_to_lps = np.eye(4)
    ijk_to_lps[:3, 0] = first.axes_lps[0] * first.spacing_ij_mm[0]
    ijk_to_lps[:3, 1] = first.axes_lps[1] * first.spacing_ij_mm[1]
    ijk_to_lps[:3, 2] = step
    ijk_to_lps[:3, 3] = first.position_lps_mm
    rows, columns = first.shape_ji
    return Geometry((len(planes), rows, columns), ijk_to_lps)

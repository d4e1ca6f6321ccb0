"""From a path to an image or a verdict: the one way that both take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.uid import UID

from ...errors import MedDLError
from ...geometry import Geometry
from ...image import Image
from ..verdict import Finding, ReadImage, Verdict, finding_of
from . import tags
from .frames import Plane, plane_of_file, planes_of_frames
from .header import Header
from .kinds import Kind, Role, has_plane, kind_of
from .picture import read_picture
from .pixels import decode, format_of, require_possible
from .scaling import Stored, rescaled
from .series import Catalog, Member, Series, catalog_of, chosen, facts_of
from .stack import Stack, stack_of

_WANTED = {
    "SOPClassUID": "kind judged by the other elements",
    "SeriesInstanceUID": "files of one folder taken as one series",
}


def list_series(path: Path) -> tuple[Series, ...]:
    """The series at a path, a folder with all below it or one file; headers only.

    Errors: E301 not found, E302 a file that is not DICOM, E303, E304, E305, E329 a damaged single file.
    """
    with tags.quiet_parser():
        return catalog_of(Path(path)).series


def check_dicom(path: Path, series: str = "") -> Verdict:
    """What ``read_dicom`` would say of the same input, pixels included; never raises for bad input."""
    with tags.quiet_parser():
        facts: Mapping[str, str] = {}
        try:
            catalog = catalog_of(Path(path))
            facts = facts_of(catalog)
            read = _read(catalog, series)
        except MedDLError as error:
            return Verdict((finding_of(error),), None, facts)
    return Verdict(read.warnings, read.image.geometry, read.facts)


def read_dicom(path: Path, series: str = "", *, nan_fill: float | None = None) -> ReadImage:  # noqa: ARG001
    """The image at a path, voxels (1, k, j, i), int16 where that is exact, else float32; ``"HU"`` for CT.

    Parameters
    ----------
    path : a folder, or one file, which stands for all files of its series in the same folder.
    series : SeriesInstanceUID, or number counted from 1 as ``list_series`` orders them; empty for the only one.
    nan_fill : without effect, for DICOM stores integers; all readers share this signature.

    Errors: E301 to E307, E310, E312, E320 to E329, E502; DICOM PS3.3 C.7.6.2, C.7.6.3, C.7.6.16, C.11.1.
    """
    with tags.quiet_parser():
        return _read(catalog_of(Path(path)), series)


def grid_of_dicom(path: Path, series: str = "") -> Geometry:
    """The grid of the image that ``read_dicom`` would give, of headers alone where the series holds no slice twice.

    Errors: those of ``read_dicom`` that headers show.
    """
    with tags.quiet_parser():
        headers, planes = _judged(chosen(catalog_of(Path(path)), series))
        return _stacked(planes)[0].geometry if planes else read_picture(headers[0]).image.geometry


def _read(catalog: Catalog, series: str) -> ReadImage:
    group = chosen(catalog, series)
    headers, planes = _judged(group)
    read = _read_stack(headers, planes) if planes else _read_lone_picture(headers[0])
    findings = [*catalog.findings, *_header_findings(headers), *read.warnings]
    if len(headers) < len(group):
        message = f"files of the series without an image, left out: {len(group) - len(headers)}"
        findings.append(Finding("E320", "warning", message))
    return replace(read, warnings=tuple(dict.fromkeys(findings)), facts={**_facts(headers), **read.facts})


def _judged(group: Sequence[Member]) -> tuple[list[Header], Sequence[Plane]]:
    """The headers of the image's files, and its planes: none for a single picture without a place."""
    members = [member for member in group if member.kind.role is not Role.NO_IMAGE]
    if len({member.kind.role for member in members}) > 1:
        raise MedDLError("E326", "the series is not one stack", "it mixes slices with other images")
    headers = [member.header for member in members]
    return headers, _planes_of(members[0].kind, headers)


def _planes_of(kind: Kind, headers: list[Header]) -> Sequence[Plane]:
    if kind.role is Role.UNSUPPORTED:
        raise MedDLError("E310", "kind of image not supported here", kind.words)
    if kind.role is Role.PICTURE and len(headers) > 1:
        why = f"{len(headers)} separate pictures"
        raise MedDLError("E326", "the series is not one stack", why, "give one file")
    if kind.role is Role.FRAMES and len(headers) > 1:
        why = f"{len(headers)} multi-frame files in one series"
        raise MedDLError("E310", "more than one volume in the series", why, "give one of the files")
    if kind.role is Role.FRAMES:
        return planes_of_frames(headers[0])
    if kind.role is Role.PICTURE or (len(headers) == 1 and not has_plane(headers[0].data)):
        return ()
    return [plane_of_file(header) for header in headers]


def _read_lone_picture(header: Header) -> ReadImage:
    read = read_picture(header)
    if kind_of(header).role is Role.PICTURE:
        return read
    warning = Finding("E327", "warning", "a slice without a place in the patient, read as a picture")
    return replace(read, warnings=(warning, *read.warnings))


def _read_stack(headers: list[Header], planes: Sequence[Plane]) -> ReadImage:
    findings = require_possible(headers)
    if any(format_of(header).samples > 1 for header in headers):
        raise MedDLError("E310", "kind of image not supported here", "a color volume")
    stack, pixels = _stacked(planes)
    voxels = rescaled([pixels(plane) for plane in stack.planes], [plane.scaling for plane in stack.planes])
    return ReadImage(_image(voxels, stack), (*findings, *stack.findings, *_value_findings(stack)))


def _stacked(planes: Sequence[Plane]) -> tuple[Stack, Callable[[Plane], Stored]]:
    """The planes in order, and what decodes the pixels of one; copies among them alone are decoded here."""
    frames: dict[Path, Stored] = {}

    def pixels(plane: Plane) -> Stored:
        path = plane.header.path
        if path not in frames:
            frames[path] = decode(plane.header)
        return np.asarray(frames[path][plane.frame])

    return stack_of(planes, lambda one, other: bool(np.array_equal(pixels(one), pixels(other)))), pixels


def _image(voxels: Stored, stack: Stack) -> Image:
    data = stack.planes[0].header.data
    modality = tags.modality(data)
    scalings = [plane.scaling for plane in stack.planes]
    is_hu = modality == "CT" and all(scaling.stated and scaling.unit in ("", "HU") for scaling in scalings)
    space = tags.text(data, "FrameOfReferenceUID")
    units = "HU" if is_hu else ""
    return Image(voxels[None], stack.geometry, modality=modality, units=units, frame_of_reference=space)


def _value_findings(stack: Stack) -> list[Finding]:
    findings = []
    data = stack.planes[0].header.data
    if tags.modality(data) == "CT" and not all(plane.scaling.stated for plane in stack.planes):
        findings.append(Finding("E312", "warning", "CT without rescale: values are not known to be HU"))
    if any(_photometric(plane.header) == "MONOCHROME1" for plane in stack.planes):
        findings.append(
            Finding("E312", "warning", "MONOCHROME1 in a volume concerns display only: values not inverted")
        )
    return findings


def _header_findings(headers: list[Header]) -> list[Finding]:
    findings = [finding for header in headers for finding in header.findings]
    for keyword, consequence in _WANTED.items():
        absent = sum(not tags.text(header.data, keyword) for header in headers)
        if absent:
            findings.append(Finding("E303", "warning", f"{keyword} missing: {consequence}"))
    if any(tags.text(header.data, "Modality") and not tags.modality(header.data) for header in headers):
        findings.append(Finding("E303", "warning", "Modality is none of the standard's codes: taken as not known"))
    return findings


def _photometric(header: Header) -> str:
    return tags.text(header.data, "PhotometricInterpretation").upper()


def _facts(headers: list[Header]) -> dict[str, str]:
    syntax = UID(headers[0].transfer_syntax)
    return {
        "format": "DICOM",
        "modality": tags.modality(headers[0].data),
        "encoding": syntax.name if syntax.is_transfer_syntax else "not known",
        "files": str(len(headers)),
    }

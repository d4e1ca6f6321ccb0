"""Projection images and other single pictures: 2-D, without a place in the patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import MedDLError
from ...geometry import UNKNOWN, Geometry
from ...image import Image
from ..verdict import Finding, ReadImage
from . import tags
from .header import Header
from .pixels import decode, format_of, require_possible
from .scaling import Stored, rescaled, scaling_of

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def read_picture(header: Header) -> ReadImage:
    """One gray picture as an image of one slice in the unknown frame; larger values are brighter.

    A color picture whose channels agree is read as gray. Errors: E303, E304, E305, E310, E312, E328.
    """
    findings = [*require_possible([header])]
    stored, gray = _gray(decode(header)[0])
    form, scaling = format_of(header), scaling_of(header.data)
    if gray:
        findings.append(gray)
    if tags.text(header.data, "PhotometricInterpretation").upper() == "MONOCHROME1":
        scaling = scaling.inverted(*form.stored_range)
        findings.append(Finding("E312", "warning", "MONOCHROME1 inverted, so that larger values are brighter"))
    voxels = rescaled([stored], [replace(scaling, unit="")])
    geometry = Geometry((1, *form.shape_ji), np.eye(4), UNKNOWN)
    image = Image(voxels[None], geometry, modality=tags.modality(header.data))
    return ReadImage(image, tuple(findings), _spacing_facts(header))


def _gray(stored: Stored) -> tuple[Stored, Finding | None]:
    if stored.ndim == 2:
        return stored, None
    if np.any(stored != stored[..., :1]):
        raise MedDLError("E310", "kind of image not supported here", "a color picture", "give a gray one")
    return stored[..., 0], Finding("E310", "warning", "a color picture whose channels agree, read as gray")


def _spacing_facts(header: Header) -> dict[str, str]:
    for keyword in _SPACINGS:
        found = tags.numbers(header.data, keyword, "E306")
        if len(found) == 2 and min(found) > 0:
            return {keyword: f"{found[0]:g} x {found[1]:g} mm"}
    return {}

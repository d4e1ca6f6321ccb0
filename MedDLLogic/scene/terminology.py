"""Coded meaning of a segment, to and from the text in which 3D Slicer keeps it.

Seven parts joined by ``~``: name of the context, category, type, type modifier, name of the region's
context, region, region modifier; each code is ``scheme^value^meaning``.
"""

from __future__ import annotations

from ..errors import MedDLError
from ..labels import Code, Terminology

CONTEXT = "Segmentation category and type - DICOM master list"
REGION_CONTEXT = "Anatomic codes - DICOM master list"

_NO_CODE = "^^"
_SEPARATORS = "~^|\r\n"  # "|" and line ends separate tags in a .seg.nrrd header


def to_text(terminology: Terminology) -> str:
    """The text of a terminology; E402 when a code holds one of the separators."""
    codes = (terminology.category, terminology.type, terminology.type_modifier)
    region = (terminology.region, terminology.region_modifier)
    return "~".join([CONTEXT, *map(_code_text, codes), REGION_CONTEXT, *map(_code_text, region)])


def from_text(text: str) -> Terminology | None:
    """The terminology that a text says, None when it names no category or no type; E402 when damaged."""
    if not text:
        return None
    parts = text.rstrip("|").split("~")
    if len(parts) != 7:
        raise MedDLError("E402", "terminology of a segment not readable", f"{len(parts)} parts instead of 7")
    category, kind, modifier, region, region_modifier = (_code(parts[n]) for n in (1, 2, 3, 5, 6))
    return Terminology(category, kind, modifier, region, region_modifier) if category and kind else None


def require_storable(text: str, what: str) -> str:
    """The text itself; E402 when it holds a sign that separates fields in the scene's files."""
    if any(sign in text for sign in _SEPARATORS):
        raise MedDLError("E402", f"{what} not usable", "holds one of ~ ^ | or a line end")
    return text


def _code_text(code: Code | None) -> str:
    if code is None:
        return _NO_CODE
    return "^".join(require_storable(part, "terminology") for part in (code.scheme, code.value, code.meaning))


def _code(text: str) -> Code | None:
    parts = (text or _NO_CODE).split("^")
    if len(parts) != 3:
        raise MedDLError("E402", "terminology of a segment not readable", "a code is not scheme^value^meaning")
    return Code(*parts) if parts[1] else None

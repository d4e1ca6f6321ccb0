"""What a DICOM object is, in plain words, and which way it is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pydicom.dataset import Dataset

from . import tags
from .header import Header

_PIXEL_DATA = 0x0010
_STORAGE = "1.2.840.10008.5.1.4.1.1."

_NO_IMAGE = {
    "66.4": "a segmentation",
    "66.7": "a segmentation",
    "66.5": "a surface segmentation",
    "66.1": "a registration",
    "66.3": "a registration",
    "66.2": "a set of fiducial points",
    "66.6": "tractography results",
    "30": "a parametric map",
    "67": "a real world value mapping",
    "481.3": "a radiotherapy structure set",
    "481.5": "a radiotherapy plan",
    "481.8": "a radiotherapy plan",
    "4.2": "spectroscopy data",
    "66": "raw data",
    "91.1": "a set of annotations",
}
_NO_IMAGE_FAMILIES = {
    "88.": "a structured report",
    "9.": "a waveform",
    "11.": "a presentation state",
    "104.": "an enclosed document",
    "481.": "a radiotherapy record",
}
_NO_IMAGE_MODALITIES = {
    "SEG": "a segmentation",
    "SR": "a structured report",
    "RTSTRUCT": "a radiotherapy structure set",
    "RTPLAN": "a radiotherapy plan",
    "RTRECORD": "a radiotherapy record",
    "PR": "a presentation state",
    "KO": "a key object selection",
    "REG": "a registration",
    "ECG": "a waveform",
    "DOC": "an enclosed document",
    "RWV": "a real world value mapping",
}
_UNSUPPORTED = {"481.2": "a radiotherapy dose grid", "77.1.6": "a whole-slide microscopy image"}
_RADIOTHERAPY_IMAGE = "481.1"
_SLICES = frozenset({"2", "4", "128"})  # CT, MR, PET
_SLICE_MODALITIES = frozenset({"CT", "MR", "PT"})
_SECONDARY_CAPTURE = "7"
DICOMDIR = "1.2.840.10008.1.3.10"


class Role(Enum):
    """How an object is read."""

    SLICE = "slices of a volume"
    FRAMES = "volume in one file"
    PICTURE = "picture"
    UNSUPPORTED = "unsupported"
    NO_IMAGE = "no image"


@dataclass(frozen=True)
class Kind:
    """A role and plain words for the user."""

    role: Role
    words: str


def kind_of(header: Header) -> Kind:
    """What the object is. Errors: E303 for a damaged element."""
    data = header.data
    storage = _storage(data)
    words = _no_image_words(storage, tags.modality(data))
    if words:
        return Kind(Role.NO_IMAGE, words)
    if header.pixels is None:
        return Kind(Role.NO_IMAGE, "an object without pixels")
    if header.pixels.element != _PIXEL_DATA:
        return Kind(Role.NO_IMAGE, "a parametric map of floating point values")
    if storage in _UNSUPPORTED:
        return Kind(Role.UNSUPPORTED, _UNSUPPORTED[storage])
    return _image_kind(data, storage)


def is_directory(data: Dataset) -> bool:
    """Whether the object is the list of contents of a disc (DICOMDIR)."""
    file_meta = getattr(data, "file_meta", None)
    named = tags.text(file_meta, "MediaStorageSOPClassUID") if file_meta is not None else ""
    return DICOMDIR in (named, tags.text(data, "SOPClassUID")) or "DirectoryRecordSequence" in data


def has_plane(data: Dataset) -> bool:
    """Whether position or orientation in the patient is stated, whatever the values."""
    return any(tags.value(data, word) is not None for word in ("ImagePositionPatient", "ImageOrientationPatient"))


def _storage(data: Dataset) -> str:
    named = tags.text(data, "SOPClassUID")
    return named.removeprefix(_STORAGE) if named.startswith(_STORAGE) else ""


def _no_image_words(storage: str, modality: str) -> str:
    if storage in _NO_IMAGE:
        return _NO_IMAGE[storage]
    if not storage:
        return _NO_IMAGE_MODALITIES.get(modality, "")
    if storage in _UNSUPPORTED or storage == _RADIOTHERAPY_IMAGE:
        return ""
    return next((words for family, words in _NO_IMAGE_FAMILIES.items() if storage.startswith(family)), "")


def _image_kind(data: Dataset, storage: str) -> Kind:
    frames = tags.count(data, "NumberOfFrames", 1)
    if "PALETTE" in tags.text(data, "PhotometricInterpretation").upper():
        return Kind(Role.UNSUPPORTED, "a palette color image")
    if "PerFrameFunctionalGroupsSequence" in data:
        return Kind(Role.FRAMES, Role.FRAMES.value)
    if frames > 1:
        return Kind(Role.UNSUPPORTED, f"{frames} frames that have no places of their own (a film or projections)")
    if _is_slice(data, storage):
        return Kind(Role.SLICE, Role.SLICE.value)
    return Kind(Role.PICTURE, Role.PICTURE.value)


def _is_slice(data: Dataset, storage: str) -> bool:
    if storage in _SLICES:
        return True
    if storage in ("", _SECONDARY_CAPTURE):
        return _has_place(data) or (not storage and tags.modality(data) in _SLICE_MODALITIES)
    return False


def _has_place(data: Dataset) -> bool:
    keywords = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    return all(tags.value(data, keyword) is not None for keyword in keywords)

"""Stored pixel values, decoded by pydicom or ITK after the declared size was found possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from ...errors import MedDLError
from ..guard.header import MAX_BYTES
from ..verdict import Finding
from . import tags
from .codestream import frame_header
from .header import Header, read_whole
from .itk_frames import decode_by_itk
from .scaling import Stored

_DEPTHS = (8, 16, 32)
# One decoder an encoding, so that values never depend on what else is installed.
_DECODERS: Mapping[str, str] = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEG2000Lossless: "pillow",
    uid.JPEG2000: "pillow",
    uid.RLELossless: "pydicom",
}
_BY_ITK = frozenset(
    {uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEGLSNearLossless}
)
_MARKED = _BY_ITK | {uid.JPEGBaseline8Bit, uid.JPEG2000Lossless, uid.JPEG2000}
_END_OF_IMAGE = b"\xff\xd9"
_MAX_PADDING_BYTES = 16
_PADDING_BYTES = 1
_FLOAT32_BYTES = 4
_HALF_COLOR = "YBR_FULL_422"


@dataclass(frozen=True)
class PixelFormat:
    """What a header says of its pixels: frames, size, samples a pixel, bits."""

    frames: int
    shape_ji: tuple[int, int]
    samples: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    photometric: str

    @property
    def stored_bytes(self) -> int:
        """Bytes of all frames when not compressed."""
        rows, columns = self.shape_ji
        samples = 2 if self.photometric == _HALF_COLOR else self.samples
        return self.frames * rows * columns * samples * self.bits_allocated // 8

    @property
    def stored_range(self) -> tuple[int, int]:
        """Smallest and largest value that the stored bits can hold."""
        if self.is_signed:
            return -(1 << self.bits_stored - 1), (1 << self.bits_stored - 1) - 1
        return 0, (1 << self.bits_stored) - 1


def format_of(header: Header) -> PixelFormat:
    """The pixel format that a header declares. Errors: E303, E310."""
    data = header.data
    form = PixelFormat(
        frames=tags.count(data, "NumberOfFrames", 1),
        shape_ji=(tags.count(data, "Rows"), tags.count(data, "Columns")),
        samples=tags.count(data, "SamplesPerPixel", 1),
        bits_allocated=tags.count(data, "BitsAllocated"),
        bits_stored=tags.count(data, "BitsStored", tags.count(data, "BitsAllocated")),
        is_signed=_is_signed(data),
        photometric=tags.text(data, "PhotometricInterpretation").upper(),
    )
    if form.bits_allocated not in _DEPTHS or form.samples not in (1, 3):
        why = f"{form.bits_allocated} bits, {form.samples} samples a pixel"
        raise MedDLError("E310", "kind of pixel not supported", why)
    if form.bits_stored > form.bits_allocated:
        raise MedDLError("E303", "BitsStored not valid", f"{form.bits_stored} of {form.bits_allocated}")
    return form


def _is_signed(data: Dataset) -> bool:
    stated = tags.text(data, "PixelRepresentation")
    if stated not in ("0", "1"):
        raise MedDLError("E303", "PixelRepresentation not valid", "it is neither 0 nor 1" if stated else "missing")
    return stated == "1"


def require_possible(headers: Iterable[Header]) -> tuple[Finding, ...]:
    """Findings on the declared sizes. Errors: E304 more than file or memory can hold, E305 cut short, E328."""
    needed, findings = 0, []
    for header in headers:
        form = format_of(header)
        needed += max(form.stored_bytes, _FLOAT32_BYTES * form.frames * form.shape_ji[0] * form.shape_ji[1])
        if needed > MAX_BYTES:
            raise MedDLError("E304", "declared size over the budget", f"the limit is {MAX_BYTES >> 30} GiB")
        findings += _native_findings(header, form)
    return tuple(findings)


def decode(header: Header) -> Stored:
    """Stored values, (frame, j, i) or (frame, j, i, sample) in RGB. Errors: E304, E305, E328, E502."""
    form = format_of(header)
    whole = read_whole(header, form.stored_bytes)
    if "PixelData" not in whole:
        raise MedDLError("E305", "pixel data cut short", "the file ends inside them")
    syntax = UID(header.transfer_syntax)
    with tags.translated("E328", "pixel data cannot be decoded"):
        _complete(whole, form, syntax)
        stored = _decoded(whole, form, syntax)
    expected = (form.frames, *form.shape_ji, *((form.samples,) if form.samples > 1 else ()))
    if stored.size != np.prod(expected, dtype=np.int64):
        raise MedDLError("E305", "pixel data do not fit the header", f"{stored.shape} instead of {expected}")
    return np.asarray(stored.reshape(expected))


def _native_findings(header: Header, form: PixelFormat) -> list[Finding]:
    pixels, syntax = header.pixels, UID(header.transfer_syntax)
    if not syntax.is_transfer_syntax:
        raise MedDLError("E328", "pixel data cannot be decoded", "encoding not known")
    if pixels is None or syntax.is_encapsulated:
        return []
    length = form.stored_bytes if pixels.length is None else pixels.length
    if length < form.stored_bytes and form.stored_bytes > header.capacity_bytes:
        why = f"{form.stored_bytes} bytes of pixels declared, the file has {header.capacity_bytes}"
        raise MedDLError("E304", "declared size not possible", why)
    held = min(length, header.capacity_bytes - pixels.offset)
    if held < form.stored_bytes:
        raise MedDLError("E305", "pixel data cut short", f"{max(held, 0)} of {form.stored_bytes} bytes")
    if length > form.stored_bytes + _PADDING_BYTES:
        return [Finding("E305", "warning", f"{length - form.stored_bytes} bytes after the last pixel left out")]
    return []


def _decoded(whole: FileDataset, form: PixelFormat, syntax: UID) -> Stored:
    if syntax in _MARKED:
        encoded = tuple(generate_frames(whole.PixelData, number_of_frames=form.frames))
        _require_agreement(encoded, form)
        if syntax in _BY_ITK:
            return decode_by_itk(encoded, whole, syntax)
    return get_decoder(syntax).as_array(whole, decoding_plugin=_DECODERS.get(syntax, ""))[0]


def _require_agreement(encoded: Iterable[bytes], form: PixelFormat) -> None:
    # Decoders allocate what a frame declares, and fill up one that ends early.
    for frame in encoded:
        declared = frame_header(frame)
        if declared is None or declared.shape_ji != form.shape_ji or declared.samples != form.samples:
            raise MedDLError("E328", "pixel data do not fit the header", "a compressed frame has another size")
        if not 1 < declared.bits <= form.bits_allocated:
            raise MedDLError("E328", "pixel data do not fit the header", f"a compressed frame of {declared.bits} bits")
        if _END_OF_IMAGE not in frame[-_MAX_PADDING_BYTES:]:
            raise MedDLError("E305", "pixel data cut short", "a compressed frame does not come to its end")


def _complete(whole: FileDataset, form: PixelFormat, syntax: UID) -> None:
    """Fill in what the decoder insists on and the header may leave out."""
    whole.file_meta.TransferSyntaxUID = syntax
    whole.SamplesPerPixel = form.samples
    whole.BitsStored = form.bits_stored
    whole.NumberOfFrames = form.frames
    whole.PixelRepresentation = int(form.is_signed)
    if not form.photometric:
        whole.PhotometricInterpretation = "MONOCHROME2" if form.samples == 1 else "RGB"

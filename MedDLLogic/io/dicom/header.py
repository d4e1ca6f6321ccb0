"""One DICOM file's header: parsed by pydicom after cheap checks that keep hostile files out."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ...errors import MedDLError
from ..verdict import Finding
from . import tags

MAX_DEPTH = 64
"""Deepest nesting of sequences that is followed."""

MAX_VALUE_BYTES = 1 << 20
"""Longest single value that is kept from a header; longer ones (overlays, private data) are passed over."""

MAX_INFLATED_HEADER_BYTES = 16 << 20
"""Most bytes that a deflated file may take before its pixel data begins."""

MAX_TRAILING_BYTES = 1 << 20
"""Most bytes that may follow the pixel data of a deflated file."""

MAX_DEFLATE_RATIO = 1032
"""Largest growth that the deflate method can reach."""

UNDEFINED_LENGTH = 0xFFFFFFFF

_PREAMBLE_BYTES = 128
_SNIFF_BYTES = 2048
_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_GROUP_LENGTH_END = _PREAMBLE_BYTES + 16
_DEFLATED = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
_PLAIN = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1\0\0\0"
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")


@dataclass(frozen=True)
class PixelElement:
    """Where a file keeps its pixels.

    ``length`` is None when the element holds encapsulated frames of undefined length.
    """

    element: int
    offset: int
    length: int | None


@dataclass(frozen=True, eq=False)
class Header:
    """A parsed header without the pixels.

    ``capacity_bytes`` is the most that the file could hold: its size, or what it could inflate to.
    """

    path: Path
    data: FileDataset
    transfer_syntax: str
    pixels: PixelElement | None
    capacity_bytes: int
    findings: tuple[Finding, ...] = ()


def sniff(path: Path) -> bool:
    """Whether a regular file begins as DICOM does, with or without the 128-byte preamble."""
    if not path.is_file():  # a pipe or a device would block for ever
        return False
    with path.open("rb") as stream:
        start = stream.read(_PREAMBLE_BYTES + 4)
    return start[_PREAMBLE_BYTES:] == b"DICM" or _begins_like_a_data_set(start)


def read_header(path: Path) -> Header:
    """The header of a DICOM file.

    Errors: E301 not readable, E302 not DICOM, E303 and E305 damaged, E304 a bomb, E329 nested too deeply.
    """
    try:
        with path.open("rb") as stream:
            return _parsed(path, stream)
    except OSError as exc:
        raise MedDLError("E301", "DICOM file not readable", type(exc).__name__) from exc


def read_whole(header: Header, pixel_bytes: int) -> FileDataset:
    """The same file with its pixels; a deflated one may inflate to ``pixel_bytes`` of them and no further."""
    with tags.translated("E305", "DICOM file damaged"), header.path.open("rb") as stream:
        source: BinaryIO = stream
        if header.pixels is not None and _is_deflated(stream):
            source, complete = _inflated(stream, header.pixels.offset + pixel_bytes + MAX_TRAILING_BYTES)
            if not complete:
                raise _bomb()
        return dcmread(source, force=True)


def _begins_like_a_data_set(start: bytes) -> bool:
    # Without a preamble the first element is of group 2 or 8, or of group 0 (a stored network message).
    if len(start) < 8:
        return False
    group, element, length = struct.unpack("<HHI", start[:8])
    if group in (0x0200, 0x0800):  # the same groups written with the large end first
        return start[4:6] in (b"UL", b"CS", b"UI", b"SH", b"DA", b"OB")
    if group not in (0x0000, 0x0002, 0x0008) or element > 0x2000:
        return False
    return (start[4:6].isalpha() and start[4:6].isupper()) or 0 < length <= 256


def _parsed(path: Path, stream: BinaryIO) -> Header:
    source, capacity, complete = stream, path.stat().st_size, True
    if _is_deflated(stream):
        capacity *= MAX_DEFLATE_RATIO
        source, complete = _inflated(stream, MAX_INFLATED_HEADER_BYTES)
    with tags.translated("E303", "DICOM header damaged"):
        data = dcmread(source, stop_before_pixels=True, defer_size=MAX_VALUE_BYTES, force=True)
        pixels = _pixel_element(data, source)
    if not complete and pixels is None:
        raise _bomb()
    if not (data.preamble or tags.text(data, "SOPClassUID") or tags.text(data, "Rows")):
        raise MedDLError("E302", "not a DICOM file")
    if not len(data):
        raise MedDLError("E305", "DICOM file cut short", "nothing after its file header")
    findings = [*_depth_findings(data), *_meta_findings(data)]
    return Header(path, data, _transfer_syntax(data), pixels, capacity, tuple(findings))


def _transfer_syntax(data: FileDataset) -> str:
    implicit, little = data.original_encoding
    plain = (ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian) if little else ExplicitVRBigEndian
    return tags.text(data.file_meta, "TransferSyntaxUID") or str(plain)


def _meta_findings(data: FileDataset) -> list[Finding]:
    if tags.text(data.file_meta, "TransferSyntaxUID"):
        return []
    return [Finding("E303", "warning", "no transfer syntax in the file: encoding judged from its first element")]


def _depth_findings(data: Dataset) -> list[Finding]:
    # Not recursive, and pydicom parses one level at a time here, so depth cannot exhaust the stack.
    open_sets, unreadable = [(data, 1)], 0
    while open_sets:
        current, depth = open_sets.pop()
        if depth > MAX_DEPTH:
            raise MedDLError("E329", "DICOM header nested too deeply", f"more than {MAX_DEPTH} levels")
        for tag in filter(partial(_may_be_sequence, current), tuple(current.keys())):
            try:
                with tags.translated("E303", "sequence damaged"):
                    found = current[tag].value
            except MedDLError as error:
                if error.code != "E303":
                    raise
                unreadable += 1
                continue
            open_sets += [(item, depth + 1) for item in found] if isinstance(found, Sequence) else []
    if not unreadable:
        return []
    return [Finding("E303", "warning", f"sequences in the header that cannot be read: {unreadable}; none was needed")]


def _may_be_sequence(data: Dataset, tag: BaseTag) -> bool:
    element = data.get_item(tag, keep_deferred=True)
    if not isinstance(element, RawDataElement):
        return isinstance(element.value, Sequence)
    if element.VR is None:
        return dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"
    return element.VR == "SQ"


def _pixel_element(data: FileDataset, source: BinaryIO) -> PixelElement | None:
    # pydicom stopped in front of the pixel element, or at the end.
    order = "<" if data.original_encoding[1] else ">"
    start = source.tell()
    head = source.read(12)
    if len(head) < 8:
        return None
    group, element = struct.unpack(f"{order}HH", head[:4])
    if group != 0x7FE0 or element not in (0x0008, 0x0009, 0x0010):
        return None
    if head[4:6] in _LONG_VRS and len(head) == 12:  # never an implicit length: those letters make an odd number
        length, offset = struct.unpack(f"{order}I", head[8:12])[0], start + 12
    else:
        length, offset = struct.unpack(f"{order}I", head[4:8])[0], start + 8
    return PixelElement(element, offset, None if length == UNDEFINED_LENGTH else length)


def _is_deflated(stream: BinaryIO) -> bool:
    start = stream.read(_SNIFF_BYTES)
    stream.seek(0)
    return start[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM" and _DEFLATED in start


def _inflated(stream: BinaryIO, limit: int) -> tuple[BytesIO, bool]:
    """The file as if it had been stored plainly, its data set cut at ``limit`` bytes, and whether that was all."""
    start = stream.read(_GROUP_LENGTH_END)
    if start[_PREAMBLE_BYTES + 4 : _GROUP_LENGTH_END - 4] != _GROUP_LENGTH:
        raise MedDLError("E303", "DICOM header damaged", "a deflated file whose file header has no length")
    meta = stream.read(min(struct.unpack("<I", start[-4:])[0], MAX_VALUE_BYTES)).replace(_DEFLATED, _PLAIN)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(stream.read(), limit)
    except zlib.error as exc:
        raise MedDLError("E305", "deflated DICOM data damaged") from exc
    return BytesIO(start + meta + body), not unpacker.unconsumed_tail


def _bomb() -> MedDLError:
    return MedDLError("E304", "deflated DICOM file too large", "it inflates to more than its header declares")

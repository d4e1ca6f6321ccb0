"""What a compressed frame says of itself, read before a decoder allocates for it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Start of frame in JPEG, and in JPEG-LS; 0xC4, 0xC8 and 0xCC are other things.
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_START_OF_SCAN = 0xDA
_JPEG = b"\xff\xd8"
_JPEG_2000 = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class FrameHeader:
    """Size, bits a sample and samples a pixel of one compressed frame."""

    shape_ji: tuple[int, int]
    bits: int
    samples: int


def frame_header(encoded: bytes) -> FrameHeader | None:
    """The header of a JPEG, JPEG-LS or JPEG 2000 frame; None when there is none."""
    if encoded.startswith(_JPEG_2000):
        return _jpeg_2000_header(encoded)
    if not encoded.startswith(_JPEG):
        return None
    for marker, start in _segments(encoded):
        if marker in _START_OF_FRAME and len(encoded) >= start + 8:
            bits, rows, columns, samples = struct.unpack(">B2HB", encoded[start + 2 : start + 8])
            return FrameHeader((rows, columns), bits, samples)
    return None


def _jpeg_2000_header(encoded: bytes) -> FrameHeader | None:
    if len(encoded) < 43:
        return None
    right, bottom, left, top = struct.unpack(">4I", encoded[8:24])
    samples, bits = struct.unpack(">HB", encoded[40:43])
    return FrameHeader((bottom - top, right - left), (bits & 0x7F) + 1, samples)


def _segments(encoded: bytes) -> Iterator[tuple[int, int]]:
    """Marker and start of each segment before the image data."""
    at = len(_JPEG)
    while at + 4 <= len(encoded) and encoded[at] == 0xFF and encoded[at + 1] != _START_OF_SCAN:
        if encoded[at + 1] == 0xFF:  # a filling byte
            at += 1
            continue
        yield encoded[at + 1], at + 2
        at += 2 + struct.unpack(">H", encoded[at + 2 : at + 4])[0]

"""Bytes of a file, unpacked in pieces, so that a bomb never fills the memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from ...errors import MedDLError

PIECE = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
_BLOCK = 1 << 16
_MAX_MEMBERS = 100_000
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_GZIP = 16 + zlib.MAX_WBITS


class ByteSource(Protocol):
    """Anything that hands out ``size`` bytes, and fewer only where it ends."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


class Unpacked:
    """What a gzip (one or several members) or zlib stream unpacks to, its checksums verified.

    ``read`` raises E305 for a stream that is damaged or ends early, and never unpacks more than asked.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._waiting = b""
        self._members = 1
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """The next ``size`` bytes unpacked, fewer at the end."""
        pieces = []
        while size > 0 and not self._ended:
            pieces.append(self._unpack(size))
            size -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _unpack(self, size: int) -> bytes:
        block = self._waiting or self._packed.read(_BLOCK)
        try:
            piece = self._inflate.decompress(block, size)
        except zlib.error as exc:
            raise MedDLError("E305", "", "compressed data damaged", "get the file again") from exc
        self._waiting = self._inflate.unconsumed_tail
        if self._inflate.eof:
            self._begin_next_member()
        elif not block and not piece:
            raise MedDLError("E305", "", "compressed data end too early", "get the file again")
        return piece

    def _begin_next_member(self) -> None:
        rest = self._inflate.unused_data.lstrip(b"\0")  # zeros are legal padding
        while not rest and (block := self._packed.read(_BLOCK)):
            rest = block.lstrip(b"\0")
        rest += self._packed.read(_BLOCK) if len(rest) == 1 else b""
        self._members += 1
        self._ended = not rest
        if rest and not rest.startswith(GZIP_MAGIC):
            raise MedDLError("E305", "", "unknown bytes follow the compressed data", "get the file again")
        if self._members > _MAX_MEMBERS:
            raise MedDLError("E304", "", f"more than {_MAX_MEMBERS} compressed parts")
        self._waiting, self._inflate = rest, zlib.decompressobj(_GZIP)


@contextmanager
def open_bytes(path: Path, *, start: int, compressed: bool) -> Iterator[ByteSource]:
    """The bytes of a file from ``start`` on, unpacked if ``compressed``; E301 when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            yield Unpacked(file) if compressed else file
    except OSError as exc:
        raise MedDLError("E301", "", type(exc).__name__, "check the file and its permissions") from exc

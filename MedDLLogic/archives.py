"""What Python's ``zipfile`` raises at archives that are damaged or hostile, its decompressors' own errors included."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

ARCHIVE_ERRORS: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,  # no member of that name
    NotImplementedError,  # a compression that does not exist
    RuntimeError,  # an encrypted member
    ValueError,  # names that are no text, sizes below 0
    struct.error,
    OSError,
    zlib.error,
    lzma.LZMAError,
)

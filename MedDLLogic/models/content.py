"""What a file of weights is, by its bytes: names and endings say what somebody thought it was."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from ..archives import ARCHIVE_ERRORS
from ..errors import MedDLError

Content = Literal["safetensors", "state_dict", "torchscript", "onnx", "zip", "other"]

SLACK_BYTES = 64 << 20
"""Weights are stored uncompressed: what an archive may grow beyond its size, for programs and tables."""

ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_OLD_TORCH_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""A pickle of torch's magic number: how torch wrote weights before its archives."""
_PROGRAM_MEMBER = "constants.pkl"
_TORCH_MEMBERS = {"data.pkl", _PROGRAM_MEMBER}
_MAX_IR_VERSION = 30

_STARTS = {
    b"7z\xbc\xaf'\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras writes it",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a picture",
    b"GGUF": "a GGUF file",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    **{b"\x80" + bytes([protocol]): "a pickle, which is a program" for protocol in range(1, 6)},
}


def content_of(content: bytes) -> Content:
    """What the bytes are; ``"zip"`` for archives that torch did not write, damaged ones too."""
    if _is_safetensors(content):
        return "safetensors"
    if content.startswith(_OLD_TORCH_START):
        return "state_dict"
    if content.startswith(ZIP_STARTS):
        return kind_of_archive(io.BytesIO(content), len(content))
    # The first field of an ONNX file is the version of its layout, the second a text or a graph.
    is_onnx = len(content) > 3 and content[0] == 0x08 and 0 < content[1] <= _MAX_IR_VERSION and content[2] & 7 == 2
    return "onnx" if is_onnx else "other"


def in_words(content: bytes) -> str:
    """What the bytes are, for an error to name."""
    known = content_of(content)
    if known == "zip":
        return "a zip archive"
    if known != "other":
        return {"state_dict": "PyTorch weights", "torchscript": "TorchScript", "onnx": "ONNX"}.get(known, known)
    found = (words for start, words in _STARTS.items() if content.startswith(start))
    return next(found, "of an unknown format" if content else "empty")


def kind_of_archive(file: BinaryIO, size_bytes: int) -> Content:
    """What a zip archive is; ``"zip"`` when torch did not write it, or when it is damaged.

    Raises
    ------
    MedDLError : E408 for one of torch's that would grow far beyond its size when it is read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = {PurePosixPath(member.filename).name for member in archive.infolist()}
            is_torch = not names.isdisjoint(_TORCH_MEMBERS)
            if is_torch:
                _require_stored(archive, size_bytes)
    except ARCHIVE_ERRORS:
        return "zip"
    if not is_torch:
        return "zip"
    return "torchscript" if _PROGRAM_MEMBER in names else "state_dict"


def require_sound_archive(content: bytes) -> None:
    """Have every member's checksum compared.

    Raises
    ------
    MedDLError : E408 for an archive that would grow far beyond its size when it is read, E406 for a damaged one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _require_stored(archive, len(content))
            damaged = archive.testzip()
    except ARCHIVE_ERRORS as exc:
        raise MedDLError("E406", "weights file damaged", detail=str(exc)) from exc
    if damaged is not None:
        raise MedDLError("E406", "weights file damaged", "a checksum differs", detail=damaged)


def _require_stored(archive: zipfile.ZipFile, size_bytes: int) -> None:
    if sum(member.file_size for member in archive.infolist()) > size_bytes + SLACK_BYTES:
        raise MedDLError("E408", "weights file would grow far beyond its size when read")


def _is_safetensors(content: bytes) -> bool:
    return len(content) > 8 and content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content)

"""Whether a file is whole, asked before VTK reads it: its readers end the process on a damaged one.

This finds files that were cut short or damaged on the way. It is no guard against a file made to do
harm; scenes and segmentations from strangers belong to a process of their own.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.parsers import expat

from ..archives import ARCHIVE_ERRORS
from ..errors import MedDLError

_MAX_HEADER_BYTES = 1 << 22
_CHUNK_BYTES = 1 << 20
_TYPES = {
    1: "signed char,int8,int8_t,uchar,unsigned char,uint8,uint8_t",
    2: "short,short int,signed short,int16,int16_t,ushort,unsigned short,unsigned short int,uint16,uint16_t",
    4: "int,signed int,int32,int32_t,uint,unsigned int,uint32,uint32_t,float",
    8: "double",
}
_BYTES_OF = {name: size for size, names in _TYPES.items() for name in names.split(",")}


def require_whole_nrrd(path: Path) -> int:
    """Number of segments that a ``.seg.nrrd`` file declares.

    Raises
    ------
    MedDLError : E305 unless the header can be read and the voxels are as many as it says and, where
        compressed, have their checksum; E310 for a grid of one voxel; E503 when the disk does not give the file.
    """
    try:
        with path.open("rb") as file:
            return _segment_count(file)
    except OSError as exc:
        raise MedDLError("E503", "file not readable", exc.strerror or "", detail=str(exc)) from exc


def require_whole_archive(path: Path, *, code: str) -> None:
    """Raise the error of that ``code`` unless an ``.mrb`` file is an intact archive of a scene and whole images.

    Raises
    ------
    MedDLError : E310 too, as ``require_whole_nrrd``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            scenes = [archive.read(name) for name in archive.namelist() if name.endswith(".mrml")]
            _require_whole_images(archive, code)
    except ARCHIVE_ERRORS as exc:
        raise MedDLError(code, "scene file is damaged", "it is no intact archive", detail=str(exc)) from exc
    if damaged is not None or len(scenes) != 1:
        raise MedDLError(code, "scene file is damaged", "a checksum is wrong, or there is no scene in it")
    try:
        expat.ParserCreate().Parse(scenes[0], True)
    except expat.ExpatError as exc:
        # VTK does not escape the file names that it makes of node names.
        raise MedDLError(
            code, "scene file is not valid", "a node's name may hold & or a control sign", "rename it", detail=str(exc)
        ) from exc


def _require_whole_images(archive: zipfile.ZipFile, code: str) -> None:
    for name in (name for name in archive.namelist() if name.endswith(".nrrd")):
        try:
            with archive.open(name) as file:
                _segment_count(file)
        except MedDLError as exc:
            raise MedDLError(exc.code if exc.code == "E310" else code, "image in a scene file", exc.why) from exc


def _segment_count(file: IO[bytes]) -> int:
    """Number of segments that an NRRD file declares, once its voxels are found to be all there."""
    try:
        fields, segment_count = _header(file)
        if _payload_bytes(file, fields.get("encoding", "")) != _expected_bytes(fields):
            raise _damaged("voxels are missing, or there are too many")
    except (ValueError, KeyError, zlib.error) as exc:
        raise _damaged("header or compressed voxels are not valid", str(exc)) from exc
    return segment_count


def _header(file: IO[bytes]) -> tuple[dict[str, str], int]:
    """The fields of an NRRD header and the number of segments; the file is left at the first byte after it."""
    head = file.read(_MAX_HEADER_BYTES)
    ends = [(head.find(gap), len(gap)) for gap in (b"\n\n", b"\r\n\r\n") if gap in head]
    if not head.startswith(b"NRRD000") or not ends:
        raise _damaged("the header is not that of an NRRD file, or not whole")
    end, gap = min(ends)
    file.seek(end + gap)
    lines = head[:end].decode("utf-8", errors="replace").splitlines()
    fields = dict(_field(line) for line in lines if ": " in line and ":=" not in line and not line.startswith("#"))
    return fields, sum(line.startswith("Segment") and "_ID:=" in line for line in lines)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.strip().lower(), value.strip().lower()


def _expected_bytes(fields: dict[str, str]) -> int:
    sizes = [int(size) for size in fields["sizes"].split()]
    geometry = fields.get("space directions", "") + fields.get("space origin", "")
    if not 2 <= len(sizes) <= 5 or min(sizes) < 1 or "nan" in geometry or "inf" in geometry:
        raise _damaged("size or place of the voxels is not valid")
    if math.prod(sizes[-3:]) == 1:
        raise MedDLError("E310", "an image of one voxel is not supported", "VTK cannot read its file")
    return math.prod(sizes) * _BYTES_OF[fields["type"]]


def _payload_bytes(file: IO[bytes], encoding: str) -> int:
    if encoding == "raw":
        return sum(len(chunk) for chunk in _chunks(file))
    if encoding not in ("gzip", "gz"):
        raise _damaged("the voxels are stored in an unknown way")
    stream = zlib.decompressobj(wbits=31)  # a gzip stream, whose checksum is compared at its end
    length = sum(len(stream.decompress(chunk)) for chunk in _chunks(file))
    return length if stream.eof else -1


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _damaged(why: str, detail: str = "") -> MedDLError:
    return MedDLError("E305", "image file is damaged", why, detail=detail)

"""Which guard judges which file: its name's ending says, its first bytes must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ...errors import MedDLError
from . import metaimage, mgh, nifti, nrrd, text
from .header import VolumeHeader, file_size, require_stored
from .stream import GZIP_MAGIC, open_bytes


@dataclass(frozen=True)
class _Format:
    """How a header is read: how many bytes of it, from a compressed file or not, and by which guard."""

    head_bytes: int
    compressed: bool
    parse: Callable[[bytes, Path], VolumeHeader]


_FORMATS = {
    ".nii": _Format(nifti.HEAD_BYTES, compressed=False, parse=partial(nifti.parse, compressed=False)),
    ".nii.gz": _Format(nifti.HEAD_BYTES, compressed=True, parse=partial(nifti.parse, compressed=True)),
    ".mgh": _Format(mgh.HEAD_BYTES, compressed=False, parse=partial(mgh.parse, compressed=False)),
    ".mgh.gz": _Format(mgh.HEAD_BYTES, compressed=True, parse=partial(mgh.parse, compressed=True)),
    ".mgz": _Format(mgh.HEAD_BYTES, compressed=True, parse=partial(mgh.parse, compressed=True)),
    ".nrrd": _Format(text.HEAD_BYTES, compressed=False, parse=nrrd.parse),
    ".nhdr": _Format(text.HEAD_BYTES, compressed=False, parse=nrrd.parse),
    ".mha": _Format(text.HEAD_BYTES, compressed=False, parse=metaimage.parse),
    ".mhd": _Format(text.HEAD_BYTES, compressed=False, parse=metaimage.parse),
}
_PAIRS = (".hdr", ".img", ".hdr.gz", ".img.gz")


def is_volume_name(path: Path) -> bool:
    """Whether the name's ending is one of a volume format that has a guard."""
    return path.name.lower().endswith((*_FORMATS, *_PAIRS))


def judge(path: Path) -> VolumeHeader:
    """The header of a volume file, accepted; its voxels are not read yet.

    Raises
    ------
    MedDLError : E301 to E312, whatever the header shows.
    """
    name = path.name.lower()
    if name.endswith(_PAIRS):
        raise MedDLError(
            "E310", "", "Analyze 7.5 or NIfTI in two files", "convert to .nii: Analyze has no left or right"
        )
    form = _FORMATS[next(ending for ending in _FORMATS if name.endswith(ending))]
    size = file_size(path)
    if size == 0:
        raise MedDLError("E305", "", "the file is empty", "get the file again")
    header = form.parse(_head(path, form), path)
    if header.data.start is None:
        end = file_size(header.data.path) - header.stored_bytes
        header = replace(header, data=replace(header.data, start=max(end, 0)))
    require_stored(header)
    return header


def _head(path: Path, form: _Format) -> bytes:
    with open_bytes(path, start=0, compressed=False) as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    if is_gzip != form.compressed:
        found = "gzip-compressed" if is_gzip else "not gzip-compressed"
        raise MedDLError("E302", "", f"it is {found}, its name says otherwise", "rename the file")
    with open_bytes(path, start=0, compressed=form.compressed) as file:
        return file.read(form.head_bytes)

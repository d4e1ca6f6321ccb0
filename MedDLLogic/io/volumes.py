"""Voxels of a volume whose header the guard accepted: NIfTI, NRRD, MetaImage, MGH.

All of them are one block of numbers behind a header, so numpy reads it from the bounded stream and
no C++ parser is needed: ITK's would cut short, or turn NaN into 0, without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..image import Image, Voxels
from .finite import FiniteFilter
from .guard.dispatch import judge
from .guard.header import VolumeHeader, warning
from .guard.stream import PIECE, ByteSource, open_bytes
from .verdict import Finding, ReadImage, Verdict, finding_of

_MAX_SURPLUS = 1 << 20
"""Bytes that may follow the voxels (comments, padding) and are told of; more is another volume or a bomb."""


def check_volume(path: Path) -> Verdict:
    """The verdict on a volume file, header and voxels, in bounded memory; raises E301 to E312 for a header."""
    header = judge(path)
    try:
        found = _scan(header, None, FiniteFilter(None))
    except MedDLError as exc:
        found = (finding_of(exc),)
    return Verdict((*header.warnings, *found), header.geometry, header.facts)


def read_volume(path: Path, *, nan_fill: float | None = None) -> ReadImage:
    """The image in a volume file, (1, k, j, i), of its stored type, or float32 where the header scales it.

    Raises
    ------
    MedDLError : E301 to E312, E101 for a ``nan_fill`` that is not finite; E502 when the memory does not suffice.
    """
    header = judge(path)
    try:
        voxels = np.empty(header.voxel_count, header.voxel_type)
    except MemoryError as exc:
        raise MedDLError("E502", "", f"{header.voxel_count} voxels", "close other programs") from exc
    found = _scan(header, voxels, FiniteFilter(nan_fill))
    image = Image(voxels.reshape(1, *header.geometry.shape_kji), header.geometry, modality=header.modality)
    return ReadImage(image, (*header.warnings, *found), header.facts)


def _scan(header: VolumeHeader, out: Voxels | None, finite: FiniteFilter) -> tuple[Finding, ...]:
    """Read all voxels, into ``out`` if given; raises what they show, E304, E305 or E309."""
    data = header.data
    start = (data.start or 0) + (0 if data.compressed else data.skip)
    with open_bytes(data.path, start=start, compressed=data.compressed) as source:
        _pass(source, data.skip if data.compressed else 0)
        position = 0
        for stored in _pieces(source, header):
            values = finite(_scaled(stored, header))
            if out is not None:
                out[position : position + values.size] = values
            position += values.size
        surplus = _surplus(source)
    return (*finite.findings(), *_surplus_findings(surplus, header))


def _pieces(source: ByteSource, header: VolumeHeader) -> Iterator[NDArray[Any]]:
    left = header.stored_bytes
    while left:
        piece = _read_whole(source, min(left, PIECE))
        left -= len(piece)
        yield np.frombuffer(piece, header.stored)


def _pass(source: ByteSource, size: int) -> None:
    for done in range(0, size, PIECE):
        _read_whole(source, min(PIECE, size - done))


def _read_whole(source: ByteSource, size: int) -> bytes:
    piece = source.read(size)
    if len(piece) < size:
        raise MedDLError("E305", "", f"voxels end {size - len(piece)} bytes or more too early", "get the file again")
    return piece


def _scaled(stored: NDArray[Any], header: VolumeHeader) -> NDArray[Any]:
    if not header.is_scaled:
        return stored
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes Inf is counted as such
        return (stored * np.float64(header.slope) + header.intercept).astype(np.float32)


def _surplus(source: ByteSource) -> int:
    """Bytes behind the voxels, counted to the stream's end, where its checksum stands, but not for ever."""
    surplus = 0
    while surplus <= _MAX_SURPLUS and (piece := source.read(PIECE)):
        surplus += len(piece)
    return surplus


def _surplus_findings(surplus: int, header: VolumeHeader) -> tuple[Finding, ...]:
    if surplus > _MAX_SURPLUS:
        raise MedDLError("E304", "", "far more data than its header declares", "the header is wrong or it is a bomb")
    if surplus == 0 or header.data.has_trailer:
        return ()
    return (warning("E303", f"{surplus} bytes follow the voxels", "they were not read"),)

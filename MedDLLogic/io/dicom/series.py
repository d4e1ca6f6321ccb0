"""Which series lie in a folder, and which of them is meant."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import MedDLError
from ..verdict import Finding
from . import tags
from .header import Header, read_header, sniff
from .kinds import Kind, Role, is_directory, kind_of

MAX_FILES = 100_000
"""Most files that are looked at in one folder tree."""

_MAX_LISTED = 4


@dataclass(frozen=True)
class Series:
    """One series of a folder, told without patient data.

    Parameters
    ----------
    uid : SeriesInstanceUID, empty when the files have none; never for display.
    modality : DICOM's short name, empty when not known.
    slices : image planes in it, 0 for an object that is no image.
    kind : plain words, such as ``"slices of a volume"`` or ``"a segmentation"``.
    files : where it lies.
    is_image : whether it can be read here.
    """

    uid: str
    modality: str
    slices: int
    kind: str
    files: tuple[Path, ...]
    is_image: bool


@dataclass(frozen=True, eq=False)
class Member:
    """One parsed file, what it is, and how many image planes it has."""

    header: Header
    kind: Kind
    planes: int


@dataclass(frozen=True, eq=False)
class Catalog:
    """The members found under one path by series, in the order in which they are listed, and what was left out."""

    groups: tuple[tuple[Member, ...], ...]
    left_out: tuple[MedDLError, ...] = ()

    @property
    def series(self) -> tuple[Series, ...]:
        """One entry a group."""
        return tuple(_series_of(group) for group in self.groups)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One warning a code about files that begin like DICOM but were left out."""
        counted = Counter(error.code for error in self.left_out)
        return tuple(Finding(code, "warning", f"damaged DICOM files left out: {n}") for code, n in counted.items())


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, or a folder holds such a file; one without the preamble must parse."""
    try:
        with tags.quiet_parser():
            return any(_is_dicom(file) for file in _files(Path(path)))
    except (OSError, ValueError, MedDLError):
        return False


def catalog_of(path: Path) -> Catalog:
    """What lies at a path: a folder with all below it, or one file with its siblings of the same series.

    The siblings of a file count when it is one slice of a volume. Errors: E301, E302, E303, E304, E305, E329.
    """
    if not _exists(path):
        raise MedDLError("E301", "input not found")
    try:
        return _catalog(_files(path)) if path.is_dir() else _catalog_of_file(path)
    except OSError as exc:
        raise MedDLError("E301", "input not readable", type(exc).__name__) from exc


def chosen(catalog: Catalog, series: str) -> tuple[Member, ...]:
    """The members of the named series, or of the only one that is an image.

    ``series`` is a SeriesInstanceUID or a number counted from 1 in the order of listing. Errors: E320, E321.
    """
    listed = catalog.series
    named = [at for at, entry in enumerate(listed, 1) if series and series in (entry.uid, str(at))]
    images = [at for at, entry in enumerate(listed, 1) if entry.is_image]
    if series and not named:
        raise MedDLError("E321", "no such series", f"{len(listed)} series here", "choose one of the listed ones")
    if not series and len(images) > 1:
        raise MedDLError("E321", f"{len(images)} series here", _words(listed, images), "choose one by its number")
    picked = [at for at in named or images if listed[at - 1].is_image]
    if not picked:
        raise _no_image(catalog)
    return catalog.groups[picked[0] - 1]


def facts_of(catalog: Catalog) -> Mapping[str, str]:
    """One line a series, for a listing; no patient data."""
    return {f"series {at}": _line(entry) for at, entry in enumerate(catalog.series, 1)}


def _files(path: Path) -> Iterator[Path]:
    return _walk(path) if path.is_dir() else iter([path])


def _walk(folder: Path) -> Iterator[Path]:
    seen = 0
    for inside, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        seen += len(names)
        if seen > MAX_FILES:
            raise MedDLError("E304", "too many files", f"more than {MAX_FILES}", "give the folder of one study")
        yield from (Path(inside, name) for name in sorted(names))


def _refuse(error: OSError) -> None:
    raise error  # os.walk would pass over a folder that it cannot list


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _is_dicom(file: Path) -> bool:
    if not sniff(file):
        return False
    try:
        read_header(file)
    except MedDLError as error:
        return error.code != "E302"
    return True


def _catalog_of_file(path: Path) -> Catalog:
    if not sniff(path):
        raise MedDLError("E302", "not a DICOM file")
    header = read_header(path)
    if is_directory(header.data):
        return _catalog(_files(path.parent))
    member = _member(header)
    return _with_siblings(member) if member.kind.role is Role.SLICE else Catalog(((member,),))


def _member(header: Header) -> Member:
    kind = kind_of(header)
    return Member(header, kind, 0 if kind.role is Role.NO_IMAGE else tags.count(header.data, "NumberOfFrames", 1))


def _catalog(files: Iterable[Path]) -> Catalog:
    groups: dict[tuple[str, str], list[Member]] = {}
    left_out: list[MedDLError] = []
    for file in files:
        try:
            if not sniff(file):
                continue
            header = read_header(file)
            if not is_directory(header.data):
                member = _member(header)
                groups.setdefault(_group_key(header), []).append(member)
        except OSError:
            left_out.append(MedDLError("E301", "DICOM file not readable"))
        except MedDLError as error:
            left_out += [error] if error.code != "E302" else []
    return Catalog(tuple(tuple(group) for group in groups.values()), tuple(left_out))


def _with_siblings(member: Member) -> Catalog:
    key, path = _group_key(member.header), member.header.path
    around = _catalog(file for file in sorted(path.parent.iterdir()) if file.name != path.name)
    same = [other for group in around.groups if _group_key(group[0].header) == key for other in group]
    return Catalog(((member, *same),), around.left_out)


def _group_key(header: Header) -> tuple[str, str]:
    named = tags.text(header.data, "SeriesInstanceUID")
    return named, "" if named else str(header.path.parent)


def _series_of(group: tuple[Member, ...]) -> Series:
    images = [member for member in group if member.kind.role is not Role.NO_IMAGE]
    first = (images or list(group))[0]
    return Series(
        uid=_group_key(first.header)[0],
        modality=tags.modality(first.header.data),
        slices=sum(member.planes for member in group),
        kind=first.kind.words,
        files=tuple(member.header.path for member in group),
        is_image=bool(images),
    )


def _line(entry: Series) -> str:
    modality = entry.modality or "modality not known"
    return f"{modality}, {_planes(entry)}, {entry.kind}" if entry.is_image else f"{modality}, {entry.kind}"


def _planes(entry: Series) -> str:
    return f"{entry.slices} slice{'s' if entry.slices != 1 else ''}"


def _words(listed: tuple[Series, ...], numbers: list[int]) -> str:
    shown = [f"{at}: {listed[at - 1].modality or '?'} {_planes(listed[at - 1])}" for at in numbers[:_MAX_LISTED]]
    return ", ".join(shown) + (", ..." if len(numbers) > _MAX_LISTED else "")


def _no_image(catalog: Catalog) -> MedDLError:
    if not catalog.groups and catalog.left_out:
        return catalog.left_out[0]
    words = sorted({member.kind.words for group in catalog.groups for member in group})
    if not words:
        return MedDLError("E320", "no DICOM image here", "", "give the folder of its slices; other formats by file")
    return MedDLError("E320", "no image in this DICOM input", f"it is {', '.join(words)}")

"""Names of cases that carry nothing of the patient: from what their images hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import MedDLError
from ..io.guard.dispatch import is_volume_name
from ..io.pictures import is_picture_name
from ..io.write import describe
from ..job import InputRef
from .case_index import INDEX_NAME, Case, require_distinct, short_ids
from .manifest import MANIFEST_NAME

_DETACHED_SUFFIXES = (".mhd", ".nhdr")


def with_ids(found: Sequence[Case]) -> tuple[Case, ...]:
    """The cases with ids: the given one, else ``case-`` and the first hex digits of the content's SHA-256.

    Content is the series UID of DICOM inputs, else the bytes of the file.

    Raises
    ------
    MedDLError : E102 when two cases have one id or one content, E301 when a file cannot be read.
    """
    given = [case.id or None for case in found]
    digests = {n: _content_sha256(case.inputs) for n, case in enumerate(found) if not case.id}
    short = short_ids(digests)
    ids = [given_id or short[n] for n, given_id in enumerate(given)]
    require_distinct(ids)
    return tuple(Case(case_id, case.inputs) for case_id, case in zip(ids, found, strict=True))


def inputs_state(inputs: Mapping[str, InputRef], output_folder: Path) -> str:
    """SHA-256 that changes when an input file gets another name, size or time of change.

    What MedDL itself writes does not count, where the output folder lies in a DICOM folder.
    """
    digest = hashlib.sha256()
    for role, ref in sorted(inputs.items()):
        digest.update(f"{role}\n{ref.handle}\n".encode())
        for path in _given_files(ref, output_folder.absolute()):
            digest.update(os.fsencode(path.name) + f"\n{_state_of(path)}\n".encode())
    return digest.hexdigest()


def _content_sha256(inputs: Mapping[str, InputRef]) -> str:
    digests = [_image_sha256(ref) for _, ref in sorted(inputs.items())]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _image_sha256(ref: InputRef) -> str:
    path = Path(ref.path)
    try:
        if uids := _series_uids(path, ref.series):
            return hashlib.sha256("\n".join(uids).encode()).hexdigest()
        files = list(_files_of(path))
        if len(files) == 1:
            return describe(files[0]).sha256
        return hashlib.sha256("\n".join(describe(file).sha256 for file in files).encode()).hexdigest()
    except OSError as exc:
        raise MedDLError("E301", "input not readable", exc.strerror or "") from exc


def _series_uids(path: Path, chosen: str) -> list[str]:
    """UIDs of the image series meant; none for other formats, and where DICOM is too broken to have one."""
    if not path.is_dir() and (is_volume_name(path) or is_picture_name(path)):
        return []
    from ..io.dicom import list_series

    try:
        series = list_series(path)
    except MedDLError:
        return []
    meant = [one for number, one in enumerate(series, 1) if not chosen or chosen in (one.uid, str(number))]
    return sorted(one.uid for one in meant if one.uid and one.is_image)


def _files_of(path: Path) -> Iterator[Path]:
    """The file; all files of a folder; a header with the data beside it that has its stem."""
    if path.is_dir():
        yield from sorted(Path(top) / name for top, _, names in os.walk(path) for name in names)
    elif path.suffix.lower() in _DETACHED_SUFFIXES:
        yield from sorted(file for file in path.parent.iterdir() if file.name.startswith(f"{path.stem}."))
    else:
        yield path


def _given_files(ref: InputRef, output_folder: Path) -> Iterator[Path]:
    root = Path(ref.path).absolute()
    for path in _files_of(root) if ref.path else ():
        is_below = root in (output_folder, *output_folder.parents) and output_folder in path.parents
        if not is_below or (path.parent == output_folder and path.name not in (MANIFEST_NAME, INDEX_NAME)):
            yield path


def _state_of(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # what cannot be read is told when the case runs
        return -1, -1
    return status.st_size, status.st_mtime_ns

"""Images and results that go from one process to another, as files in a private folder.

An image is named by the SHA-256 of what it is, so one put twice is stored once. Whatever is read is
checked like any file from outside: a hash that does not fit is E305, never a wrong image.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib.format import header_data_from_array_1_0, read_array, write_array_header_1_0
from numpy.typing import NDArray

from ..disk import disk_errors
from ..errors import MedDLError
from ..geometry import Geometry
from ..image import Image
from ..job import Matrix4
from ..labels import LabelTable, Segment
from ..records import canonical_sha256, parse_json, to_json_text
from ..result import Measurement, Provenance, Result
from ..scratch import ScratchFolder, sweep
from ..storage import EXCHANGE_PREFIX

R = TypeVar("R")

_MAX_RECORD_BYTES = 1 << 26
_RESULT_NAME = "result.json"
_PROBABILITY, _UNCERTAINTY = "probability", "uncertainty"


@dataclass(frozen=True)
class StoredArray:
    """An array in a ``.npy`` file: how it must look, and the SHA-256 of its bytes in C order."""

    shape: tuple[int, ...]
    dtype: str
    sha256: str


@dataclass(frozen=True)
class StoredGrid:
    """A ``Geometry`` as JSON."""

    shape_kji: tuple[int, int, int]
    ijk_to_lps: Matrix4
    frame: str


@dataclass(frozen=True)
class StoredImage:
    """An ``Image`` as JSON; its handle is the SHA-256 of this record."""

    voxels: StoredArray
    geometry: StoredGrid
    channel_names: tuple[str, ...]
    modality: str
    units: str
    frame_of_reference: str


@dataclass(frozen=True)
class StoredResult:
    """A ``Result`` as JSON, beside ``layer-N.npy``, ``probability-N.npy`` and ``uncertainty-N.npy``."""

    geometry: StoredGrid
    layers: tuple[StoredArray, ...]
    segments: tuple[Segment, ...]
    probabilities: Mapping[str, StoredArray]
    uncertainty: Mapping[str, StoredArray]
    measurements: tuple[Measurement, ...]
    provenance: Provenance = field(default_factory=Provenance)


def new_exchange_folder(base: Path) -> ScratchFolder:
    """A new private folder in ``base``, which is made if need be; it goes when closed. E501, E503."""
    with disk_errors():
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ScratchFolder(base, EXCHANGE_PREFIX)


def sweep_exchange(base: Path) -> int:
    """Remove the exchange folders whose process is gone; returns how many went."""
    return sweep(base, EXCHANGE_PREFIX)


def put_image(folder: Path, image: Image) -> str:
    """Store an image; returns its handle. E501 disk full, E503 folder not usable."""
    record = StoredImage(
        _described(image.voxels),
        _stored_grid(image.geometry),
        image.channel_names,
        image.modality,
        image.units,
        image.frame_of_reference,
    )
    handle = canonical_sha256(record)
    if not (folder / f"{handle}.json").exists():
        _save(folder / f"{handle}.npy", image.voxels)
        _save_record(folder / f"{handle}.json", record)
    return handle


def drop_images(folder: Path, handles: Iterable[str]) -> None:
    """Remove images that are of no more use; what cannot be removed goes with the folder."""
    for handle in handles:
        for suffix in (".json", ".npy"):
            with suppress(OSError):
                (folder / f"{handle}{suffix}").unlink()


def get_image(folder: Path, handle: str) -> Image:
    """The image of that handle.

    Raises
    ------
    MedDLError : E301 not there, E305 damaged, E502 memory; and what ``Image`` refuses.
    """
    if len(handle) != 64 or not set(handle) <= set("0123456789abcdef"):
        raise MedDLError("E301", "no such image", "not a handle")
    record = _load_record(StoredImage, folder / f"{handle}.json")
    if canonical_sha256(record) != handle:
        raise MedDLError("E305", "image handed over is damaged", "its record is another one")
    return Image(
        _load(folder / f"{handle}.npy", record.voxels),
        _grid_of(record.geometry),
        record.channel_names,
        record.modality,
        record.units,
        record.frame_of_reference,
    )


def write_result(folder: Path, result: Result) -> None:
    """Store a result in ``folder``, which is made if need be; an older one there is replaced. E501, E503."""
    with disk_errors():
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / _RESULT_NAME).unlink(missing_ok=True)
    for number, layer in enumerate(result.layers):
        _save(folder / f"layer-{number}.npy", layer)
    record = StoredResult(
        _stored_grid(result.geometry),
        tuple(_described(layer) for layer in result.layers),
        result.table.segments,
        _put_volumes(folder, _PROBABILITY, result.probabilities),
        _put_volumes(folder, _UNCERTAINTY, result.uncertainty),
        result.measurements,
        result.provenance,
    )
    _save_record(folder / _RESULT_NAME, record)


def read_result(folder: Path) -> Result:
    """The result in a folder.

    Raises
    ------
    MedDLError : E301 not there, E305 damaged, E502 memory; and what ``Result`` refuses.
    """
    record = _load_record(StoredResult, folder / _RESULT_NAME)
    layers = [_load(folder / f"layer-{n}.npy", stored) for n, stored in enumerate(record.layers)]
    return Result(
        _grid_of(record.geometry),
        tuple(layers),
        LabelTable(record.segments),
        _get_volumes(folder, _PROBABILITY, record.probabilities),
        record.measurements,
        record.provenance,
        _get_volumes(folder, _UNCERTAINTY, record.uncertainty),
    )


def take_result(folder: Path) -> Result:
    """The result in a folder, which goes; the errors are those of ``read_result``."""
    try:
        return read_result(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_volumes(folder: Path, kind: str, volumes: Mapping[str, NDArray[Any]]) -> dict[str, StoredArray]:
    for number, volume in enumerate(volumes.values()):
        _save(folder / f"{kind}-{number}.npy", volume)
    return {name: _described(volume) for name, volume in volumes.items()}


def _get_volumes(folder: Path, kind: str, volumes: Mapping[str, StoredArray]) -> dict[str, NDArray[Any]]:
    return {name: _load(folder / f"{kind}-{n}.npy", stored) for n, (name, stored) in enumerate(volumes.items())}


def _described(array: NDArray[Any]) -> StoredArray:
    return StoredArray(array.shape, array.dtype.str, _sha256(array))


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()


def _stored_grid(geometry: Geometry) -> StoredGrid:
    a, b, c, d = (tuple(row) for row in geometry.ijk_to_lps.tolist())
    return StoredGrid(geometry.shape_kji, (a, b, c, d), geometry.frame)


def _grid_of(stored: StoredGrid) -> Geometry:
    return Geometry(stored.shape_kji, np.array(stored.ijk_to_lps), stored.frame)


def _save(path: Path, array: NDArray[Any]) -> None:
    stored = np.ascontiguousarray(array)
    with disk_errors():
        try:
            with path.open("wb") as file:
                write_array_header_1_0(file, header_data_from_array_1_0(stored))
                file.write(stored.data)  # np.save would tell a full disk without its error number
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _save_record(path: Path, record: StoredImage | StoredResult) -> None:
    """Written last and renamed, so that a record means that its arrays are complete."""
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    with disk_errors():
        partial.write_text(to_json_text(record), encoding="utf-8")
        partial.replace(path)


def _load_record(record_type: type[R], path: Path) -> R:
    try:
        if path.stat().st_size > _MAX_RECORD_BYTES:
            raise MedDLError("E305", "record handed over is damaged", "too large")
        return parse_json(record_type, path.read_bytes(), code="E305")
    except OSError as exc:
        raise MedDLError("E301", "nothing of that name was handed over", exc.strerror or "") from exc


def _load(path: Path, stored: StoredArray) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            array = read_array(file, allow_pickle=False)
    except MemoryError as exc:
        raise MedDLError("E502", "image handed over not read", f"{stored.shape}", "close other programs") from exc
    except (OSError, ValueError) as exc:
        raise MedDLError("E305", "voxels handed over are damaged", type(exc).__name__) from exc
    if (array.shape, array.dtype.str) != (stored.shape, stored.dtype) or _sha256(array) != stored.sha256:
        raise MedDLError("E305", "voxels handed over are damaged", "they are other ones")
    return array

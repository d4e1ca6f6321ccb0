"""Real images to try MedDL with, kept in the store beside the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..disk import disk_errors
from ..errors import MedDLError
from ..io.write import write_bytes
from ..records import parse_json
from ..resources import resource_path
from ..storage import cache_folder
from .card import WheelMember
from .store import read_wheel_file


@dataclass(frozen=True)
class Sample:
    """One sample image: where it comes from, what it must hash to, and its terms."""

    name: str
    title: str
    file_name: str
    role: str
    sha256: str
    size_bytes: int
    source: WheelMember
    terms: str
    schema_version: Literal[1] = 1


def find_sample(name: str) -> Sample:
    """The sample of that name; E901 when Resources do not hold it."""
    return parse_json(Sample, resource_path("Samples", f"{name}.json").read_bytes())


def sample_file(sample: Sample) -> Path | None:
    """The sample on this machine, or None when it is not here or not what it should be."""
    path = _place_of(sample)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sample.sha256:
        return None
    return path


def get_sample(
    sample: Sample, *, wheelhouse: Path | None = None, on_progress: Callable[[float], None] = lambda fraction: None
) -> Path:
    """The sample on this machine, fetched if need be; the caller has the user's yes.

    Raises
    ------
    MedDLError : E506, E404, E408 from the transfer, E5xx from writing.
    """
    here = sample_file(sample)
    if here is not None:
        return here
    fetched = read_wheel_file(
        sample.source, sample.size_bytes, sample.sha256, wheelhouse=wheelhouse, on_progress=on_progress
    )
    path = _place_of(sample)
    with disk_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, fetched.content)
    return path


def _place_of(sample: Sample) -> Path:
    if Path(sample.file_name).name != sample.file_name:
        raise MedDLError("E106", "file name of the sample is a path")
    return cache_folder() / "samples" / sample.name / sample.file_name

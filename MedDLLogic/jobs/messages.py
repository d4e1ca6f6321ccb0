"""What Slicer and the worker say to each other: one JSON line each, with protocol version and job id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import MedDLError
from ..events import Event
from ..io.write import WrittenFile
from ..job import Job
from ..records import to_json_text
from .lines import MAX_LINE_BYTES

PROTOCOL = 1


@dataclass(frozen=True)
class Hello:
    """Say who you are; the first word to a worker."""

    kind: ClassVar[str] = "hello"


@dataclass(frozen=True)
class PutImage:
    """An image lies in the exchange folder under this handle; keep it for jobs to come."""

    kind: ClassVar[str] = "put_image"
    handle: str


@dataclass(frozen=True)
class Run:
    """Do this job. Its images by handle were put before; one with an output folder writes its products there."""

    kind: ClassVar[str] = "run"
    job: Job


@dataclass(frozen=True)
class Cancel:
    """Stop the job of the envelope."""

    kind: ClassVar[str] = "cancel"


@dataclass(frozen=True)
class Release:
    """Images of no more use."""

    kind: ClassVar[str] = "release"
    handles: tuple[str, ...]


@dataclass(frozen=True)
class Ping:
    """The question whether it lives; answered at once, whatever else is done."""

    kind: ClassVar[str] = "ping"


@dataclass(frozen=True)
class Shutdown:
    """End, once the job in hand is cancelled."""

    kind: ClassVar[str] = "shutdown"


@dataclass(frozen=True)
class Welcome:
    """Who the worker is.

    Parameters
    ----------
    pid : of the worker itself, which leads a process group of its own where the system has those.
    library_sha256 : of the MedDLLogic that it runs (``identity.library_sha256``).
    library_path, python_path : where both lie, for the local log alone.
    versions : of MedDL, Python, numpy and torch, as found without loading torch.
    """

    kind: ClassVar[str] = "welcome"
    pid: int
    library_sha256: str
    library_path: str = ""
    python_path: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """Something that the job of the envelope tells while it goes on, or its Failed or Cancelled."""

    kind: ClassVar[str] = "told"
    event: Event


@dataclass(frozen=True)
class Done:
    """The job of the envelope ended well.

    Its result lies in the exchange folder under the job's id, or the files it wrote are named here.
    """

    kind: ClassVar[str] = "done"
    files: Mapping[str, WrittenFile] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pong:
    """The answer to a ping."""

    kind: ClassVar[str] = "pong"


Request = Hello | PutImage | Run | Cancel | Release | Ping | Shutdown
Reply = Welcome | Told | Done | Pong


@dataclass(frozen=True)
class ToWorker:
    """One line to the worker; ``job_id`` is empty where no job is meant."""

    body: Request
    job_id: str = ""
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class FromWorker:
    """One line from the worker."""

    body: Reply
    job_id: str = ""
    protocol: int = PROTOCOL


def line_of(message: ToWorker | FromWorker, code: str) -> bytes:
    """The message as a line with its end; an error of that ``code`` for one that the other side could not read."""
    try:
        line = to_json_text(message, indent=None).encode()
    except UnicodeEncodeError as exc:
        raise MedDLError(code, "", "a text in it cannot be written as UTF-8") from exc
    if len(line) > MAX_LINE_BYTES:
        raise MedDLError(code, "", f"too long: {len(line)} bytes")
    return line + b"\n"

"""MONAI's Model Zoo: its list of bundles as data, and a bundle's archive fetched and checked.

The list has SHA-1 for each archive, which tells damage, not malice; what is kept of an archive has MedDL's own
SHA-256 from the first time on. Nothing here asks the network before somebody said yes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import MedDLError
from .card import MAX_WEIGHTS_BYTES, Url
from .download import download

LIST_URL = "https://raw.githubusercontent.com/Project-MONAI/model-zoo/dev/models/model_info.json"
MAX_LIST_BYTES = 8_000_000

OnProgress = Callable[[float], None]

_KEY = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,98})_v(?P<version>[0-9]+(\.[0-9]+){1,3})")
_DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64}


@dataclass(frozen=True)
class ZooEntry:
    """One version of one bundle: where its archive lies, and the SHA-1 it must have."""

    name: str
    version: str
    url: str
    sha1: str

    @property
    def order(self) -> tuple[int, ...]:
        """What versions are compared by."""
        return tuple(int(part) for part in self.version.split("."))


def read_list(content: bytes) -> tuple[ZooEntry, ...]:
    """All versions of all bundles in ``model_info.json``, by name, the newest version first.

    Entries that are not named like a bundle, or have no https address or no SHA-1, are left out.

    Raises
    ------
    MedDLError : E401 for a file that is no such list.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise MedDLError("E401", "list of the Model Zoo not valid", str(exc)[:80]) from exc
    if not isinstance(found, dict):
        raise MedDLError("E401", "list of the Model Zoo not valid", "no object")
    entries = [entry for entry in (_entry(key, value) for key, value in found.items()) if entry is not None]
    entries.sort(key=lambda entry: entry.order, reverse=True)
    return tuple(sorted(entries, key=lambda entry: entry.name.lower()))


def newest(entries: Iterable[ZooEntry]) -> tuple[ZooEntry, ...]:
    """The newest version of each bundle, by name."""
    best: dict[str, ZooEntry] = {}
    for entry in entries:
        known = best.get(entry.name)
        if known is None or entry.order > known.order:
            best[entry.name] = entry
    return tuple(sorted(best.values(), key=lambda entry: entry.name.lower()))


def find_entry(entries: Iterable[ZooEntry], wanted: str) -> ZooEntry:
    """The bundle of that name, its newest version, or ``NAME==VERSION``; E403 when the list has none."""
    name, _, version = wanted.partition("==")
    same = [entry for entry in entries if entry.name.lower() == name.lower() and version in ("", entry.version)]
    if not same:
        raise MedDLError("E403", "no such bundle in the Model Zoo", wanted[:60], "see: meddl models list --zoo")
    return newest(same)[0]


def fetch_list(on_progress: OnProgress = lambda fraction: None) -> tuple[ZooEntry, ...]:
    """The list as it is on the web now; the caller has the user's yes. E506, E404, E401."""
    return read_list(download(Url(LIST_URL), MAX_LIST_BYTES, on_progress))


def fetch_archive(entry: ZooEntry, on_progress: OnProgress = lambda fraction: None) -> bytes:
    """The bundle's archive with the SHA-1 that the list has for it; the caller has the user's yes.

    Raises
    ------
    MedDLError : E506 from the transfer, E404 when the archive is another one or too large.
    """
    return fetch_verified(entry.url, "sha1", entry.sha1, on_progress)


def fetch_verified(
    url: str,
    algorithm: str,
    checksum: str,
    on_progress: OnProgress = lambda fraction: None,
    *,
    max_bytes: int = MAX_WEIGHTS_BYTES,
) -> bytes:
    """What lies at an https address, if it has that checksum.

    Parameters
    ----------
    algorithm : ``"md5"``, ``"sha1"`` or ``"sha256"``, whichever its maker published.

    Raises
    ------
    MedDLError : E401 for an address or checksum that is none, E506, E404.
    """
    if len(checksum) != _DIGESTS.get(algorithm, -1):
        raise MedDLError("E401", "checksum of the file", f"no {algorithm[:10]}", "known: md5, sha1, sha256")
    content = download(Url(url), max_bytes, on_progress)
    require_checksum(content, algorithm, checksum)
    return content


def require_checksum(content: bytes, algorithm: str, checksum: str) -> None:
    """Raise E404 unless the content has the checksum."""
    if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() != checksum.lower():
        raise MedDLError("E404", "download is not the file it should be", f"its {algorithm} differs")


def _entry(key: str, value: object) -> ZooEntry | None:
    match = _KEY.fullmatch(key)
    if match is None or not isinstance(value, dict):
        return None
    url, sha1 = value.get("source"), value.get("checksum")
    is_sha1 = isinstance(sha1, str) and re.fullmatch(r"[0-9a-fA-F]{40}", sha1) is not None
    if not is_sha1 or not isinstance(url, str) or not url.startswith("https://"):
        return None
    return ZooEntry(match["name"], match["version"], url, str(sha1).lower())

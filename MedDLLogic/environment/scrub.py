"""Text without what could name a patient, a user, a machine or a folder.

What a library prints cannot be trusted to hold no names, so a worker's log is not cleaned but picked from: of each line
only what has a known form goes on.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_PATH = re.compile(r"""(?:[A-Za-z]:)?[^\s"'<>|,;()\[\]]*[\\/][^\s"'<>|,;()\[\]]*""")
_UID = re.compile(r"\b\d+(?:\.\d+){4,}\b")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[\w.+-]+@[\w.-]+\b")
_FILE = re.compile(
    r"(?:\b[^\s\"']+|(?<=[\"'])[^\"'\n]+)\.(?:nii|gz|dcm|ima|nrrd|nhdr|seg|mha|mhd|mgz|mgh|img|hdr|mrml|mrb|png|jpe?g|csv|json|txt|zip|log)\b",
    re.IGNORECASE,
)

_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<name>[\w<>.]+)\s*$')
_INSIDE = re.compile(
    r"(?:MedDLLogic|MedDLLib|site-packages|environments[\\/]env-[0-9a-f-]+|lib[\\/]python3\.\d+)[\\/](?P<tail>.+)$"
)
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit))(?::|$)")
_OWN = re.compile(r"MEDDL-(E\d{3})")
_SIGNS = (
    "CUDA out of memory", "out of memory", "CUDA error", "cuDNN error", "No space left on device", "DLL load failed",
    "Segmentation fault", "core dumped", "Killed", "Bad allocation", "bad_alloc", "no kernel image is available",
)  # fmt: skip
_WHEEL = re.compile(r"^Processing .*?([\w.+-]+\.whl)")
_PIP = re.compile(
    r"^\s*(?:Collecting|Downloading|Using cached|Processing|Looking in|Installing collected packages|"
    r"Successfully installed|ERROR:|WARNING:|error:|note:|torch computes on)"
)


def scrub(text: str, private: Iterable[str] = ()) -> str:
    """The text with paths, addresses, UIDs, file names, and each of the ``private`` words replaced by what they were."""
    text = scrub_words(text, private)
    for pattern, name in (
        (_URL, "<url>"),
        (_PATH, "<path>"),
        (_UID, "<uid>"),
        (_ADDRESS, "<address>"),
        (_FILE, "<file>"),
    ):
        text = pattern.sub(name, text)
    return text


def scrub_words(text: str, private: Iterable[str] = ()) -> str:
    """The text without the ``private`` words and the names of this user and this machine."""
    for word in sorted({*private, *_own_names()}, key=len, reverse=True):
        if word.strip():
            text = re.sub(rf"(?<!\w){re.escape(word.strip())}(?!\w)", "<name>", text, flags=re.IGNORECASE)
    return text


def pick_from_worker_log(lines: Sequence[str]) -> Iterator[str]:
    """Of a worker's log: codes, the frames of a traceback, types of exceptions, and known signs of trouble."""
    left_out = 0
    for line in lines:
        picked = _pick(line)
        if picked is None:
            left_out += 1
            continue
        if left_out:
            yield f"[{left_out} lines left out]"
            left_out = 0
        yield picked
    if left_out:
        yield f"[{left_out} lines left out]"


def pick_from_pip_log(lines: Sequence[str], private: Iterable[str] = ()) -> Iterator[str]:
    """Of pip's log: which packages it handled and what it complained of, without addresses and folders."""
    words = tuple(private)
    return (scrub(_without_end(line), words) for line in lines if _PIP.match(line))


def _without_end(line: str) -> str:
    """The line up to its first path or address, since a path may go on after a space; a wheel keeps its name."""
    wheel = _WHEEL.match(line)
    if wheel:
        return f"Processing {wheel.group(1)}"
    starts = [found.start() for found in (_URL.search(line), _PATH.search(line)) if found]
    return f"{line[: min(starts)]}<path>" if starts else line


def _pick(line: str) -> str | None:
    frame = _FRAME.match(line)
    if frame:
        inside = _INSIDE.search(frame["path"])
        place = inside["tail"].replace("\\", "/") if inside else "<path>"
        return f"  {place}:{frame['line']} in {frame['name']}"
    code = _OWN.search(line)
    if code:
        return f"MEDDL-{code.group(1)}"
    exception = _EXCEPTION.match(line)
    signs = [sign for sign in _SIGNS if sign.lower() in line.lower()]
    if exception:
        return ": ".join([exception["type"], *signs[:1]])
    return signs[0] if signs else None


def _own_names() -> set[str]:
    """Names of this user and this machine."""
    found = {platform.node(), platform.node().partition(".")[0], os.path.basename(os.path.expanduser("~"))}  # noqa: PTH111, PTH119 - no error without a home
    with suppress(OSError, KeyError, ImportError):  # no such user, as in a container
        found.add(getpass.getuser())
    return {name for name in found if len(name) > 1 and name not in ("root", "localhost", "~")}

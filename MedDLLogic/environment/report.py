"""The bug report: one text that says enough to find a defect, and nothing about a patient or a user."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from .. import __version__
from ..errors import CODES
from .folder import EnvironmentState
from .machine import Machine
from .preflight import Check
from .scrub import pick_from_pip_log, pick_from_worker_log, scrub, scrub_words

MAX_LINES = 200
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9.+:_-]{0,24}")


def report_text(
    machine: Machine,
    state: EnvironmentState,
    *,
    checks: Sequence[Check] = (),
    slicer_version: str = "",
    settings: Mapping[str, str] | None = None,
    error_codes: Sequence[str] = (),
    worker_log: Sequence[str] = (),
    install_log: Sequence[str] = (),
    private: Iterable[str] = (),
) -> str:
    """Text for a file or the clipboard; it holds no path, file name, node name, UID, user or host.

    Parameters
    ----------
    settings : choices such as device and quality; a value that is not one short word is left out.
    error_codes : the last ones, newest last; only known codes go on.
    worker_log, install_log : lines, newest last; only the last ``MAX_LINES`` are looked at, and only lines of known
        forms go on.
    private : words that must not appear, such as the names of the scene's nodes.
    """
    words = tuple(private)
    parts = [
        ("Versions", _versions(machine, state, slicer_version)),
        ("Machine", _machine(machine)),
        (
            "Environment",
            [
                f"{state.kind}: {scrub(state.message, words)}",
                f"build {state.build or '-'}, device {state.device or '-'}",
            ],
        ),
        ("Checks", [f"{check.light}: {check.id}: {scrub(check.text, words)}" for check in checks]),
        ("Settings", [_setting(name, value, words) for name, value in sorted((settings or {}).items())]),
        ("Errors", [f"{code}: {CODES[code]}" for code in error_codes if code in CODES]),
        ("Worker log", [scrub_words(line, words) for line in pick_from_worker_log(worker_log[-MAX_LINES:])]),
        ("Installation log", list(pick_from_pip_log(install_log[-MAX_LINES:], words))),
    ]
    head = f"MedDL bug report, {datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC"
    note = "It holds no file names, node names or patient data. Please read it before you send it."
    blocks = ["\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in parts if lines]
    return "\n\n".join([head, note, *blocks]) + "\n"


def _versions(machine: Machine, state: EnvironmentState, slicer_version: str) -> list[str]:
    own = {"MedDL": __version__, "Slicer": slicer_version or "-", "Python": machine.python}
    return [f"{name} {version}" for name, version in {**own, **state.versions}.items()]


def _machine(machine: Machine) -> list[str]:
    cards = [
        f"{gpu.name}, driver {gpu.driver}, {gpu.memory_bytes / 1e9:.1f} GB, capability {gpu.capability or '-'}"
        for gpu in machine.gpus
    ]
    return [
        f"{machine.platform} {machine.os_version}{' (translated)' if machine.is_translated else ''}",
        f"{platform.machine()}, {machine.ram_bytes / 1e9:.1f} GB memory, {machine.free_bytes / 1e9:.1f} GB free disk",
        *(cards or [machine.gpu_problem or "no NVIDIA graphics card"]),
        f"proxy: {'yes' if machine.has_proxy else 'no'}, folder of {machine.folder_length} characters",
    ]


def _setting(name: str, value: str, private: tuple[str, ...]) -> str:
    is_plain = _PLAIN_VALUE.fullmatch(value) is not None and scrub(value, private) == value
    return f"{scrub(name, private)} = {value if is_plain else '<text>'}"

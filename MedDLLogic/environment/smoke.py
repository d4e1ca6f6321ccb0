"""Whether a Python, with an environment or on its own, can do the worker's work; found out in a child."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import MedDLError
from ..records import parse_json
from .child import run_guarded
from .pip import pip_environment
from .probe import MARK
from .stack import Stack

LIMIT_S = 600.0
_PROBE = Path(__file__).with_name("probe.py")
_CRASH = "the test of the packages crashed"
_LIBRARY_MISSING = ("WinError 126", "DLL load failed", "fbgemm", "VCRUNTIME", "MSVCP")


@dataclass(frozen=True)
class Answer:
    """What ``probe.py`` found: package -> version, package -> why it cannot be imported, and so on."""

    python: str
    machine: str
    versions: Mapping[str, str]
    missing: Mapping[str, str]
    elsewhere: tuple[str, ...]
    device: str
    device_problem: str
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SmokeResult:
    """Versions by package, the device that a convolution ran on, and why it is not the one of the build."""

    versions: Mapping[str, str]
    device: str
    warning: str = ""


def smoke_test(
    python: str,
    folder: Path,
    stack: Stack,
    *,
    on_line: Callable[[str], object] = lambda line: None,
    on_wait: Callable[[], object] = lambda: None,
) -> SmokeResult:
    """Import everything from ``folder`` and compute one convolution on the build's device, else on the processor.

    Raises
    ------
    MedDLError : E507 when a package is missing or torch does not compute at all.
    """

    def ask(device: str) -> Answer | None:
        return ask_python(python, stack.modules, device, folder=folder, on_line=on_line, on_wait=on_wait)

    wanted = stack.build.device
    answer = ask(wanted)
    problem = _CRASH if answer is None else answer.device_problem
    if wanted != "cpu" and problem and not (answer and answer.missing):
        on_line(problem)
        answer = ask("cpu")
    _require_usable(answer)
    if answer is None or answer.device == wanted:
        return SmokeResult(answer.versions if answer else {}, wanted)
    return SmokeResult(answer.versions, "cpu", "the graphics card cannot be used with this torch, it runs on cpu")


def ask_python(
    python: str,
    modules: Mapping[str, str],
    device: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] = lambda line: None,
    on_wait: Callable[[], object] = lambda: None,
    limit_s: float = LIMIT_S,
) -> Answer | None:
    """What a Python answers to ``probe.py``; None when it crashed or did not answer in time.

    Parameters
    ----------
    device : for the convolution: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"`` for the best that is there.
    folder : of packages that go first on its path.

    Raises
    ------
    MedDLError : E101 when there is no such program.
    """
    request = {"folder": str(folder or ""), "modules": dict(modules), "device": device}
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line) if line.startswith(MARK) else on_line(line)

    try:
        run_guarded(
            python, [str(_PROBE), json.dumps(request)], environment=environment or pip_environment(),
            on_line=hear, on_wait=on_wait, limit_s=limit_s,
        )  # fmt: skip
    except TimeoutError:
        return None
    return _parsed(lines)


def _parsed(lines: Sequence[str]) -> Answer | None:
    try:
        return parse_json(Answer, lines[-1].removeprefix(MARK)) if lines else None
    except MedDLError:  # cut off in the middle, or not from ``probe.py``
        return None


def _require_usable(answer: Answer | None) -> None:
    if answer is None:
        raise MedDLError("E507", _CRASH, "", "choose another torch build")
    log = "\n".join(f"{package}: {why}" for package, why in answer.missing.items())
    if answer.missing:
        why = f"{', '.join(answer.missing)[:60]} cannot be imported"
        raise MedDLError("E507", "environment not usable", why, _hint(log), detail=log)
    if answer.elsewhere:
        why = f"{', '.join(answer.elsewhere)[:60]} came from another folder"
        raise MedDLError("E507", "environment not usable", why, "repair it")
    if answer.device_problem:
        why = "torch cannot compute a convolution"
        raise MedDLError(
            "E507", "environment not usable", why, _hint(answer.device_problem), detail=answer.device_problem
        )


def _hint(log: str) -> str:
    if any(sign in log for sign in _LIBRARY_MISSING):
        return "install the Microsoft Visual C++ Redistributable (x64) and try again"
    return "repair it, or choose another torch build"

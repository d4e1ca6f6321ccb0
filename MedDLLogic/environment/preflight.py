"""What speaks for and against installing, as traffic lights, before anything is downloaded."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import MedDLError
from ..records import parse_json
from ..scratch import sweep
from ..storage import environments_folder
from .builds import Choice, TorchBuild, choose_build, misfit
from .child import run_guarded
from .folder import PARTIAL_PREFIX, EnvironmentState, environment_state
from .install import Sources, needed_bytes
from .machine import Machine, read_machine
from .other_python import SUPPORTED_PYTHONS
from .pip import pip_environment, pip_error, pip_version
from .stack import standard_stack
from .versions import at_least, version_numbers

Light = Literal["green", "yellow", "red"]

MIN_SLICER = "5.10"
DEADLINE_S = 25.0
_MAX_WINDOWS_PATH = 259
# The longest file of torch has 119 characters, and pip unpacks it below folders of its own that take 60 more.
_PATH_INSIDE = 180
_GB = 10**9
_PROBE_PACKAGE = "numpy"
_ENOUGH_RAM, _LITTLE_RAM = 15 * _GB, 7 * _GB


@dataclass(frozen=True)
class Check:
    """One light: ``text`` is what was found, ``hint`` what the user can do; a red light always has one."""

    id: str
    light: Light
    text: str
    hint: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What the command ``check`` writes; ``build`` is empty where none can be installed, ``reason`` says why."""

    machine: Machine
    checks: tuple[Check, ...]
    state: EnvironmentState
    build: str = ""
    reason: str = ""
    download_bytes: int = 0
    installed_bytes: int = 0

    @property
    def is_go(self) -> bool:
        """No light is red."""
        return all(check.light != "red" for check in self.checks)


def read_check_report(path: Path) -> CheckReport:
    """What the command ``check`` wrote; E106 when it is no such file."""
    try:
        return parse_json(CheckReport, path.read_bytes())
    except OSError as exc:
        raise MedDLError("E106", "no report of the checks", exc.strerror or "") from exc


def check_machine(
    *, slicer_version: str = "", build_name: str = "", sources: Sources | None = None, python: str = sys.executable
) -> CheckReport:
    """All lights, what would be installed, and the state of what is; takes seconds, so no window should wait for it."""
    sweep(environments_folder(), PARTIAL_PREFIX)
    machine, sources = read_machine(), sources or Sources()
    lights = preflight(machine, slicer_version=slicer_version, build_name=build_name, sources=sources, python=python)
    try:
        choice = choose_build(machine, build_name)
    except MedDLError as exc:
        return CheckReport(machine, lights, environment_state(), reason=_sentence(exc))
    build = choice.build
    return CheckReport(
        machine, lights, environment_state(), build.name, choice.reason, build.download_bytes, build.installed_bytes
    )


def preflight(
    machine: Machine,
    *,
    slicer_version: str = "",
    build_name: str = "",
    sources: Sources | None = None,
    python: str = sys.executable,
    deadline_s: float = DEADLINE_S,
) -> tuple[Check, ...]:
    """The lights, those that only look first; it asks pip in children and returns after ``deadline_s`` at the latest.

    Parameters
    ----------
    slicer_version : empty outside of Slicer.
    build_name : of torch, chosen by hand; empty for the one that fits best.
    python : the one whose pip will install.
    """
    sources = sources or Sources()
    build, build_check = _build_check(machine, build_name)
    checks = [_slicer(slicer_version)] if slicer_version else []
    checks += [_python(machine), build_check, _graphics(machine, build), _ram(machine), _path(machine), _proxy(machine)]
    if build is not None:
        checks.append(_disk(machine, build, sources))
    return (*checks, *_pip_checks(build, sources, python, deadline_s))


def _slicer(version: str) -> Check:
    if at_least(version, MIN_SLICER):
        return Check("slicer", "green", f"Slicer {version}")
    return Check("slicer", "red", f"Slicer {version} is too old for MedDL.", f"Install Slicer {MIN_SLICER} or newer.")


def _python(machine: Machine) -> Check:
    if version_numbers(machine.python)[:2] in SUPPORTED_PYTHONS:
        return Check("python", "green", f"Python {machine.python}")
    text = f"Python {machine.python} is not supported."
    return Check("python", "red", text, "Choose Python 3.11 or 3.12 as worker.")


def _build_check(machine: Machine, name: str) -> tuple[TorchBuild | None, Check]:
    try:
        choice: Choice = choose_build(machine, name)
    except MedDLError as exc:
        return None, Check("build", "red", _sentence(exc), _sentence_of(exc.hint))
    return choice.build, Check("build", "green", f"torch {choice.build.name}: {choice.reason}")


def _graphics(machine: Machine, build: TorchBuild | None) -> Check:
    if machine.platform == "macos-arm64":
        return Check("gpu", "green", "Apple silicon")
    if machine.gpu_problem:
        return Check("gpu", "yellow", f"The graphics card could not be asked: {machine.gpu_problem}.")
    if not machine.gpus:
        return Check("gpu", "yellow", "No NVIDIA graphics card: the processor computes, which takes longer.")
    gpu = machine.gpus[0]
    text = f"{gpu.name}, driver {gpu.driver}, {gpu.memory_bytes / _GB:.0f} GB"
    if build is not None and build.device == "cuda":
        why_not = misfit(build, gpu, machine.os)
        if why_not is None:
            return Check("gpu", "green", text)
        return Check("gpu", "yellow", f"{text}: {why_not.why}.", _sentence_of(why_not.hint))
    return Check(
        "gpu", "yellow", f"{text}: not used by this build.", "Update the graphics driver, or choose a CUDA build."
    )


def _ram(machine: Machine) -> Check:
    text = f"{machine.ram_bytes / _GB:.0f} GB of memory"
    if machine.ram_bytes >= _ENOUGH_RAM:
        return Check("ram", "green", text)
    light: Light = "yellow" if machine.ram_bytes >= _LITTLE_RAM else "red"
    return Check("ram", light, text, "Choose a region of large images, and close other programs.")


def _path(machine: Machine) -> Check:
    if machine.os != "windows":
        return Check("path", "green", "Paths are not limited here.")
    longest = machine.folder_length + _PATH_INSIDE
    if longest <= _MAX_WINDOWS_PATH:
        return Check("path", "green", "Paths are short enough.")
    text = f"Paths would get {longest} characters long; Windows takes {_MAX_WINDOWS_PATH}."
    return Check("path", "red", text, "Set MEDDL_HOME to a short folder such as C:\\MedDL.")


def _proxy(machine: Machine) -> Check:
    return Check("proxy", "green", "A proxy is set." if machine.has_proxy else "No proxy is set.")


def _disk(machine: Machine, build: TorchBuild, sources: Sources) -> Check:
    needed = needed_bytes(standard_stack(build.name), sources)
    text = f"{needed / _GB:.1f} GB are needed while it installs, {machine.free_bytes / _GB:.1f} GB are free."
    if machine.free_bytes < needed:
        return Check("disk", "red", text, "Free some space, or set MEDDL_HOME to a folder on another disk.")
    return Check("disk", "green" if machine.free_bytes > 1.5 * needed else "yellow", text)


def _pip_checks(build: TorchBuild | None, sources: Sources, python: str, deadline_s: float) -> Iterator[Check]:
    """pip, and the places it would fetch from, asked side by side."""
    ends_s = time.monotonic() + deadline_s
    asked: list[tuple[str, Callable[[float], Check]]] = [("pip", lambda left_s: _pip(python, left_s))]
    if sources.wheelhouse is not None:
        folder = sources.wheelhouse
        asked.append(("wheelhouse", lambda left_s: _wheelhouse(folder, build)))
    else:
        asked.append(("index", lambda left_s: _index(python, sources, left_s)))
        if build is not None:
            asked.append(("torch-index", lambda left_s: _torch_index(python, sources, build, left_s)))
    with ThreadPoolExecutor(len(asked)) as pool:
        running = [pool.submit(ask, ends_s - time.monotonic()) for _, ask in asked]
        for (name, _), answer in zip(asked, running, strict=True):
            try:
                yield answer.result()
            except TimeoutError:
                yield Check(name, "red", "No answer in time.", "Check network and proxy, or use a folder of wheels.")
            except MedDLError as exc:
                yield Check(name, "red", _sentence(exc), _sentence_of(exc.hint))


def _pip(python: str, limit_s: float) -> Check:
    return Check("pip", "green", f"pip {pip_version(python, limit_s)}")


def _index(python: str, sources: Sources, limit_s: float) -> Check:
    options = ["--index-url", sources.index_url] if sources.index_url else []
    _versions_on(python, _PROBE_PACKAGE, options, limit_s)
    return Check("index", "green", "The package index answers.")


def _torch_index(python: str, sources: Sources, build: TorchBuild, limit_s: float) -> Check:
    url = sources.torch_index_url or build.index_url or sources.index_url
    versions = _versions_on(python, "torch", ["--index-url", url] if url else [], limit_s)
    wanted = build.requirement.partition("==")[2]
    if wanted in versions:
        return Check("torch-index", "green", f"torch {wanted} can be had.")
    text = f"torch {wanted} is not on its package index."
    return Check("torch-index", "red", text, "Choose another torch build, another index, or a folder of wheels.")


def _versions_on(python: str, package: str, options: list[str], limit_s: float) -> list[str]:
    """Versions of a package that pip sees; E506 and E104 as ``pip_error`` tells them."""
    lines: list[str] = []
    command = ["pip", "index", "versions", package, "--retries", "1", "--timeout", "8", *options]
    code = run_guarded(python, command, environment=pip_environment(), on_line=lines.append, limit_s=limit_s)
    found = next((line for line in lines if line.startswith("Available versions:")), "")
    if code or not found:
        raise pip_error("\n".join(lines), is_offline=False)
    return [version.strip() for version in found.partition(":")[2].split(",")]


def _wheelhouse(folder: Path, build: TorchBuild | None) -> Check:
    wheels = [path.name for path in folder.glob("*.whl")] if folder.is_dir() else []
    if not wheels:
        return Check("wheelhouse", "red", "The folder holds no wheels.", "Choose the folder that holds them.")
    wanted = (build.requirement if build else "torch==").replace("==", "-")
    if not any(name.startswith(wanted) for name in wheels):
        hint = "Put it there, or choose the torch build that is there."
        return Check("wheelhouse", "red", f"The folder holds no wheel of {wanted}.", hint)
    return Check("wheelhouse", "green", f"The folder holds {len(wheels)} wheels, torch among them.")


def _sentence(exc: MedDLError) -> str:
    return _sentence_of(f"{exc.what}: {exc.why}" if exc.why else exc.what)


def _sentence_of(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."

"""Which builds of torch there are, and which one fits a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from ..errors import MedDLError
from ..records import parse_json
from ..resources import resource_path
from .machine import Gpu, Machine
from .versions import at_least, version_numbers

_ROSETTA_HINT = "choose an arm64 Python with PyTorch as worker"


@dataclass(frozen=True)
class TorchBuild:
    """One build of torch.

    Parameters
    ----------
    name, title : for the command line, and for people.
    platforms : ``Machine.platform`` values that it exists for.
    requirement : line for pip that only this build satisfies.
    index_url : the index that holds it; empty for the one that pip is set up with.
    device : what it computes on; a CUDA build computes on the processor too.
    download_bytes, installed_bytes : about that much, of all packages of the worker together.
    min_driver : system -> oldest NVIDIA driver.
    capabilities : compute capabilities of NVIDIA cards that it has machine code for.
    """

    name: str
    title: str
    platforms: tuple[str, ...]
    requirement: str
    device: Literal["cpu", "cuda", "mps"]
    download_bytes: int
    installed_bytes: int
    index_url: str = ""
    min_driver: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A build, and in one sentence why this one."""

    build: TorchBuild
    reason: str


@dataclass(frozen=True)
class _Table:
    builds: tuple[TorchBuild, ...]
    schema_version: Literal[1] = 1


@cache
def all_builds() -> tuple[TorchBuild, ...]:
    """The builds of the table, the most wanted first."""
    text = resource_path("environment", "torch_builds.json").read_bytes()
    return parse_json(_Table, text, code="E901").builds


def build_names(platform: str) -> tuple[str, ...]:
    """Names of the builds for a ``Machine.platform``."""
    return tuple(build.name for build in all_builds() if platform in build.platforms)


def build_named(name: str) -> TorchBuild:
    """The build of that name; E101 when there is none."""
    for build in all_builds():
        if build.name == name:
            return build
    raise MedDLError("E101", "no such torch build", name[:40], f"one of {', '.join(b.name for b in all_builds())}")


def choose_build(machine: Machine, name: str = "") -> Choice:
    """The build that fits a machine best, or the one that was named.

    Raises
    ------
    MedDLError : E101 for an unknown name, E507 when no build exists for this system, or when the named one
        cannot work on what is known of this machine.
    """
    _require_platform(machine)
    if name:
        return _named(machine, build_named(name))
    fitting = [
        (build, gpu)
        for build in _cuda_builds(machine)
        for gpu in machine.gpus
        if misfit(build, gpu, machine.os) is None
    ]
    if fitting:
        build, gpu = fitting[0]
        return Choice(build, f"{gpu.name} with driver {gpu.driver} works with it.")
    rest = next(b for b in all_builds() if machine.platform in b.platforms and b.device != "cuda")
    return Choice(rest, _why_not_cuda(machine))


def misfit(build: TorchBuild, gpu: Gpu, system: str) -> MedDLError | None:
    """E507 that says why a card does not run a CUDA build; None when it does, or nothing speaks against it."""
    wanted = build.min_driver.get(system, "")
    if not at_least(gpu.driver, wanted):
        why = f"driver {gpu.driver} of {gpu.name} is older than {wanted}"
        return MedDLError("E507", f"{build.name} does not fit", why, "update the graphics driver")
    if gpu.capability and not _has_code_for(build, gpu.capability):
        why = f"{gpu.name} has compute capability {gpu.capability}"
        return MedDLError("E507", f"{build.name} does not fit", why, "choose another torch build, or cpu")
    return None


def _has_code_for(build: TorchBuild, capability: str) -> bool:
    """Machine code for X.y runs on every X.z with z >= y, and on no other X."""
    major, *minor = version_numbers(capability)
    codes = [version_numbers(code) for code in build.capabilities]
    return any(code[0] == major and list(code[1:]) <= minor for code in codes)


def _cuda_builds(machine: Machine) -> list[TorchBuild]:
    return [build for build in all_builds() if build.device == "cuda" and machine.platform in build.platforms]


def _require_platform(machine: Machine) -> None:
    if any(machine.platform in build.platforms for build in all_builds()):
        return
    if machine.platform == "macos-x86_64":
        why = "PyTorch for Intel Macs ended at 2.2.2, this Python runs as one"
        hint = _ROSETTA_HINT if machine.is_translated else "choose the Python of another system as worker"
        raise MedDLError("E507", "no torch build", why, hint)
    raise MedDLError("E507", "no torch build for this system", machine.platform, "choose another Python as worker")


def _named(machine: Machine, build: TorchBuild) -> Choice:
    if machine.platform not in build.platforms:
        names = ", ".join(build_names(machine.platform))
        raise MedDLError(
            "E507", f"{build.name} is not made for this system", machine.platform, f"choose one of {names}"
        )
    misfits = [misfit(build, gpu, machine.os) for gpu in machine.gpus] if build.device == "cuda" else []
    if misfits and all(misfits):
        raise next(filter(None, misfits))
    return Choice(build, "It was chosen by name.")


def _why_not_cuda(machine: Machine) -> str:
    if machine.platform == "macos-arm64":
        return "It computes on the graphics part of Apple silicon."
    if not machine.gpus:
        return "No NVIDIA graphics card was found."
    gpu = machine.gpus[0]
    oldest = min((b.min_driver[machine.os] for b in _cuda_builds(machine)), key=version_numbers, default="")
    if not at_least(gpu.driver, oldest):
        return f"Driver {gpu.driver} of {gpu.name} is older than {oldest}; update it to use the card."
    return f"No CUDA build fits {gpu.name} with driver {gpu.driver}; a newer driver may help."

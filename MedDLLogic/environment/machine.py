"""What this machine is, found without torch: system, Python, memory, disk, graphics cards."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..disk import disk_errors
from ..jobs.process_tree import NO_CONSOLE
from ..storage import environments_folder

NVIDIA_LIMIT_S = 15.0
_FIELDS = ("name", "driver_version", "memory.total", "compute_cap")
_ARCHITECTURES = {"amd64": "x86_64", "aarch64": "arm64"}
_SYSTEMS: dict[str, Literal["linux", "windows", "macos"]] = {"win32": "windows", "darwin": "macos"}
_MIB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA card; ``capability`` is empty where the driver is too old to tell it."""

    name: str
    driver: str
    memory_bytes: int
    capability: str = ""


@dataclass(frozen=True)
class Machine:
    """Facts that decide what can be installed; no name of a user, a machine or a folder.

    Parameters
    ----------
    architecture : of this Python, ``x86_64`` or ``arm64``.
    is_translated : an x86_64 Python on Apple silicon.
    free_bytes : on the disk where the environment goes.
    folder_length : characters of the path where environments lie.
    gpu_problem : why the cards could not be asked for; empty when they were, or none is there.
    has_proxy : whether one is set; its address is not kept.
    """

    os: Literal["linux", "windows", "macos"]
    os_version: str
    architecture: str
    python: str
    ram_bytes: int
    free_bytes: int
    folder_length: int
    gpus: tuple[Gpu, ...] = ()
    gpu_problem: str = ""
    is_translated: bool = False
    has_proxy: bool = False

    @property
    def platform(self) -> str:
        """``linux-x86_64``, ``windows-x86_64``, ``macos-arm64``, ..."""
        return f"{self.os}-{self.architecture}"


def read_machine() -> Machine:
    """Facts of this machine and this Python.

    It starts ``nvidia-smi``, which may take seconds after a reboot, so no window should wait for it.
    """
    gpus, problem = read_gpus()
    folder = environments_folder()
    return Machine(
        os=system_name(),
        os_version=platform.mac_ver()[0] or platform.release(),
        architecture=architecture(),
        python=platform.python_version(),
        ram_bytes=_ram_bytes(),
        free_bytes=free_bytes(folder),
        folder_length=len(str(folder)),
        gpus=gpus,
        gpu_problem=problem,
        is_translated=_is_translated(),
        has_proxy=_has_proxy(),
    )


def platform_name() -> str:
    """``Machine.platform`` of this Python, found without starting a process."""
    return f"{system_name()}-{architecture()}"


def system_name() -> Literal["linux", "windows", "macos"]:
    """The family of this system."""
    return _SYSTEMS.get(sys.platform, "linux")


def architecture() -> str:
    """What this Python was built for, in one spelling on all systems."""
    name = platform.machine().lower()
    return _ARCHITECTURES.get(name, name)


def free_bytes(folder: Path) -> int:
    """Free space on the disk where a folder is, or will be."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    with disk_errors():
        return shutil.disk_usage(existing).free


def read_gpus() -> tuple[tuple[Gpu, ...], str]:
    """The NVIDIA cards, the one with most memory first; and why they could not be read, empty when they were."""
    program = _nvidia_smi()
    if program is None:
        return (), ""
    text, problem = _ask(program, _FIELDS)
    if problem:  # older drivers do not know the last field
        text, problem = _ask(program, _FIELDS[:-1])
    return parse_gpus(text), problem


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """The cards in the CSV lines of ``nvidia-smi``: name, driver, MiB, and capability where the driver tells it."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines() if line.count(",") >= 2]
    cards = [
        Gpu(row[0], row[1], int(row[2]) * _MIB if row[2].isdigit() else 0, _told(row[3]) if len(row) > 3 else "")
        for row in rows
    ]
    return tuple(sorted(cards, key=lambda card: -card.memory_bytes))


def _told(number: str) -> str:
    """The number, empty for the ``[N/A]`` of a card that tells none."""
    return number if number[:1].isdigit() else ""


def _nvidia_smi() -> str | None:
    folders = [os.environ.get(name, "") for name in ("SystemRoot", "ProgramFiles")]
    windows = (Path(folders[0], "System32"), Path(folders[1], "NVIDIA Corporation", "NVSMI"))
    places = [str(place) for place in windows] if os.name == "nt" else ["/usr/bin", "/usr/lib/wsl/lib"]
    return shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=os.pathsep.join(places))


def _ask(program: str, fields: tuple[str, ...]) -> tuple[str, str]:
    command = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=NVIDIA_LIMIT_S, check=False, creationflags=NO_CONSOLE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "", "nvidia-smi did not answer"
    except OSError:
        return "", "nvidia-smi cannot be started"
    return (run.stdout, "") if run.returncode == 0 else ("", f"nvidia-smi ended with {run.returncode}")


def _is_translated() -> bool:
    """Whether this Python runs under Rosetta."""
    if sys.platform != "darwin" or architecture() != "x86_64":
        return False
    command = ["/usr/sbin/sysctl", "-n", "sysctl.proc_translated"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_LIMIT_S, check=False)
    return run.stdout.strip() == "1"


def _has_proxy() -> bool:
    from urllib.request import getproxies  # brings half of the network library, which a look at the folders needs not

    return bool(getproxies())


def _ram_bytes() -> int:
    if sys.platform == "win32":
        return _windows_ram_bytes()
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _windows_ram_bytes() -> int:
    import ctypes

    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load_percent", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "c", "d", "e", "f", "g")),
        )

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return int(status.total)

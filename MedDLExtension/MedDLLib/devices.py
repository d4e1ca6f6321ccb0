"""What this machine can compute on, and how much memory it has to spare."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from MedDLLogic.environment.machine import read_machine


@dataclass(frozen=True)
class Devices:
    """What a worker could compute on.

    Parameters
    ----------
    cuda : names of the NVIDIA cards, not in the order in which torch counts them.
    has_mps : whether there is an Apple graphics unit.
    """

    cuda: tuple[str, ...] = ()
    has_mps: bool = False


def read_devices() -> Devices:
    """The devices of this machine; starts a process that may take seconds, so no window should wait for it."""
    machine = read_machine()
    has_mps = machine.os == "macos" and (machine.architecture == "arm64" or machine.is_translated)
    return Devices(tuple(gpu.name for gpu in machine.gpus), has_mps)


def free_memory_bytes() -> int:
    """Memory that a new process could have without the machine beginning to swap; 0 where that is not known."""
    if sys.platform == "win32":
        return _windows_free()
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # macOS tells no such figure cheaply; more than there is at all is too much in any case
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def _windows_free() -> int:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load_percent", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "c", "d", "e", "f", "g")),
        )

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.free)

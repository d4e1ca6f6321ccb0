"""Memory of a run: foretold by a formula, and measured."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARIES_BYTES = 400_000_000
"""What Python holds once an engine and the image libraries are loaded."""

FLOAT_BYTES = 4
COPIES_OF_IMAGE = 4
"""Volumes of the image's own size held at once: as it came, as float32, while it is resampled, and the labels."""

FEATURES_AT_ONCE = 8
"""Layers of a network's first width that live at once where its decoder joins what the encoder kept."""


@dataclass(frozen=True)
class StageSizes:
    """What the memory of one network stage depends on.

    Parameters
    ----------
    shape_kji : of the working grid.
    tile_kji : what goes through the network at once.
    width : channels of the network's first layers.
    """

    inputs: int
    channels: int
    shape_kji: tuple[int, int, int]
    tile_kji: tuple[int, int, int]
    width: int

    @property
    def slab_voxels(self) -> int:
        """Of the planes that are held at once while the engine moves along the working grid."""
        padded = [max(size, tile) for size, tile in zip(self.shape_kji, self.tile_kji, strict=True)]
        return min((tile + 1) * math.prod(padded) // size for size, tile in zip(padded, self.tile_kji, strict=True))


def estimated_bytes(voxels: int, images: int, stages: Sequence[StageSizes], *, on_gpu: bool) -> int:
    """Roughly the most memory that running the stages takes: of the process, or of a graphics card that computes."""
    if on_gpu:
        return max(_network_bytes(stage) for stage in stages)
    native = FLOAT_BYTES * COPIES_OF_IMAGE * voxels * images
    return LIBRARIES_BYTES + native + max(_volume_bytes(stage) + _network_bytes(stage) for stage in stages)


def _volume_bytes(stage: StageSizes) -> int:
    """Working volumes as recipe and network see them, and the slab of activations."""
    voxels = math.prod(stage.shape_kji)
    return FLOAT_BYTES * (2 * stage.inputs * voxels + stage.channels * stage.slab_voxels)


def _network_bytes(stage: StageSizes) -> int:
    return FLOAT_BYTES * (stage.inputs + stage.channels + FEATURES_AT_ONCE * stage.width) * math.prod(stage.tile_kji)


def peak_bytes() -> int:
    """Most memory, in bytes, that this process held since it began."""
    if sys.platform == "win32":
        return _windows_peak()
    status = Path("/proc/self/status")
    if status.exists():  # where there is one it is exact; getrusage takes over the peak of a process's parent
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _windows_peak() -> int:
    import ctypes
    from ctypes import wintypes

    sizes = ["PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage", "QuotaPagedPoolUsage"]
    sizes += ["QuotaPeakNonPagedPoolUsage", "QuotaNonPagedPoolUsage", "PagefileUsage", "PeakPagefileUsage"]

    class Counters(ctypes.Structure):
        _fields_ = [("cb", wintypes.DWORD), ("PageFaultCount", wintypes.DWORD), *((n, ctypes.c_size_t) for n in sizes)]

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD]
    told = ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
    return int(counters.PeakWorkingSetSize) if told else 0

"""Which device computes, and what its random numbers start from; torch is imported only where a GPU may be."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from ..errors import MedDLError

_seed: int | None = None

_SIGNS_OF_A_GPU = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What the drivers of NVIDIA's cards, of Windows for its Linux, and of AMD's cards leave."""


def choose_device(wanted: str) -> str:
    """The torch device to use for ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.

    ``"auto"`` takes the first GPU that there is, else the CPU; a device asked for by name is never
    replaced by another one.

    Raises
    ------
    MedDLError : E504 when the named device is not there, E101 for a name that is none.
    """
    if wanted == "cpu" or (wanted == "auto" and not may_have_gpu()):
        return "cpu"
    if wanted != "auto" and wanted.split(":", maxsplit=1)[0] not in ("cpu", "cuda", "mps"):
        raise MedDLError("E101", "device not known", wanted[:20], "auto, cpu, cuda, cuda:1, mps")
    import torch

    present = _present(torch.cuda.device_count(), torch.backends.mps.is_available())
    if wanted == "auto":
        return present[0]
    if wanted == "cuda" and "cuda:0" in present:
        return "cuda:0"
    if wanted in present:
        return wanted
    raise MedDLError("E504", "device not available", wanted[:20], f"here: {', '.join(present)}")


def may_have_gpu() -> bool:
    """Whether a graphics card that torch could compute on has a driver here; found without torch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "nvcuda.dll").exists()
    return any(Path(sign).exists() for sign in _SIGNS_OF_A_GPU) or shutil.which("nvidia-smi") is not None


def device_names() -> tuple[str, ...]:
    """What the devices of this machine are called, best first."""
    if not may_have_gpu():
        return ("cpu",)
    import torch

    cards = tuple(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    return (*cards, *(("Apple GPU (mps)",) if torch.backends.mps.is_available() else ()), "cpu")


def forget_peak(device: str) -> None:
    """Let ``device_peak_bytes`` count from now on."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def device_peak_bytes(device: str) -> int | None:
    """Most memory that tensors took on a graphics card, in bytes; None where the device keeps no count of its own."""
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def set_seed(seed: int) -> None:
    """Seed the random numbers that a network may draw, on every device: now, or as soon as torch is there."""
    global _seed  # noqa: PLW0603 - torch's own is one of the process too
    _seed = seed
    if "torch" in sys.modules:
        seed_torch()


def seed_torch() -> None:
    """Give torch the seed that ``set_seed`` was told, if any."""
    if _seed is not None:
        import torch

        torch.manual_seed(_seed)


def _present(cuda_count: int, has_mps: bool) -> list[str]:
    return [f"cuda:{n}" for n in range(cuda_count)] + (["mps"] if has_mps else []) + ["cpu"]

"""Which device computes, and what its random numbers start from."""

from __future__ import annotations

from ..errors import MedDLError


def choose_device(wanted: str) -> str:
    """The torch device to use for ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.

    ``"auto"`` takes the first GPU that there is, else the CPU; a device asked for by name is never
    replaced by another one.

    Raises
    ------
    MedDLError : E504 when the named device is not there, E101 for a name that is none.
    """
    import torch

    present = _present(torch.cuda.device_count(), torch.backends.mps.is_available())
    if wanted == "auto":
        return present[0]
    if wanted == "cuda" and "cuda:0" in present:
        return "cuda:0"
    if wanted in present:
        return wanted
    if wanted.split(":", maxsplit=1)[0] in ("cpu", "cuda", "mps"):
        raise MedDLError("E504", "device not available", wanted[:20], f"here: {', '.join(present)}")
    raise MedDLError("E101", "device not known", wanted[:20], "auto, cpu, cuda, cuda:1, mps")


def device_names() -> tuple[str, ...]:
    """What the devices of this machine are called, best first."""
    import torch

    cards = tuple(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    return (*cards, *(("Apple GPU (mps)",) if torch.backends.mps.is_available() else ()), "cpu")


def forget_peak(device: str) -> None:
    """Let ``device_peak_bytes`` count from now on."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def device_peak_bytes(device: str) -> int | None:
    """Most memory that tensors took on a graphics card, in bytes; None where the device keeps no count of its own."""
    import torch

    return int(torch.cuda.max_memory_allocated(device)) if device.startswith("cuda") else None


def set_seed(seed: int) -> None:
    """Seed the random numbers that a network may draw, on every device."""
    import torch

    torch.manual_seed(seed)


def _present(cuda_count: int, has_mps: bool) -> list[str]:
    return [f"cuda:{n}" for n in range(cuda_count)] + (["mps"] if has_mps else []) + ["cpu"]

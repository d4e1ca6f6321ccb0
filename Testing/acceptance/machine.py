"""The machine a figure was measured on, in a few words."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe() -> str:
    """Processor, cores this process may use, system and Python, such as ``"Xeon 2.2 GHz, 2 cores, Linux, Python 3.11.7"``."""
    return f"{_processor()}, {_cores()} cores, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

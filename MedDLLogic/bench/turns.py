"""What every contender does: say that it is ready, work once for each line that comes in, and leave its labels.

Only the standard library and numpy: a tool's own Python runs this file, too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], "tuple[Any, int]"]
"""Gives labels (k, j, i) and the number of windows they took."""


def read_task(path: str) -> dict[str, Any]:
    """The task of this contender; the number of threads is set for libraries that read it when they are imported."""
    task: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    os.environ["OMP_NUM_THREADS"] = str(task["threads"])
    return task


def take_turns(task: dict[str, Any], load: Callable[[dict[str, Any]], Work]) -> None:
    """Load, then work in turns until told to leave."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    work = load(task)
    _say(out, ready=True)
    labels: Any = None
    for line in sys.stdin:
        if line.strip() == "leave":
            break
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        labels, windows = work()
        _say(out, wall_s=time.perf_counter() - wall_s, cpu_s=time.process_time() - cpu_s, windows=windows)
    np.save(Path(task["labels"]) / f"{task['name']}.npy", labels)
    _say(out, peak_bytes=_peak_bytes())


def _say(out: Any, **words: Any) -> None:
    out.write(json.dumps(words) + "\n")
    out.flush()


def _peak_bytes() -> int:
    """Most memory that this process held; from the kernel, in the one place where it is exact."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)

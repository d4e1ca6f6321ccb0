"""A process and all that it started, as one thing that can be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Flags of a process that opens no console window on Windows."""

_TASKKILL_S = 10.0
_PS_S = 2.0
_MOST_ANCESTORS = 64


def is_pid(number: int) -> bool:
    """Whether a number can be the id of a process that somebody started."""
    return 1 < number < 2**31


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process is that other one or was started by it or by what it started; no where that cannot be shown."""
    for _ in range(_MOST_ANCESTORS):
        if not is_pid(pid) or not is_pid(ancestor):
            return False
        if pid == ancestor:
            return True
        pid = _parent_of(pid)
    return False


if sys.platform == "win32":

    def _parent_of(_pid: int) -> int:
        return 0  # not asked for: taskkill ends what a process started

    def lead_own_group() -> None:
        """Nothing: Windows knows whose child a process is."""

    def kill_tree(pid: int, *, waits: bool = True) -> bool:
        """End a process and its children; nothing happens when it is gone.

        Returns whether it is being ended: whoever ended it meanwhile would hide its children from taskkill.
        """
        if not is_pid(pid) or pid == os.getpid():
            return False
        program = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        command = [str(program), "/T", "/F", "/PID", str(pid)]
        nowhere = subprocess.DEVNULL
        try:
            killer = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, creationflags=NO_CONSOLE)
        except OSError:
            return False
        if waits:
            with suppress(subprocess.TimeoutExpired):
                killer.wait(_TASKKILL_S)
        return not waits

else:

    def _parent_of(pid: int) -> int:
        """Id of the process that started it, 0 where the system does not tell."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return _parent_by_ps(pid)
        return int(stat.rpartition(")")[2].split()[1])  # the name before it may hold anything

    def _parent_by_ps(pid: int) -> int:
        if sys.platform.startswith("linux"):
            return 0  # it is gone
        command = ["/bin/ps", "-o", "ppid=", "-p", str(pid)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PS_S, check=True)
            return int(done.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            return 0

    def lead_own_group() -> None:
        """Let this process lead a group of its own, so that it can be ended with all that it starts."""
        if os.getpgrp() != os.getpid():
            os.setsid()

    def kill_tree(pid: int, *, waits: bool = True) -> bool:  # noqa: ARG001 - on Windows it takes its time
        """End the group that a process leads, at once.

        Nothing happens when it is gone, leads no group, or leads the one of this very process. Returns False: it may
        be one that leads no group and must be ended by itself.
        """
        if is_pid(pid) and pid != os.getpgrp():
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) == pid:
                    os.killpg(pid, signal.SIGKILL)
        return False

"""Runs a program that is watched line by line and never outlives this process."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import MedDLError
from ..jobs.process_tree import NO_CONSOLE, kill_tree

POLL_S = 0.1
MAX_LINE_BYTES = 1 << 18
"""Longer lines are cut: a program that is no Python may write without end."""

_MOST_UNHEARD = 256
_GRACE_S = 1.0
_GUARDED = Path(__file__).with_name("guarded.py")


def run_guarded(
    python: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] = lambda line: None,
    on_wait: Callable[[], object] = lambda: None,
    limit_s: float = float("inf"),
) -> int:
    """Exit code of ``python -m MODULE ...`` or ``python SCRIPT.py ...``; negative for the signal that ended it.

    Parameters
    ----------
    arguments : a module's name or a script's path, and what it is given.
    environment : all of the child's environment; this process's own when None.
    on_line : gets each line of its output and errors, without the line end and in pieces of ``MAX_LINE_BYTES``.
    on_wait : called ten times a second; what it raises ends the child and passes through.
    limit_s : after that many seconds the child is ended.

    Raises
    ------
    MedDLError : E101 when there is no such program.
    TimeoutError : after ``limit_s``.
    """
    process = _start([python, str(_GUARDED), *arguments], environment)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    deadline_s = time.monotonic() + limit_s
    try:
        while (line := _next(lines)) is not None:
            if line:
                on_line(line)
            on_wait()
            if time.monotonic() > deadline_s:
                raise TimeoutError
        return process.wait()
    finally:
        _end(process)
        reader.join(_GRACE_S)


def _start(command: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True, creationflags=NO_CONSOLE,
        )  # fmt: skip
    except OSError as exc:
        raise MedDLError("E101", "Python cannot be started", exc.strerror or "", "choose another one") from exc


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[str | None]) -> None:
    """Put what the child writes into ``lines``; the pipe is closed here, where nothing can read it any more."""
    if process.stdout is not None:
        with process.stdout:
            while line := process.stdout.readline(MAX_LINE_BYTES):
                while lines.qsize() > _MOST_UNHEARD and process.poll() is None:
                    time.sleep(POLL_S / 10)
                if text := line.decode("utf-8", "replace").rstrip():
                    lines.put(text)
    lines.put(None)


def _next(lines: queue.SimpleQueue[str | None]) -> str | None:
    """The next line, empty when there is none yet, None after the last."""
    try:
        return lines.get(timeout=POLL_S)
    except queue.Empty:
        return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child if it lives: by the end of its input, which it watches, and else by force."""
    with suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.kill()
        process.wait()

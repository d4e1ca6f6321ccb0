"""One worker process without Qt: for scripts and batch, which wait for the end."""

from __future__ import annotations

import subprocess
import threading
from io import BufferedReader

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Emit, Event, Failed, Finished

from .launch import Launch
from .stream import EventStream, Tail, failure_of_exit

READ_BYTES = 65536
NO_CONSOLE = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows a console window would open


def run_to_end(launch: Launch, on_event: Emit) -> Event:
    """The Finished, Failed or Cancelled that ended the worker; the other events go to ``on_event``."""
    try:
        process = subprocess.Popen(
            [launch.program, *launch.arguments],
            env=dict(launch.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=NO_CONSOLE,
        )
    except OSError as exc:
        error = MedDLError("E603", "the worker could not be started", type(exc).__name__)
        return Failed("case", error.code, str(error))
    log = Tail()
    reader = threading.Thread(target=_follow_log, args=(process.stderr, log), daemon=True)
    reader.start()
    with process:
        try:
            ending = _follow_events(process.stdout, on_event)
        finally:
            process.stdin.close()  # without input the worker ends, however this block is left
            exit_code = process.wait()
            reader.join()
    return ending or failure_of_exit(exit_code, log.text)


def _follow_events(stdout: BufferedReader, on_event: Emit) -> Event | None:
    stream, ending = EventStream(), None
    while data := stdout.read1(READ_BYTES):
        for event in stream.feed(data):
            if isinstance(event, (Finished, Failed, Cancelled)):
                ending = event
            else:
                on_event(event)
    return ending


def _follow_log(stderr: BufferedReader, log: Tail) -> None:
    while data := stderr.read1(READ_BYTES):
        log.feed(data)

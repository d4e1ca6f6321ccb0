"""The process that does jobs for Slicer and the command line: ``python -m MedDLLogic.jobs.worker FOLDER``.

``FOLDER`` is the exchange folder. Requests come as JSON lines on standard input, replies go to standard output
(``messages``). A reader answers at once whatever the job is up to; one other thread does all jobs and stays, since
cuDNN keeps its plans by thread. The end of standard input ends the process, whatever it does.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, NoReturn

import numpy as np

from .. import __version__
from ..errors import MedDLError
from ..events import Cancelled, Failed
from ..image import Image
from ..inference.warm import MOST_NETWORKS, Networks
from ..job import Job, require_case_id
from ..records import parse_json
from ..result import Result
from .endings import ending_of, error_of, failure
from .exchange import get_image, write_result
from .identity import LIBRARY, library_sha256
from .lines import Lines
from .messages import (
    Cancel,
    Done,
    FromWorker,
    Hello,
    Ping,
    Pong,
    PutImage,
    Release,
    Reply,
    Shutdown,
    Told,
    ToWorker,
    Welcome,
    line_of,
)
from .process_tree import lead_own_group

IDLE_S = 600.0
_FAREWELL_S = 2.0
_READ_BYTES = 1 << 16


def main(arguments: list[str] | None = None) -> None:
    """Serve until the input ends, nothing was asked for a while, or somebody says so; then the process is over."""
    parser = argparse.ArgumentParser(prog="python -m MedDLLogic.jobs.worker")
    parser.add_argument("folder", type=Path, help="exchange folder")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="seconds without a request after which it leaves")
    options = parser.parse_args(arguments)
    lead_own_group()
    requests, replies = _private_pipes()
    worker = Worker(options.folder, Replies(replies), options.idle_s)
    lines = Lines()
    while not worker.is_leaving and (data := os.read(requests, _READ_BYTES)):
        for line in lines.feed(data):
            worker.heed(line)
    worker.leave()


class Replies:
    """Messages to whoever started the worker; any thread may write them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def tell(self, body: Reply, job_id: str = "") -> None:
        """Write one message; where nobody reads any more there is nothing left to do, and the process ends.

        Raises
        ------
        MedDLError : E901 for one that nobody could read, which is not written.
        """
        line = line_of(FromWorker(body, job_id), "E901")
        with self._lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except OSError:
                _end_process(1)


class Worker:
    """What is done about each request.

    Parameters
    ----------
    folder : exchange folder.
    idle_s : how long it waits for the next request before it leaves.
    """

    def __init__(self, folder: Path, replies: Replies, idle_s: float) -> None:
        self._folder, self._replies, self._idle_s = folder, replies, idle_s
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._images: dict[str, Image | None] = {}
        self._networks = Networks(MOST_NETWORKS)
        self._cancelled: set[str] = set()
        self.is_leaving = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def heed(self, line: bytes) -> None:
        """Answer a line, or have the other thread do what it asks for.

        A job that cannot be read fails; what is no request at all is left aside.
        """
        try:
            message = parse_json(ToWorker, line)
        except MedDLError as error:
            _log(error)
            if job_id := _job_id_in(line):
                self._replies.tell(Told(failure("", error)), job_id)
            return
        body, job_id = message.body, message.job_id
        if isinstance(body, Ping):
            self._replies.tell(Pong())
        elif isinstance(body, Hello):
            self._replies.tell(_welcome())
            self._tasks.put(_import_engine)
        elif isinstance(body, Cancel):
            self._cancelled.add(job_id)
        elif isinstance(body, Shutdown):
            self.is_leaving = True
        elif isinstance(body, PutImage):
            self._tasks.put(partial(self._images.setdefault, body.handle))
        elif isinstance(body, Release):
            self._tasks.put(partial(self._release, body.handles))
        else:
            self._tasks.put(partial(self._run, body.job, job_id))

    def leave(self) -> None:
        """Cancel the job in hand and end the process, with or without its consent."""
        self.is_leaving = True
        self._tasks.put(None)
        self._thread.join(_FAREWELL_S)
        _end_process(0)

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None:
                task()
        except BaseException as exc:  # noqa: BLE001 - a worker that can do no jobs any more must not seem alive
            _log(exc)
            _end_process(1)

    def _next(self) -> Callable[[], object] | None:
        try:
            return self._tasks.get(timeout=self._idle_s)
        except Empty:
            _end_process(0)

    def _run(self, job: Job, job_id: str) -> None:
        try:
            reply: Reply = self._done(job, job_id)
        except Exception as exc:  # noqa: BLE001 - the border of the process: whatever it is becomes one line
            _log(exc)
            reply = Told(self._ending(job.case, exc))
        self._cancelled.discard(job_id)
        try:
            self._replies.tell(reply, job_id)
        except MedDLError as error:
            self._replies.tell(Told(failure(job.case, error)), job_id)
        self._networks.rest()

    def _done(self, job: Job, job_id: str) -> Done:
        from .case import carry_out

        require_case_id(job_id)  # a folder gets this name
        images = {ref.handle: self._image(ref.handle) for ref in job.inputs.values() if ref.handle}
        emit = lambda event: self._replies.tell(Told(event), job_id)  # noqa: E731 - as long as its name
        is_cancelled = lambda: self.is_leaving or job_id in self._cancelled  # noqa: E731
        done = carry_out(job, emit, is_cancelled, images, self._networks)
        if isinstance(done, Result):
            write_result(self._folder / job_id, done)
            return Done()
        return Done(done.files, done.versions, done.warnings)

    def _image(self, handle: str) -> Image:
        if handle not in self._images:
            raise MedDLError("E301", "image was not handed over", handle[:12])
        image = self._images[handle] = self._images[handle] or get_image(self._folder, handle)
        return image

    def _release(self, handles: tuple[str, ...]) -> None:
        for handle in handles:
            self._images.pop(handle, None)

    def _ending(self, case: str, exc: Exception) -> Failed | Cancelled:
        """Without memory the models that were kept go, so that the next job has what they took."""
        error = error_of(exc)
        if error.code == "E502" and self._networks.drop():
            hint = "models kept ready were let go: try again, or choose a region"
            return failure(case, MedDLError("E502", error.what, error.why, hint))
        return ending_of(case, error)


def _private_pipes() -> tuple[int, IO[bytes]]:
    """Standard input and output for messages alone: libraries that print get standard error, those that read nothing."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, os.fdopen(replies, "wb")


def _job_id_in(line: bytes) -> str:
    """Whose request to run a line is that cannot be read otherwise; empty where not even that can."""
    try:
        request = json.loads(line)
        is_run, job_id = request["body"]["kind"] == "run", require_case_id(request["job_id"])
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, MedDLError):
        return ""
    return job_id if is_run else ""


def _welcome() -> Welcome:
    versions = {"MedDL": __version__, "Python": platform.python_version(), "numpy": np.__version__}
    with suppress(importlib.metadata.PackageNotFoundError):
        versions["torch"] = importlib.metadata.version("torch")
    return Welcome(os.getpid(), library_sha256(), str(LIBRARY), sys.executable, versions)


def _import_engine() -> None:
    """Have torch ready when the first job comes; what is wrong with it is that job's to tell."""
    with suppress(Exception):
        importlib.import_module("..inference.torch_backend", __package__)


def _log(exc: BaseException) -> None:
    sys.stderr.write("".join(traceback.format_exception(exc)))
    if isinstance(exc, MedDLError) and exc.detail:
        sys.stderr.write(exc.detail + "\n")
    sys.stderr.flush()


def _end_process(status: int) -> NoReturn:
    """End at once: a library in the middle of a computation must not hold up the end."""
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()

"""Jobs through a worker process: the runner that Slicer and the command line use."""

from __future__ import annotations

import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..errors import MedDLError
from ..events import Cancelled, Failed, Finished
from ..image import Image
from ..job import Job
from ..result import Result
from ..scratch import ScratchFolder
from .background import Background
from .endings import failure
from .exchange import drop_images, new_exchange_folder, put_image, sweep_exchange, take_result
from .identity import library_sha256
from .process import Launch, Process, StartProcess
from .process_tree import descends
from .runner import Ending, Listener
from .session import (
    LIMITS,
    Action,
    CloseInput,
    Drop,
    End,
    Kill,
    Leave,
    Limits,
    Session,
    Start,
    Tell,
    Terminate,
    Write,
)

OnLog = Callable[[str], None]
_Deed = Start | Leave | Write | CloseInput | Terminate | Kill | Tell | End


@dataclass
class _Open:
    """A job whose end was not told yet."""

    listener: Listener
    case: str
    has_folder: bool
    is_cancelled: bool = False


class WorkerRunner:
    """A ``Runner`` whose jobs a worker process does.

    The worker starts with the first job and stays for the next ones. Listeners are called within ``tick`` and
    within the calls of the process to its ``Hears``, all in the owner's thread.

    Parameters
    ----------
    start_process : makes the worker's process.
    launch_on : exchange folder -> the command of a worker there; may raise ``MedDLError``.
    base : folder for the exchange folder; strays in it are swept.
    on_log : gets the end of the worker's log for each job that failed, paths and all: not to be shown as it is.
    """

    def __init__(
        self,
        start_process: StartProcess,
        launch_on: Callable[[Path], Launch],
        base: Path,
        *,
        limits: Limits = LIMITS,
        on_log: OnLog = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start_process, self._launch_on, self._base = start_process, launch_on, base
        self._on_log, self._clock = on_log, clock
        self._session = Session(library_sha256, limits, self._is_ours)
        self._background = Background()
        self._open: dict[str, _Open] = {}
        self._actions: deque[_Deed] = deque()
        self._is_acting = False
        self._scratch: ScratchFolder | None = None
        self._ears: _Ears | None = None
        self._process: Process | None = None

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` is needed, every few hundredths of a second."""
        return bool(self._actions) or self._session.is_busy or self._background.is_busy

    def submit(self, job: Job, images: Mapping[str, Image], listener: Listener) -> str:
        """Have a job done; returns its id. Images are hashed and written by another thread."""
        job_id = secrets.token_hex(8)
        is_alone = not self._open
        self._open[job_id] = _Open(listener, job.case, bool(job.output.folder))
        try:
            folder = (
                self._new_folder() if self._scratch is None or (is_alone and self._is_folder_gone) else self._folder
            )
        except MedDLError as error:
            self._plan([End(job_id, failure(job.case, error))])
            return job_id
        self._plan(self._session.submit(job_id, job.case))
        self._background.do(partial(_handed_over, folder, job, dict(images)), partial(self._hand_over, job_id))
        return job_id

    def cancel(self, job_id: str) -> None:
        """Stop a job; its end is told when the worker is idle again, or gone."""
        if job_id in self._open:
            self._open[job_id].is_cancelled = True
            self._plan(self._session.cancel(job_id))

    def tick(self) -> None:
        """Take over what other threads did, and heed the clock."""
        self._background.deliver()
        self._act(self._session.tick(self._clock()))

    def stop_worker(self) -> None:
        """Let the worker go; its job is cancelled, jobs that wait get a new one."""
        self._plan(self._session.stop_worker())

    def close(self) -> None:
        """Drop all jobs without a word and give everything back: processes, folders, memory."""
        self._open.clear()
        self._actions.clear()
        self._plan(self._session.close())
        while self._actions:
            self._do(self._actions.popleft())
        self._ears = self._process = None
        self._background.close()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def heard(self, ears: _Ears, happened: Callable[[Session], list[Action]]) -> None:
        """Something happened to the process with these ears."""
        if ears is self._ears:
            self._act(happened(self._session))

    @property
    def _folder(self) -> Path:
        assert self._scratch is not None  # noqa: S101 - for the type checker: the first job made it
        return self._scratch.path

    @property
    def _is_folder_gone(self) -> bool:
        return not self._folder.is_dir()

    def _new_folder(self) -> Path:
        """A folder for this runner; the worker of one that somebody removed has nothing to read any more."""
        if self._scratch is not None:
            self._scratch.close()
            self.stop_worker()
        self._scratch = new_exchange_folder(self._base)
        self._background.do(library_sha256, _nothing)  # known, and no file read here, when the worker tells its own
        self._background.do(partial(sweep_exchange, self._base), _nothing)
        return self._folder

    def _is_ours(self, pid: int) -> bool:
        return self._process is not None and descends(pid, self._process.pid)

    def _plan(self, actions: list[Action]) -> None:
        """Note what is to be done.

        Images are dropped by the thread that puts them, and in the same order: a job submitted before the
        other actions are done may put the very image anew.
        """
        for action in actions:
            if isinstance(action, Drop):
                self._background.do(partial(drop_images, self._folder, action.handles), _nothing)
            else:
                self._actions.append(action)

    def _act(self, actions: list[Action]) -> None:
        """Do what the session says, in its order also where a listener asks for more in the meantime."""
        self._plan(actions)
        if self._is_acting:
            return
        self._is_acting = True
        try:
            while self._actions:
                self._do(self._actions.popleft())
        finally:
            self._is_acting = False

    def _do(self, action: _Deed) -> None:
        if isinstance(action, Tell):
            if action.job_id in self._open:
                self._open[action.job_id].listener.on_event(action.event)
        elif isinstance(action, End):
            self._end(action)
        elif isinstance(action, Start):
            self._start()
        elif isinstance(action, Leave):
            self._process = self._ears = None
        elif self._process is not None:
            _to_process(self._process, action)

    def _start(self) -> None:
        self._process, self._ears = None, _Ears(self)
        try:
            launch = self._launch_on(self._folder)
            self._process = self._start_process(launch, self._ears)
        except MedDLError as error:
            self._plan(self._session.not_started(error))
            return
        self._process.start()

    def _hand_over(self, job_id: str, job: Job | MedDLError) -> None:
        if isinstance(job, MedDLError):
            self._plan(self._session.refuse(job_id, job))
        else:
            self._plan(self._session.hand_over(job_id, job))
            if job_id in self._open:
                self._open[job_id].listener.on_handed_over()

    def _end(self, end: End) -> None:
        """Tell how a job ended, once its result is read."""
        job = self._open.get(end.job_id)
        if job is None:
            return
        if isinstance(end.event, Failed) and end.log:
            self._on_log(end.log)
        event, done = end.event, end.done
        if isinstance(event, Finished) and done is not None and not job.has_folder:
            take = partial(take_result, self._folder / end.job_id)
            self._background.do(take, partial(self._collected, end.job_id, event))
        elif done is None:
            self._remove_result(end.job_id)
            self._tell_end(end.job_id, Ending(event))
        else:
            self._tell_end(end.job_id, Ending(event, None, done.files, done.versions, done.warnings))

    def _collected(self, job_id: str, event: Finished, result: Result | MedDLError) -> None:
        job = self._open.get(job_id)
        if job is not None and job.is_cancelled:
            self._tell_end(job_id, Ending(Cancelled(job.case)))
        elif isinstance(result, MedDLError):
            self._tell_end(job_id, Ending(failure(event.case, result)))
        else:
            self._tell_end(job_id, Ending(event, result))

    def _tell_end(self, job_id: str, ending: Ending) -> None:
        job = self._open.pop(job_id, None)
        if job is not None:
            job.listener.on_end(ending)

    def _remove_result(self, job_id: str) -> None:
        """What a job left that did not end well; not even half a result stays."""
        if self._scratch is not None:
            self._background.do(partial(shutil.rmtree, self._scratch.path / job_id, ignore_errors=True), _nothing)


class _Ears:
    """Hears one process, and nobody listens any more once another has taken its place."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner

    def received(self, data: bytes) -> None:
        self._runner.heard(self, lambda session: session.received(data))

    def logged(self, data: bytes) -> None:
        self._runner.heard(self, lambda session: session.logged(data))

    def ended(self, exit_code: int) -> None:
        self._runner.heard(self, lambda session: session.ended(exit_code))

    def not_started(self, reason: str) -> None:
        error = MedDLError("E603", "the worker could not be started", reason, "see the environment page")
        self._runner.heard(self, lambda session: session.not_started(error))


def _to_process(process: Process, action: Write | CloseInput | Terminate | Kill) -> None:
    if isinstance(action, Write):
        process.write(action.data)
    elif isinstance(action, CloseInput):
        process.close_input()
    elif isinstance(action, Terminate):
        process.terminate()
    else:
        process.kill(action.pid)


def _handed_over(folder: Path, job: Job, images: Mapping[str, Image]) -> Job:
    """The job with the handles under which its images lie in the folder now."""
    inputs = {
        role: replace(ref, handle=put_image(folder, images[ref.handle])) if ref.handle in images else ref
        for role, ref in job.inputs.items()
    }
    return replace(job, inputs=inputs)


def _nothing(answer: object) -> None:
    """What was done was for its effect; what it could not remove is swept later."""

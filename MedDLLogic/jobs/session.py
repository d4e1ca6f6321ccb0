"""The talk with one worker after another, as a pure state machine: what happened in, what is to be done out.

It starts no process and reads no clock, so each course of things can be played through in a test. Jobs are done
in the order in which they were submitted. A job may be submitted before its images are handed over: the
worker starts in the meantime.

Time counts only while somebody listens: a step of the clock longer than ``Limits.longest_step_s``, as after the
sleep of a computer or behind a blocked main thread, is taken for that long. What the worker said in the
meantime waits to be read, and must not be missed as an answer before it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..errors import MedDLError
from ..events import Cancelled, Event, Failed, Finished, Progress, Started, Warned
from ..job import Job
from ..records import parse_json
from .endings import bounded, error_of_exit, failure
from .ladder import PATIENCE, Ladder, Patience
from .lines import Lines, Tail
from .messages import (
    PROTOCOL,
    Cancel,
    Done,
    FromWorker,
    Hello,
    Ping,
    PutImage,
    Release,
    Request,
    Run,
    Shutdown,
    Told,
    ToWorker,
    Welcome,
    line_of,
)

_MOST_NOISE = 1000
"""Lines one after the other that are no message; a library that prints has the log for that."""

_IMAGE_LOST = ("E301", "E305")


@dataclass(frozen=True)
class Limits:
    """Every deadline of a session, in seconds.

    Parameters
    ----------
    welcome_s : from the start of a worker until it said who it is.
    ping_every_s, answer_s : how often a worker with a job is asked whether it lives, and how long
        it may say nothing at all.
    ending : how a worker is brought to its end.
    longest_step_s : what a longer step of the clock is taken for.
    """

    welcome_s: float = 120.0
    ping_every_s: float = 5.0
    answer_s: float = 60.0
    ending: Patience = PATIENCE
    longest_step_s: float = 1.0


LIMITS = Limits()


@dataclass(frozen=True)
class Start:
    """Start a worker."""


@dataclass(frozen=True)
class Leave:
    """Listen to the worker no longer: not even the system could end it."""


@dataclass(frozen=True)
class Write:
    """Give these bytes to the worker's standard input."""

    data: bytes


@dataclass(frozen=True)
class CloseInput:
    """End the worker's standard input."""


@dataclass(frozen=True)
class Terminate:
    """Ask the system to end the worker."""


@dataclass(frozen=True)
class Kill:
    """Have the system end the worker, and the group that ``pid`` leads where it is not 0."""

    pid: int


@dataclass(frozen=True)
class Tell:
    """Something to tell of a job that goes on."""

    job_id: str
    event: Started | Progress | Warned


@dataclass(frozen=True)
class End:
    """The end of a job, told once; ``done`` is what the worker said of a finished one, ``log`` its last log lines."""

    job_id: str
    event: Finished | Failed | Cancelled
    done: Done | None = None
    log: str = ""


@dataclass(frozen=True)
class Drop:
    """Images handed over that no job needs any more."""

    handles: tuple[str, ...]


Action = Start | Leave | Write | CloseInput | Terminate | Kill | Tell | End | Drop


@dataclass
class _Task:
    """A job that waits or runs. ``job`` is None until its images are handed over."""

    id: str
    case: str
    job: Job | None = None
    is_sent: bool = False
    is_begun: bool = False
    is_cancelled: bool = False
    is_second_try: bool = False


@dataclass
class _Worker:
    """The process of the moment."""

    began_s: float
    heard_s: float = 0.0
    pinged_s: float = 0.0
    pid: int = 0
    is_welcome: bool = False
    is_dismissed: bool = False
    noise: int = 0
    ladder: Ladder | None = None
    images: set[str] = field(default_factory=set)
    lines: Lines = field(default_factory=Lines)
    log: Tail = field(default_factory=Tail)


class Session:
    """The state machine. Every method takes one thing that happened and gives what is to be done, in order.

    Parameters
    ----------
    library_sha256 : gives that of the MedDLLogic which a worker must run; asked when one says who it is.
    is_ours : whether the process of that id is the one that was started, or comes from it; asked for what a
        worker says of itself, since nothing else may be killed.
    """

    def __init__(
        self,
        library_sha256: Callable[[], str],
        limits: Limits = LIMITS,
        is_ours: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        self._library_sha256, self._limits, self._is_ours = library_sha256, limits, is_ours
        self._tasks: list[_Task] = []
        self._worker: _Worker | None = None
        self._handed_over: set[str] = set()
        self._last_used: frozenset[str] = frozenset()
        self._now_s = 0.0
        self._clock_s: float | None = None
        self._actions: list[Action] = []

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` is needed: there are jobs, or a worker that is about to start or to end."""
        worker = self._worker
        return bool(self._tasks) or (worker is not None and (not worker.is_welcome or worker.ladder is not None))

    def submit(self, job_id: str, case: str) -> list[Action]:
        """A new job, the last in the row; its images are on their way."""
        self._tasks.append(_Task(job_id, case))
        return self._advanced()

    def hand_over(self, job_id: str, job: Job) -> list[Action]:
        """The images of a job are in the exchange folder, under the handles that this ``job`` has for them."""
        self._handed_over |= _handles(job)
        task = self._task(job_id)
        if task is not None:
            task.job = job
        self._drop_unused()
        return self._advanced()

    def refuse(self, job_id: str, error: MedDLError) -> list[Action]:
        """The images of a job could not be handed over."""
        task = self._task(job_id)
        if task is not None:
            self._end(task, failure(task.case, error))
        return self._advanced()

    def cancel(self, job_id: str) -> list[Action]:
        """Somebody wants a job to stop; an unknown one is let pass."""
        task = self._task(job_id)
        if task is not None:
            self._cancel(task)
        return self._advanced()

    def stop_worker(self) -> list[Action]:
        """The worker is to go; the job that it has in hand is cancelled, those that wait get a new worker."""
        if self._worker is not None and not self._worker.is_dismissed:
            if self._running is not None:
                self._cancel(self._running)
            self._write(Shutdown())
            self._dismiss(self._worker)
        return self._advanced()

    def close(self) -> list[Action]:
        """The end of the session: the worker goes at once, no job is told of any more."""
        self._tasks.clear()
        worker, self._worker = self._worker, None
        return [] if worker is None else [CloseInput(), Kill(worker.pid)]

    def received(self, data: bytes) -> list[Action]:
        """Bytes of the worker's standard output."""
        if self._worker is not None:
            for line in self._worker.lines.feed(data):
                self._read(self._worker, line)
        return self._advanced()

    def logged(self, data: bytes) -> list[Action]:
        """Bytes of the worker's standard error."""
        if self._worker is not None:
            self._worker.log.feed(data)
        return []

    def ended(self, exit_code: int) -> list[Action]:
        """The worker is gone; negative for the signal that ended it."""
        worker = self._worker
        if worker is not None:
            if exit_code and worker.pid:
                self._actions.append(Kill(worker.pid))  # a launcher may have gone and left the worker itself behind
            self._lose(worker, error_of_exit(exit_code, worker.log.text), is_farewell=exit_code == 0)
        return self._advanced()

    def not_started(self, error: MedDLError) -> list[Action]:
        """No worker could be started."""
        if self._worker is not None:
            self._lose(self._worker, error)
        return self._advanced()

    def tick(self, now_s: float) -> list[Action]:
        """The clock, in seconds that only rise; to be told every few hundredths of a second while ``is_busy``."""
        before_s, self._clock_s = self._clock_s, now_s
        if before_s is not None:
            self._now_s += min(max(0.0, now_s - before_s), self._limits.longest_step_s)
        if self._worker is not None:
            self._watch(self._worker)
        return self._advanced()

    # What the worker says.

    def _read(self, worker: _Worker, line: bytes) -> None:
        if worker.noise >= _MOST_NOISE:
            return  # it was given up: whatever comes now is not worth the time
        message = _message_in(line)
        if message is not None:
            worker.noise = 0
            self._heed(worker, message)
        elif _tells_other_protocol(line):
            self._turn_away(worker)
        else:
            worker.noise += 1
            if worker.noise == _MOST_NOISE:
                self._give_up(worker, "it writes what is no message")

    def _heed(self, worker: _Worker, message: FromWorker) -> None:
        worker.heard_s = self._now_s
        if isinstance(message.body, Welcome):
            self._meet(worker, message.body, message.protocol)
            return
        task = self._running
        if task is None or message.job_id != task.id or message.protocol != PROTOCOL:
            return  # stale
        if isinstance(message.body, Done):
            outputs = {product: file.name for product, file in message.body.files.items()}
            self._end(task, Finished(task.case, outputs), message.body)
        elif isinstance(message.body, Told):
            self._tell(task, message.body.event)

    def _meet(self, worker: _Worker, welcome: Welcome, protocol: int) -> None:
        if not worker.pid and self._is_ours(welcome.pid):
            worker.pid = welcome.pid
        if worker.is_dismissed or worker.is_welcome:
            return
        if protocol == PROTOCOL and welcome.library_sha256 == self._library_sha256():
            worker.is_welcome = True
        else:
            self._turn_away(worker)

    def _turn_away(self, worker: _Worker) -> None:
        if worker.is_dismissed or worker.is_welcome:
            return
        hint = "start the program again; if that does not help, install MedDL again"
        self._fail_first(MedDLError("E609", "", "its code is another", hint))
        self._dismiss(worker)

    def _tell(self, task: _Task, event: Event) -> None:
        task.is_begun = True
        told = replace(bounded(event), case=task.case)  # a worker that could not read a job does not know its case
        if isinstance(told, (Failed, Cancelled)):
            self._end(task, told)
        elif not isinstance(told, Finished):  # the word for that is Done
            self._actions.append(Tell(task.id, told))

    # What the clock says.

    def _watch(self, worker: _Worker) -> None:
        if worker.ladder is not None:
            self._climb(worker, worker.ladder)
        elif not worker.is_welcome:
            if self._now_s - worker.began_s > self._limits.welcome_s:
                self._give_up(worker, "it has not even started")
        elif self._running is not None:
            self._ask(worker)

    def _ask(self, worker: _Worker) -> None:
        if self._now_s - worker.heard_s > self._limits.answer_s:
            self._give_up(worker, "it hangs")
        elif self._now_s - worker.pinged_s >= self._limits.ping_every_s:
            worker.pinged_s = self._now_s
            self._write(Ping())

    def _give_up(self, worker: _Worker, why: str) -> None:
        self._fail_first(MedDLError("E610", "", why, "try again; the log may tell more"))
        self._dismiss(worker)
        worker.ladder = Ladder(self._limits.ending.at_once, self._now_s)
        self._climb(worker, worker.ladder)

    def _climb(self, worker: _Worker, ladder: Ladder) -> None:
        for step in ladder.steps(self._now_s):
            if step == "terminate":
                self._dismiss(worker)
                self._actions.append(Terminate())
            elif step == "kill":
                self._actions.append(Kill(worker.pid))
            else:
                self._lose(worker, MedDLError("E610", "", "even the system cannot end it"))
                self._actions.append(Leave())

    # Jobs.

    @property
    def _running(self) -> _Task | None:
        """The job that the worker has."""
        return self._tasks[0] if self._tasks and self._tasks[0].is_sent else None

    def _task(self, job_id: str) -> _Task | None:
        return next((task for task in self._tasks if task.id == job_id), None)

    def _advanced(self) -> list[Action]:
        """Do what can be done next, and give all that is to be done."""
        if self._tasks and self._worker is None:
            self._worker = _Worker(self._now_s)
            self._actions.append(Start())
            self._write(Hello())
        worker = self._worker
        if worker is not None and worker.is_welcome and not worker.is_dismissed:
            while self._tasks and not self._tasks[0].is_sent and (job := self._tasks[0].job) is not None:
                self._send(worker, self._tasks[0], job)
        actions, self._actions = self._actions, []
        return actions

    def _send(self, worker: _Worker, task: _Task, job: Job) -> None:
        """Have the worker do a job; one that it could not read fails."""
        try:
            line = line_of(ToWorker(Run(job), task.id), "E102")
        except MedDLError as error:
            self._end(task, failure(task.case, error))
            return
        for handle in sorted(_handles(job) - worker.images):
            self._write(PutImage(handle))
        worker.images |= _handles(job)
        worker.heard_s = worker.pinged_s = self._now_s
        task.is_sent = True
        self._actions.append(Write(line))

    def _cancel(self, task: _Task) -> None:
        if not task.is_sent:
            self._end(task, Cancelled(task.case))
        elif not task.is_cancelled:
            task.is_cancelled = True
            self._write(Cancel(), task.id)
            if self._worker is not None and self._worker.ladder is None:
                self._worker.ladder = Ladder(self._limits.ending, self._now_s)

    def _end(self, task: _Task, event: Finished | Failed | Cancelled, done: Done | None = None) -> None:
        """Whoever cancelled a job wants nothing of it, even if it was done just then."""
        told = Cancelled(task.case) if task.is_cancelled else event
        worker = self._worker if self._tasks[0] is task else None  # which was there for this job
        self._tasks.remove(task)
        self._actions.append(End(task.id, told, done if told is event else None, worker.log.text if worker else ""))
        if worker is not None and not worker.is_dismissed:
            worker.ladder, worker.log = None, Tail()
        if task.job is not None:
            is_lost = isinstance(told, Failed) and told.code in _IMAGE_LOST  # the next job must put its images anew
            self._last_used = frozenset() if is_lost else frozenset(_handles(task.job))
        self._drop_unused()

    def _fail_first(self, error: MedDLError) -> None:
        """Let the job fail for which the worker is there."""
        if self._tasks:
            self._end(self._tasks[0], failure(self._tasks[0].case, error))

    def _lose(self, worker: _Worker, error: MedDLError, *, is_farewell: bool = False) -> None:
        """The worker is gone; ``is_farewell`` when it left of its own will, as after an idle time."""
        worker.images.clear()
        task = self._running
        if task is not None and is_farewell and not (task.is_begun or task.is_second_try or task.is_cancelled):
            task.is_sent, task.is_second_try = False, True  # it left just before the job came
        elif task is not None or not (worker.is_welcome or worker.is_dismissed):
            self._fail_first(error)
        self._worker = None

    def _dismiss(self, worker: _Worker) -> None:
        """Let the worker do no further job."""
        if not worker.is_dismissed:
            worker.is_dismissed = True
            self._actions.append(CloseInput())
        if worker.ladder is None:
            worker.ladder = Ladder(self._limits.ending, self._now_s)

    # Images and messages.

    def _drop_unused(self) -> None:
        if any(task.job is None for task in self._tasks):
            return  # what it needs may be among those that nobody needs
        needed = set(self._last_used).union(*(_handles(task.job) for task in self._tasks if task.job is not None))
        unused = self._handed_over - needed
        if not unused:
            return
        self._handed_over -= unused
        if self._worker is not None and unused & self._worker.images:
            self._write(Release(tuple(sorted(unused & self._worker.images))))
            self._worker.images -= unused
        self._actions.append(Drop(tuple(sorted(unused))))

    def _write(self, body: Request, job_id: str = "") -> None:
        self._actions.append(Write(line_of(ToWorker(body, job_id), "E901")))


def _handles(job: Job) -> set[str]:
    return {ref.handle for ref in job.inputs.values() if ref.handle}


def _message_in(line: bytes) -> FromWorker | None:
    """The message, None for anything else that was printed."""
    if not line.startswith(b"{"):
        return None
    try:
        return parse_json(FromWorker, line)
    except MedDLError:
        return None


def _tells_other_protocol(line: bytes) -> bool:
    """Whether this is a message of another MedDL, whatever else it looks like."""
    if not line.startswith(b"{"):
        return False
    try:
        protocol = json.loads(line).get("protocol")
    except (ValueError, RecursionError):
        return False
    return isinstance(protocol, int) and protocol != PROTOCOL

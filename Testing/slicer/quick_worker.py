"""A worker without any network: ``quick_worker.py BEHAVIOR ... FOLDER`` answers with a box, or as badly as it is told.

It speaks the session's protocol and needs numpy alone, so a test of what happens around a worker takes no second. Asked
for the download of a model it downloads nothing, for a while, and says that all is well.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Event, Failed, Finished, Progress, Started, Warned
from MedDLLogic.job import Job
from MedDLLogic.jobs.exchange import get_image, write_result
from MedDLLogic.jobs.identity import library_sha256
from MedDLLogic.jobs.messages import (
    Cancel,
    Done,
    FromWorker,
    Hello,
    Ping,
    Pong,
    Reply,
    Run,
    Shutdown,
    Told,
    ToWorker,
    Welcome,
)
from MedDLLogic.jobs.process_tree import lead_own_group
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.records import parse_json, to_json_text
from MedDLLogic.result import Measurement, Provenance, Result

FEW = LabelTable((Segment("box", "Box", 5, (230, 120, 100)), Segment("rest", "Rest", 9, (90, 190, 255))))
MANY = LabelTable(tuple(Segment(f"part-{n}", f"Part {n}", n, (n, 255 - n, 128)) for n in range(1, 105)))
SLOW_S = 1.5
DOWNLOAD_S = 0.5
NOISE = 'a library prints\n{"kind": "finished"\n{"a": 1}\n\x00\xff\n' + 5000 * "[" + "\n"


class Worker:
    """One conversation; jobs are done in the main thread, what comes in is heard in another."""

    def __init__(self, behavior: str, folder: Path) -> None:
        self.behavior, self.folder = behavior, folder
        self.jobs: SimpleQueue[tuple[str, Job] | None] = SimpleQueue()
        self.is_cancelled = threading.Event()
        self.output = threading.Lock()
        self.job_id, self.case = "", "case"

    def listen(self) -> None:
        for line in sys.stdin.buffer:
            message = parse_json(ToWorker, line)
            if isinstance(message.body, Hello) and self.behavior != "silent":
                self.say(Welcome(os.getpid(), library_sha256()))
            elif isinstance(message.body, Ping) and self.behavior != "mute":
                self.say(Pong())
            elif isinstance(message.body, Run):
                self.is_cancelled.clear()
                self.jobs.put((message.job_id, message.body.job))
            elif isinstance(message.body, Cancel):
                self.is_cancelled.set()
            elif isinstance(message.body, Shutdown):
                break
        self.is_cancelled.set()
        self.jobs.put(None)

    def work(self) -> int:
        if self.behavior == "garbage":
            self.write(NOISE * 50)
        while (task := self.jobs.get()) is not None:
            self.job_id, job = task
            self.case = job.case
            try:
                self.say(self.do(job), self.job_id)
            except MedDLError as error:
                ending = Cancelled(self.case) if error.code == "E602" else Failed(self.case, error.code, str(error))
                self.tell(ending)
        return 0

    def do(self, job: Job) -> Done:
        self.tell(Started(job.case, ("look",)))
        for behave in BEHAVIORS.get(self.behavior, ()):
            behave(self)
        self.tell(Warned(job.case, "E330", "the volume is small"))
        image = get_image(self.folder, next(iter(job.inputs.values())).handle)
        write_result(self.folder / self.job_id, answer(image.geometry, self.behavior, job))
        return Done()

    def tell(self, event: Event) -> None:
        self.say(Told(event), self.job_id)

    def say(self, body: Reply, job_id: str = "") -> None:
        self.write(to_json_text(FromWorker(body, job_id), indent=None) + "\n")

    def write(self, text: str) -> None:
        with self.output:
            sys.stdout.write(text)
            sys.stdout.flush()

    def wait(self) -> None:
        """Say how far it is, then do nothing until it is cancelled."""
        self.tell(Progress(self.case, "look", 0.37, 130.0))
        self.is_cancelled.wait()
        raise MedDLError("E602", "cancelled")

    def slow(self) -> None:
        for step in range(100):
            self.tell(Progress(self.case, "look", step / 100, SLOW_S * (1 - step / 100)))
            if self.is_cancelled.wait(SLOW_S / 100):
                raise MedDLError("E602", "cancelled")

    def hang(self) -> None:
        """Hear nothing any more; the end of the input does not help either."""
        self.tell(Progress(self.case, "look", 0.37, 130.0))
        time.sleep(60)

    def stubborn(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.hang()

    def crash(self) -> None:
        sys.stderr.write("something went wrong inside a library\n")
        sys.stderr.flush()
        os._exit(11)

    def refuse(self) -> None:
        raise MedDLError("E309", "voxels are not finite numbers")

    def chatter(self) -> None:
        self.write(NOISE)


BEHAVIORS: dict[str, tuple[Callable[[Worker], None], ...]] = {
    "wait": (Worker.wait,),
    "slow": (Worker.slow,),
    "hang": (Worker.hang,),
    "mute": (Worker.hang,),
    "stubborn": (Worker.stubborn,),
    "crash": (Worker.crash,),
    "killed": (lambda worker: os.kill(os.getpid(), signal.SIGKILL),),
    "out-of-memory": (lambda worker: os._exit(137),),
    "refuse": (Worker.refuse,),
    "chatter": (Worker.chatter,),
    "many-slow": (Worker.slow,),
}


def answer(geometry, behavior: str, job: Job) -> Result:
    """A box of the first segment; with ``"many"`` a stripe for each of 104."""
    table = MANY if behavior.startswith("many") else FEW
    labels = np.zeros(geometry.shape_kji, np.uint8)
    if table is MANY:
        rows = np.linspace(1, 105, geometry.shape_kji[1], endpoint=False).astype(np.uint8)
        labels[2:-2, :, 4:-4] = rows[None, :, None]
    else:
        labels[2:-2, 3:-3, 4:-4] = 5
    measured = [Measurement(s.id, "volume", 12.25, "ml") for s in table]
    measured += [Measurement(s.id, "mean", 41.5, "a.u.") for s in table]
    card = "../../other" if behavior == "other-card" else job.card.name if job.card else ""
    return Result(geometry, (labels,), table, measurements=tuple(measured), provenance=Provenance(card=card))


def download() -> int:
    """Tell progress, and the end; the end of the input cancels it."""
    is_closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), is_closed.set()), daemon=True).start()
    for step in range(50):
        _print_event(Progress("download", "download", step / 50))
        if is_closed.wait(DOWNLOAD_S / 50):
            _print_event(Cancelled("download"))
            return 6
    _print_event(Finished("download"))
    return 0


def _print_event(event: Event) -> None:
    sys.stdout.write(to_json_text(event, indent=None) + "\n")
    sys.stdout.flush()


def main(behavior: str, folder: Path) -> int:
    lead_own_group()
    worker = Worker(behavior, folder)
    threading.Thread(target=worker.listen, daemon=True).start()
    return worker.work()


if __name__ == "__main__":
    sys.exit(download() if "MedDLLib.fetch" in sys.argv else main(sys.argv[1], Path(sys.argv[-1])))

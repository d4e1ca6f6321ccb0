"""Commands of workers that behave badly, each in one way, and otherwise are the true one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from MedDLLogic.jobs.blocking import launch_here
from MedDLLogic.jobs.process import Launch

WORKER = "import os, sys, threading, time\nimport MedDLLogic.jobs.worker as worker\n"
SERVE = "worker.main(sys.argv[1:])\n"

GOOD = f"{WORKER}{SERVE}"

DEAF = "import time\ntime.sleep(600)\n"
"""Starts and never says a word."""

STRANGER = f"{WORKER}worker.library_sha256 = lambda: 'b' * 64\n{SERVE}"
"""Runs another MedDL."""

HANGS_IN_A_JOB = f"""{WORKER}
def hang(self, job, job_id):
    os.kill(os.getpid(), __import__('signal').SIGSTOP)
worker.Worker._run = hang
{SERVE}"""
"""Stops in the middle of a job, reader and all, as a thread that never lets Python's lock go would."""

DIES_IN_A_JOB = f"""{WORKER}
worker.Worker._run = lambda self, job, job_id: os.kill(os.getpid(), 9)
{SERVE}"""
"""Is killed by the system as soon as it has a job."""

GARBAGE = f"""{WORKER}
real = worker._private_pipes
def noisy():
    requests, replies = real()
    replies.write(b'a library speaks\\n{{"kind": 1}}\\n' + b'x' * 3_000_000 + b'\\n\\xff\\x00{{}}\\n[[[[\\n')
    replies.flush()
    return requests, replies
worker._private_pipes = noisy
{SERVE}"""
"""Writes what is no message before each and every message could come."""


TELLS_READY = f"""{WORKER}
from MedDLLogic.inference.warm import Networks
ready = Networks.ready
def marked(self, *arguments, **options):
    predictor = ready(self, *arguments, **options)
    sys.stderr.write('network ready\\n')
    sys.stderr.flush()
    return predictor
Networks.ready = marked
{SERVE}"""
"""Not bad at all: it writes to its log when a network is about to get its first tile."""


def small_memory(spare_mb: int) -> str:
    """A worker that may take that much memory beyond what it has with torch loaded (Linux)."""
    return f"""{WORKER}
import resource
worker._import_engine()
from MedDLLogic.jobs import case
pages = int(open('/proc/self/statm').read().split()[0])
limit = pages * resource.getpagesize() + ({spare_mb} << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
{SERVE}"""


def launching(code: str) -> Callable[[Path], Launch]:
    """The command of such a worker on an exchange folder."""

    def launch(exchange_folder: Path) -> Launch:
        return Launch(
            sys.executable, ("-P", "-c", code, str(exchange_folder)), launch_here(exchange_folder).environment
        )

    return launch


class First:
    """These, one at each start, and the true one from then on."""

    def __init__(self, *codes: str) -> None:
        self._launches = [launching(code) for code in codes]

    def __call__(self, exchange_folder: Path) -> Launch:
        """The command."""
        return (self._launches.pop(0) if self._launches else launch_here)(exchange_folder)

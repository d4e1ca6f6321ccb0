"""Programs that do the same work in turns: A B C A B C, so that whatever else the machine does hits all alike.

A contender is a child process. It loads what it needs, writes ``ready`` as a JSON line, and then for each line that it
reads does the work once and writes a JSON line with its seconds. At the end of its input it leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError

ONE_LINE_BYTES = 1 << 16
_LAST_WORDS = 2000


@dataclass(frozen=True)
class Contender:
    """A program and what it is called.

    Parameters
    ----------
    name : for people.
    command : program and arguments; the path of a JSON file with the task is added as last one.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """What all do: one network over one volume that is prepared.

    Parameters
    ----------
    voxels : ``.npy`` file, (channel, k, j, i) float32.
    card : the card's JSON file; it has one network.
    foreign : folder of the same network in the layout of the tool that it is from; empty where no contender needs it.
    labels : folder; each contender leaves ``<name>.npy``, uint8 or uint16 (k, j, i), there.
    patch_kji, overlap, placement, blend : the windows and their weights.
    threads : of the processor.
    """

    voxels: str
    card: str
    foreign: str
    labels: str
    patch_kji: tuple[int, int, int]
    overlap: float
    placement: str
    blend: str
    threads: int


@dataclass(frozen=True)
class Figures:
    """What one contender took.

    Parameters
    ----------
    wall_s, cpu_s : of each round.
    peak_bytes : most memory its process held.
    windows : patches of a round.
    dice : for each label, against the first contender's.
    """

    name: str
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_bytes: int
    windows: int
    dice: tuple[float, ...]

    @property
    def median_wall_s(self) -> float:
        """Seconds of the middle round."""
        return median(self.wall_s)

    @property
    def median_cpu_s(self) -> float:
        """Seconds of the processor of the middle round."""
        return median(self.cpu_s)


def contest(
    contenders: Sequence[Contender],
    task: Task,
    *,
    rounds: int,
    on_round: Callable[[float], None] = lambda fraction: None,
) -> tuple[Figures, ...]:
    """What each took, in order; the first one's labels are those the others are compared with.

    Parameters
    ----------
    rounds : how often each does the work, in turns.
    on_round : told the fraction done; what it raises ends all.

    Raises
    ------
    MedDLError : E603 when a contender ends or says something else than it should, with its last words as detail.
    """
    with ExitStack() as stack:
        running = [stack.enter_context(_Running(contender, task)) for contender in contenders]
        total = rounds * len(running)
        for turn in range(total):
            running[turn % len(running)].do()
            on_round((turn + 1) / total)
        for one in running:
            one.leave()
    labels = [np.load(Path(task.labels) / f"{contender.name}.npy") for contender in contenders]
    return tuple(
        Figures(
            one.contender.name,
            tuple(one.wall_s),
            tuple(one.cpu_s),
            one.peak_bytes,
            one.windows,
            dice_of_labels(labels[0], own),
        )
        for one, own in zip(running, labels, strict=True)
    )


def dice_of_labels(first: NDArray[Any], second: NDArray[Any]) -> tuple[float, ...]:
    """Dice of each label above 0 that one of the two has; E332 for volumes of different shapes."""
    if first.shape != second.shape:
        raise MedDLError("E332", "labels of two programs lie on different grids", f"{first.shape}, {second.shape}")
    count = int(max(first.max(), second.max())) + 1
    joint = np.bincount(first.astype(np.int64).ravel() * count + second.ravel(), minlength=count * count)
    table = joint.reshape(count, count)
    both, sizes = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    return tuple(float(2 * both[n] / sizes[n]) for n in range(1, count) if sizes[n])


class _Running:
    def __init__(self, contender: Contender, task: Task) -> None:
        self.contender = contender
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []
        self.peak_bytes = self.windows = 0
        path = Path(task.labels) / f"{contender.name}.json"
        path.write_text(json.dumps({"name": contender.name, **vars(task)}), encoding="utf-8")
        self._log = path.with_suffix(".log").open("w+b")
        self._process = subprocess.Popen(
            [*contender.command, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def do(self) -> None:
        """One round; the first one waits until the program is ready."""
        if not self.wall_s:
            self._answer("ready")
        self._ask("go")
        told = self._answer("wall_s", "cpu_s", "windows")
        self.wall_s.append(float(told["wall_s"]))
        self.cpu_s.append(float(told["cpu_s"]))
        self.windows = int(told["windows"])

    def leave(self) -> None:
        """Its labels are written then, and its memory is known."""
        self._ask("leave")
        self.peak_bytes = int(self._answer("peak_bytes")["peak_bytes"])

    def _ask(self, word: str) -> None:
        if self._process.stdin is None:
            raise MedDLError("E901", "no input to the program")
        try:
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()
        except OSError as exc:
            raise self._gone() from exc

    def _answer(self, *names: str) -> Mapping[str, Any]:
        line = self._process.stdout.readline(ONE_LINE_BYTES) if self._process.stdout is not None else b""
        try:
            told = json.loads(line)
        except ValueError as exc:
            raise self._gone() from exc
        if not isinstance(told, dict) or any(name not in told for name in names):
            raise self._gone()
        return told

    def _gone(self) -> MedDLError:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LAST_WORDS))
        words = self._log.read().decode("utf-8", "replace")
        return MedDLError("E603", f"the program for {self.contender.name} ended", "", "see the log", detail=words)

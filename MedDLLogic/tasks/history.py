"""How long runs took on this machine and how much memory: the last few of each model and way of computing.

One small file in the settings folder, so that the next run can be foretold. It holds no patient data: hashes
of cards, numbers of voxels, seconds and bytes. A file that is damaged counts as none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..disk import disk_errors
from ..errors import MedDLError
from ..io.write import write_text
from ..job import Computing
from ..records import from_json, parse_json, to_json, to_json_text
from ..storage import settings_folder

KEPT_OF_EACH = 5
KEPT_IN_ALL = 100
MAX_BYTES = 1 << 20
LOAD, NETWORK = "load", "network"
"""Parts of stages: loading libraries and weights, and what the network computes."""

WRITE = "write"
"""The stage in which a door that writes files does so; it comes after the job itself."""

_LARGEST = 1e18
"""No number of bytes, voxels or seconds here is larger; JSON's own may have hundreds of digits."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageTimes:
    """One stage of a run.

    Parameters
    ----------
    parts : seconds of ``NETWORK``, which grow with ``work``, of ``LOAD``, near zero where everything was loaded
        before, and of what else there is, which grows with the image; in order.
    work : voxels of all tiles that went through the network.
    kept_kji : for each ``crop_to_mask`` of the recipe, the share of the grid that it kept.
    """

    parts: Mapping[str, float]
    work: int = 0
    kept_kji: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        shares = [share for crop in self.kept_kji for share in crop]
        _require_numbers(self.work, *self.parts.values(), *shares)
        if any(share > 1 for share in shares):
            raise MedDLError("E106", "kept_kji", "shares are 0 to 1")


@dataclass(frozen=True)
class PastRun:
    """One finished run.

    Parameters
    ----------
    computing : as the job asked for it, but for the device, which is the one that computed.
    voxels : of the image's grid, or of its region of interest.
    is_cold : the process ran that model for the first time, so libraries and weights had to be loaded.
    peak_bytes : most memory that the process held, or on a graphics card what lay there; 0 where an
        earlier run of the process had held as much.
    estimated_bytes : what the formula says of it.
    """

    card_sha256: str
    computing: Computing
    voxels: int
    is_cold: bool
    stages: Mapping[str, StageTimes]
    peak_bytes: int = 0
    estimated_bytes: int = 0

    def __post_init__(self) -> None:
        _require_numbers(self.voxels, self.peak_bytes, self.estimated_bytes)


@dataclass(frozen=True)
class History:
    """All that is remembered, oldest first, and the device that ``"auto"`` came to last.

    Runs are JSON values here, made into ``PastRun`` where they are asked for: few ever are, and a panel that
    shows a plan has no time for all.
    """

    runs: tuple[Mapping[str, Any], ...] = ()
    auto_device: str = ""
    schema_version: Literal[1] = 1


def recall(card_sha256: str, computing: Computing) -> tuple[PastRun, ...]:
    """The past runs to foretell one by, oldest first; none where there was none.

    Those computed in the same way, else those of the same precision and backend, else all of the device, of which
    ``"auto"`` is the one that it came to last.
    """
    history = _read()
    actual = {"auto": history.auto_device, "cuda": "cuda:0"}.get(computing.device, computing.device)
    wanted = replace(computing, device=actual)
    of_card = _sound(run for run in history.runs if run.get("card_sha256") == card_sha256)
    alike = tuple(run for run in of_card if run.computing.device == actual)
    similar = tuple(run for run in alike if _engine(run.computing) == _engine(wanted))
    return tuple(run for run in similar if run.computing == wanted) or similar or alike


def remember(run: PastRun, asked_device: str) -> None:
    """Keep a run in mind; a home that cannot be written to costs a line in the log and no more.

    Two processes that do so at once both leave a whole file; one of the two runs may be forgotten.
    """
    history = _read()
    key = (run.card_sha256, to_json(run.computing))
    like = _sound(past for past in history.runs if _key(past) == key)
    others = [past for past in history.runs if _key(past) != key]
    auto_device = run.computing.device if asked_device == "auto" else history.auto_device
    kept = [to_json(past) for past in (*like, run)][-KEPT_OF_EACH:]
    _write(History((*others, *kept)[-KEPT_IN_ALL:], auto_device))


def add_stage(card_sha256: str, computing: Computing, stage: str, times: StageTimes) -> None:
    """Tell of one more stage of the newest run of that model computed in that way."""
    history = _read()
    runs = list(history.runs)
    for position in reversed(range(len(runs))):
        if _key(runs[position]) == (card_sha256, to_json(computing)):
            for run in _sound([runs[position]]):
                runs[position] = to_json(replace(run, stages={**run.stages, stage: times}))
                _write(replace(history, runs=tuple(runs)))
            return


def _key(run: Mapping[str, Any]) -> tuple[Any, Any]:
    """Model, and how it was computed."""
    return run.get("card_sha256"), run.get("computing")


def _engine(computing: Computing) -> tuple[str, str]:
    """What decides on the speed of one patch."""
    return computing.precision, computing.backend


def _sound(runs: Iterable[Mapping[str, Any]]) -> tuple[PastRun, ...]:
    """Those that are what they should be."""
    sound = []
    for run in runs:
        with suppress(MedDLError):
            sound.append(from_json(PastRun, run))
    return tuple(sound)


def _file() -> Path:
    return settings_folder() / "times.json"


def _read() -> History:
    try:
        with _file().open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        return parse_json(History, text) if len(text) <= MAX_BYTES else History()
    except (OSError, MedDLError):  # no file, none that can be read, or a damaged one: the next run begins anew
        return History()


def _write(history: History) -> None:
    try:
        with disk_errors():
            _file().parent.mkdir(parents=True, exist_ok=True)
        write_text(_file(), to_json_text(history, indent=None))
    except MedDLError as exc:
        _say_once(exc.code)


@cache
def _say_once(code: str) -> None:
    """Not at each case of a batch: nothing is lost but a forecast."""
    _log.warning("times of this run are not remembered (%s)", code)


def _require_numbers(*values: float) -> None:
    if not all(0 <= value <= _LARGEST for value in values):
        raise MedDLError("E106", "number", f"0 to {_LARGEST:g} is needed")

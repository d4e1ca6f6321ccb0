"""Builds an environment beside the one in use, tests it, and only then points to it.

Whatever happens on the way, the environment that was in use stays, and what was begun goes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..disk import disk_errors
from ..errors import MedDLError
from ..events import Reporter
from ..io.write import write_text
from ..records import to_json_text
from ..scratch import ScratchFolder, sweep
from ..storage import environments_folder, wheels_folder
from . import folder as places
from .folder import EnvironmentRecord, EnvironmentState, environment_state
from .machine import free_bytes, platform_name
from .pip import PipProgress, Places, fetch_command, install_command, pip_environment, pip_version, run_pip
from .smoke import SmokeResult, smoke_test
from .stack import Stack, fingerprint, python_tag

CASE = "environment"
CHECK, DOWNLOAD, UNPACK, TEST, COMPARE = "check", "download", "install", "test", "compare files"
INSTALL_STAGES: Mapping[str, float] = {CHECK: 1, DOWNLOAD: 60, UNPACK: 30, TEST: 9}
VERIFY_STAGES: Mapping[str, float] = {COMPARE: 1, TEST: 2}
_LOOK_EVERY_S = 1.0
_RENAME_TRIES = 20

Log = Callable[[str], object]


@dataclass(frozen=True)
class Sources:
    """Where packages come from.

    Parameters
    ----------
    index_url : package index instead of the one that pip is set up with; empty for that one.
    torch_index_url : index instead of the build's own; empty for that one.
    wheelhouse : folder of wheels that is used alone, without any index.
    """

    index_url: str = ""
    torch_index_url: str = ""
    wheelhouse: Path | None = None


def needed_bytes(stack: Stack, sources: Sources) -> int:
    """Free space that an installation takes at its peak: pip keeps a download, unpacks it, and caches it."""
    downloads = 0 if sources.wheelhouse else 2 * stack.build.download_bytes
    return stack.build.installed_bytes + downloads


def install(
    stack: Stack,
    reporter: Reporter,
    *,
    sources: Sources | None = None,
    is_repair: bool = False,
    python: str = sys.executable,
    log: Log = lambda line: None,
) -> EnvironmentState:
    """The state after the environment of this stack was installed; at once when it is there and no repair is wanted.

    Parameters
    ----------
    reporter : with ``INSTALL_STAGES``; told of a fallback to the processor as a warning.
    python : the one whose pip is used and that the worker runs.
    log : gets pip's lines and those of the test.

    Raises
    ------
    MedDLError : E104 no pip, E501 disk, E503 folder, E506 packages not to be had, E507 they do not work,
        E601 another installation runs, E602 cancelled. The environment is as it was before, then.
    """
    base, sources = environments_folder(), sources or Sources()
    with places.only_one(base):
        sweep(base, places.PARTIAL_PREFIX)
        state = environment_state(stack_of=lambda name: stack)
        if state.kind == "ready" and state.build == stack.build.name and not is_repair:
            return state
        with reporter.stage(CHECK):
            _require_room(stack, sources, base)
            version = pip_version(python)
        with disk_errors(), ScratchFolder(base, places.PARTIAL_PREFIX) as working:
            made = working / "e"  # short: paths on Windows are
            _fill(made, working, stack, sources, reporter, python=python, version=version, log=log)
            result = _test(made, stack, reporter, python, log)
            _record(made, stack, result)
            _switch(made, places.free_place(base, fingerprint(stack, python_tag(), platform_name())))
    shutil.rmtree(wheels_folder(), ignore_errors=True)  # served its purpose, and is as large as the environment
    return environment_state(stack_of=lambda name: stack)


def verify(stack_of: Callable[[str], Stack], reporter: Reporter, *, log: Log = lambda line: None) -> EnvironmentState:
    """The state after every file was compared with its hash and the test ran again.

    What is found is remembered, so that ``environment_state`` tells it from then on.

    Raises
    ------
    MedDLError : E507 when there is no environment or it is broken, E602 when cancelled.
    """
    state = environment_state(stack_of=stack_of)
    if not state.path:
        raise MedDLError("E507", "no environment", "it is not installed", "install it")
    folder = Path(state.path)
    with disk_errors():
        try:
            with reporter.stage(COMPARE):
                _require_same_files(folder, reporter)
            _test(folder, stack_of(places.read_record(folder).build), reporter, sys.executable, log)
        except MedDLError as exc:
            if exc.code == "E507":
                places.mark_broken(folder, f"{exc.what}: {exc.why}." if exc.why else f"{exc.what}.")
            raise
        places.unmark_broken(folder)
    state = environment_state(stack_of=stack_of)
    if state.kind == "broken":
        raise MedDLError("E507", "environment is broken", state.message, "")
    return state


def _require_room(stack: Stack, sources: Sources, base: Path) -> None:
    needed, free = needed_bytes(stack, sources), free_bytes(base)
    if free < needed:
        why = f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        raise MedDLError("E501", "disk full", why, "free some space, or set MEDDL_HOME to another disk")


def _fill(
    made: Path,
    working: Path,
    stack: Stack,
    sources: Sources,
    reporter: Reporter,
    *,
    python: str,
    version: str,
    log: Log,
) -> None:
    """Let pip put the packages into ``made``."""
    temporary = working / "t"
    temporary.mkdir()
    requirements, constraints = working / "requirements.txt", working / "constraints.txt"
    requirements.write_text("\n".join(stack.requirements) + "\n", encoding="utf-8")
    constraints.write_text("\n".join(stack.constraints) + "\n", encoding="utf-8")
    where = Places(made, wheels_folder(), sources.index_url, sources.wheelhouse)
    commands = [install_command(requirements, constraints, where, version)]
    if sources.wheelhouse is None:
        wheels_folder().mkdir(parents=True, exist_ok=True)
        index_url = sources.torch_index_url or stack.build.index_url or sources.index_url
        commands.insert(0, fetch_command(stack.build.requirement, index_url, wheels_folder(), version))
    is_offline = sources.wheelhouse is not None
    variables = pip_environment(temporary, is_offline=is_offline)
    watch = _Watch(PipProgress(stack.build.download_bytes), working, stack.build.installed_bytes, reporter, log)
    with watch:
        for command in commands:
            run_pip(python, command, variables, is_offline=is_offline, on_line=watch.hear, on_wait=watch.tell)


class _Watch:
    """Tells the reporter how far pip is: by its log while it fetches, by what lies on the disk while it unpacks."""

    def __init__(
        self, progress: PipProgress, working: Path, installed_bytes: int, reporter: Reporter, log: Log
    ) -> None:
        self._progress, self._working, self._installed_bytes = progress, working, max(installed_bytes, 1)
        self._reporter, self._log = reporter, log
        self._stage = reporter.stage(DOWNLOAD)
        self._unpacked, self._looked_s = 0.0, 0.0

    def __enter__(self) -> None:
        self._stage.__enter__()

    def __exit__(self, *exc: object) -> None:
        if exc[0] is None:
            self._stage.__exit__(None, None, None)

    def hear(self, line: str) -> None:
        was_installing = self._progress.is_installing
        if self._progress.hear(line):
            self._log(line)
        if self._progress.is_installing and not was_installing:
            self._stage.__exit__(None, None, None)
            self._stage = self._reporter.stage(UNPACK)
            self._stage.__enter__()

    def tell(self) -> None:
        self._reporter.update(self._unpacked_part() if self._progress.is_installing else self._progress.fraction)

    def _unpacked_part(self) -> float:
        if time.monotonic() - self._looked_s > _LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            self._unpacked = min(0.99, _bytes_in(self._working) / self._installed_bytes)
        return self._unpacked


def _test(folder: Path, stack: Stack, reporter: Reporter, python: str, log: Log) -> SmokeResult:
    with reporter.stage(TEST):
        result = smoke_test(python, folder, stack, on_line=log, on_wait=lambda: reporter.update(0.5))
    if result.warning:
        reporter.warn("E504", result.warning)
    log(f"torch computes on {result.device}")
    return result


def _record(made: Path, stack: Stack, result: SmokeResult) -> None:
    record = EnvironmentRecord(
        build=stack.build.name,
        fingerprint=fingerprint(stack, python_tag(), platform_name()),
        python=python_tag(),
        platform=platform_name(),
        device=result.device,
        versions=result.versions,
        files=places.record_files(made),
    )
    write_text(made / places.RECORD_NAME, to_json_text(record) + "\n")


def _switch(made: Path, place: Path) -> None:
    """Put the new environment in its place, point to it, and remove the others."""
    if hasattr(os, "sync"):  # the pointer must not reach the disk before the packages do
        os.sync()
    for left in reversed(range(_RENAME_TRIES)):
        try:
            made.rename(place)
            break
        except PermissionError:  # Windows: a virus scanner still reads what is new
            if not left:
                raise
            time.sleep(0.5)
    try:
        places.point_to(place)
    except MedDLError:
        if environment_state(base=place.parent).path != str(place):
            place.rename(made)  # nobody would know of it there; here it goes with what was begun
        raise
    places.remove_others(place.parent, keep=place)


def _require_same_files(folder: Path, reporter: Reporter) -> None:
    listed = places.all_listed(folder)
    total, done, wrong = sum(size for size, _ in listed.values()) or 1, 0, set()
    for name, (size, digest) in listed.items():
        if _digest(folder / name, digest.partition("=")[0]) != digest:
            wrong.add(name.split("/")[0])
        done += size
        reporter.update(done / total)
    if wrong:
        why = f"files of {', '.join(sorted(wrong))[:60]} are missing or changed"
        raise MedDLError("E507", "environment is broken", why, "repair it")


def _digest(path: Path, algorithm: str) -> str:
    """The hash as RECORD files write it, empty for a file that is not there."""
    from base64 import urlsafe_b64encode

    try:
        with path.open("rb") as file:
            raw = hashlib.file_digest(file, algorithm).digest()
    except OSError:
        return ""
    return f"{algorithm}={urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def _bytes_in(folder: Path) -> int:
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(top, name).lstat().st_size
            except OSError:  # pip moves its files meanwhile
                continue
    return total

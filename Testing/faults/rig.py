"""Faults for real: kill a command at any moment, fill its disk, take its folder away; then look at what is left."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from MedDLLogic.io.write import PARTIAL_PREFIX
from MedDLLogic.jobs.case_index import INDEX_NAME
from MedDLLogic.jobs.manifest import MANIFEST_NAME, NOT_IDENTITY, read_history

TIME_LIMIT_S = 120.0


def kill_at(argv: Sequence[str], delay_s: float, number: signal.Signals = signal.SIGKILL) -> bool:
    """Start a command, send it and its children a signal after ``delay_s``; False when it had ended before."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    process.wait(TIME_LIMIT_S)
    return process.returncode < 0 or number != signal.SIGKILL


def wait_for_first_case(output: Path) -> None:
    """Wait until a batch into ``output`` has finished its first case; TimeoutError when it never does."""
    deadline_s = time.monotonic() + TIME_LIMIT_S
    while not (output / MANIFEST_NAME).is_file() or '"kind": "done"' not in (output / MANIFEST_NAME).read_text():
        if time.monotonic() > deadline_s:
            raise TimeoutError("no case was finished")
        time.sleep(0.002)


def run_until_done(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output is text."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)


def tree_sha256(folder: Path, *, leave_out_times: bool = False) -> Mapping[str, str]:
    """Relative path -> SHA-256 of every file in a folder tree but the manifest, whose lines hold times."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST_NAME]
    read = _without_times if leave_out_times else Path.read_bytes
    return {str(path.relative_to(folder)): hashlib.sha256(read(path)).hexdigest() for path in files}


def done_by_case(output: Path) -> Mapping[str, Any]:
    """Each case's last ``done`` line, without times, and without the hashes of files that hold times."""
    lines = [json.loads(line) for line in (output / MANIFEST_NAME).read_text().splitlines()]
    done = {line["case"]: line for line in lines if line["kind"] == "done"}
    for line in done.values():
        line["outputs"] = {name: None if name.endswith(".json") else file for name, file in line["outputs"].items()}
    return {case: _drop_times(line) for case, line in done.items()}


def _without_times(path: Path) -> bytes:
    if path.suffix != ".json":
        return path.read_bytes()
    return json.dumps(_drop_times(json.loads(path.read_bytes()))).encode()


def _drop_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_times(item) for key, item in value.items() if key not in NOT_IDENTITY}
    return [_drop_times(item) for item in value] if isinstance(value, list) else value


def unknown_finals(output: Path) -> list[str]:
    """Files under a final name that are not, to the last bit, what the manifest says was made."""
    written = read_history(output).written
    finals = {Path(name): digest for name, digest in tree_sha256(output).items() if name != INDEX_NAME}
    return [
        str(name)
        for name, digest in finals.items()
        if not name.parts[0].startswith(PARTIAL_PREFIX)
        and digest not in written.get(name.parts[0], {}).get(name.name, ())
    ]


def strays(folder: Path) -> list[str]:
    """What writers left behind."""
    return [str(path) for path in folder.rglob(f"{PARTIAL_PREFIX}*")]


class Undisturbed:
    """What a command makes of its inputs when nothing happens, to compare with what it makes when something does.

    Parameters
    ----------
    argv : the command for an output folder; it must skip what is done.
    inputs : folder that it reads.
    output : where it runs once, undisturbed.
    """

    def __init__(self, argv: Callable[[Path], Sequence[str]], inputs: Path, output: Path) -> None:
        self.argv, self.inputs = argv, inputs
        self._input_hashes = tree_sha256(inputs)
        began_s = time.monotonic()
        run = run_until_done(argv(output))
        self.duration_s = time.monotonic() - began_s
        if run.returncode:
            raise RuntimeError(run.stderr)
        self._output_hashes, self._done = tree_sha256(output, leave_out_times=True), done_by_case(output)

    def faults_after(self, output: Path) -> list[str]:
        """What is wrong after a disturbed run into ``output``, and after one more run; nothing is right."""
        wrong = [f"not complete under its final name: {n}" for n in unknown_finals(output)] if output.exists() else []
        again = run_until_done(self.argv(output))
        wrong += [f"the second run ended with {again.returncode}: {again.stderr}"] if again.returncode else []
        wrong += [f"left behind: {name}" for name in strays(output)]
        return wrong + [f"changed: {name}" for name in self._differences(output)]

    def _differences(self, output: Path) -> list[str]:
        compared = {
            "outputs": (tree_sha256(output, leave_out_times=True), self._output_hashes),
            "manifest": (done_by_case(output), self._done),
            "inputs": (tree_sha256(self.inputs), self._input_hashes),
        }
        return [name for name, (now, before) in compared.items() if now != before]


@contextmanager
def small_disk(folder: Path, size_kib: int = 1024) -> Iterator[Path]:
    """A disk of that size at ``folder``; needs the rights to mount."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)], check=True, capture_output=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def make_read_only(disk: Path) -> None:
    """Mount a small disk anew so that nobody, root included, can write to it."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Leave no free block."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


@cache
def can_mount() -> bool:
    """Whether this process may mount a disk."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder)):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False

"""The environment of the worker: installed, broken, offline, wrong, on a full disk, cancelled; with the real pip."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
import venv
from functools import partial
from pathlib import Path

import numpy as np

from MedDLLogic.environment.folder import environment_state
from MedDLLogic.environment.launch import worker_arguments
from MedDLLogic.job import CardRef, InputRef, Job
from MedDLLogic.jobs.blocking import BlockingRunner
from MedDLLogic.jobs.inline import InlineRunner
from MedDLLogic.jobs.process import Launch
from MedDLLogic.jobs.runner import Ending, Listener
from Testing.acceptance.row import Outcome, Row
from Testing.environment import tiny
from Testing.faults import rig
from Testing.small_models import ball, make_unet_card

BOOTSTRAP = Path(__file__).resolve().parents[3] / "MedDLExtension" / "MedDLLib" / "bootstrap.py"


def scenarios(cancels: int) -> Outcome:
    """Six things that happen to an installation of tiny wheels; then that many cancels at random moments."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = tiny.make_wheelhouse(folder / "wheels", extra=_many_files(2000))
        checks = {
            "fresh": partial(_fresh, folder / "fresh", wheels),
            "broken": partial(_broken, folder / "broken", wheels),
            "offline": partial(_offline, folder / "offline", wheels),
            "wrong torch": partial(_wrong_torch, folder / "wrong", wheels),
            "full disk": partial(_full_disk, folder / "full"),
            "cancel": partial(_cancels, folder / "cancel", wheels, cancels),
        }
        results = {name: check() for name, check in checks.items()}
    bad = [name for name, fine in results.items() if not fine]
    figure = f"{len(results) - len(bad)} of {len(results)} end usable or as it was, {cancels} cancels"
    return Outcome(f"{figure}; not so: {', '.join(bad)}" if bad else figure, passed=not bad)


def _fresh(folder: Path, wheels: Path) -> bool:
    stack = tiny.tiny_stack(index_url=tiny.make_index(wheels, folder / "index"))
    told = tiny.run(folder / "home", "install", "--index-url", stack.build.index_url, stack=stack)
    return told.status == 0 and tiny.state_in(folder / "home", stack).kind == "ready"


def _offline(folder: Path, wheels: Path) -> bool:
    (folder / "half").mkdir(parents=True)
    torch = next(wheels.glob("torch*"))
    (folder / "half" / torch.name).write_bytes(torch.read_bytes())
    incomplete = _install(folder / "home", folder / "half")
    names_it = incomplete.status == 5 and "helping" in getattr(incomplete.end, "message", "")
    was_left = tiny.environments(folder / "home") == []
    return names_it and was_left and _install(folder / "home", wheels).status == 0 and _is_ready(folder / "home")


def _broken(folder: Path, wheels: Path) -> bool:
    _install(folder, wheels)
    Path(tiny.state_in(folder).path, "torch", "__init__.py").unlink()
    is_seen = tiny.state_in(folder).kind == "broken"
    repaired = tiny.run(folder, "repair", "--wheelhouse", str(wheels), stack=tiny.tiny_stack())
    return is_seen and repaired.status == 0 and _is_ready(folder) and len(tiny.environments(folder)) == 1


def _wrong_torch(folder: Path, wheels: Path) -> bool:
    _install(folder / "home", wheels)
    before = tiny.tree(folder / "home")
    wrong = tiny.make_wheelhouse(folder / "wheels", torch="raise ImportError('no kernel image')")
    told = tiny.run(folder / "home", "repair", "--wheelhouse", str(wrong), stack=tiny.tiny_stack())
    is_told = getattr(told.end, "code", "") == "E507"
    return is_told and tiny.tree(folder / "home") == before and _is_ready(folder / "home")


def _full_disk(folder: Path) -> bool:
    large = tiny.make_wheelhouse(folder / "wheels", extra={"helping/large.bin": os.urandom(6_000_000)})
    stack = tiny.tiny_stack(installed_bytes=1)
    fine = []
    for size_kib in (300, 2000, 5000):
        with rig.small_disk(folder / "disk", size_kib) as disk:
            told = tiny.run(disk / "home", "install", "--wheelhouse", str(large), stack=stack)
            is_told = getattr(told.end, "code", "") == "E501"
            fine.append(is_told and tiny.environments(disk / "home") == [] and not _is_ready(disk / "home"))
    return all(fine)


def _cancels(folder: Path, wheels: Path, count: int) -> bool:
    """Cancel, or kill, a repair at random moments: the old environment works, and the next repair too."""
    _install(folder, wheels)
    began_s = time.monotonic()
    tiny.run(folder, "repair", "--wheelhouse", str(wheels), stack=tiny.tiny_stack())
    whole_s = time.monotonic() - began_s
    fine = []
    for number in range(count):
        before = tiny.tree(_in_use(folder))
        _stop_after(random.Random(number).uniform(0.1, whole_s), folder, wheels, is_kill=number % 2 == 1)
        fine.append(_is_ready(folder) and tiny.tree(_in_use(folder)) == before)
    last = tiny.run(folder, "repair", "--wheelhouse", str(wheels), stack=tiny.tiny_stack())
    return all(fine) and last.status == 0 and _is_ready(folder) and len(tiny.environments(folder)) == 1


def _stop_after(seconds: float, home: Path, wheels: Path, *, is_kill: bool) -> None:
    argv, variables = tiny.command(home, "repair", "--wheelhouse", str(wheels), stack=tiny.tiny_stack())
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, env=variables, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as child:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL) if is_kill else child.communicate(b"cancel\n")


def _many_files(count: int) -> dict[str, str | bytes]:
    return {f"helping/part{number}.py": f"value = {number}\n" for number in range(count)}


def _install(home: Path, wheels: Path) -> tiny.Told:
    return tiny.run(home, "install", "--wheelhouse", str(wheels), stack=tiny.tiny_stack())


def _is_ready(home: Path) -> bool:
    return tiny.state_in(home).kind == "ready"


def _in_use(home: Path) -> Path:
    return Path(tiny.state_in(home).path)


def real_stack(cancels: int) -> Outcome:
    """The scenarios; then PyTorch and all else for the processor, installed for a bare Python whose worker does a job."""
    tiny_outcome = scenarios(cancels)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = _bare_python(folder / "bare")
        home = folder / "home"
        began_s = time.monotonic()
        told = _run_bare(python, home, "install", "--build", "cpu")
        installed_s = time.monotonic() - began_s
        state = environment_state(base=home / "data" / "environments", python=_tag(python))
        if state.kind != "ready":
            return Outcome(f"{tiny_outcome.figure}; no real stack: {told[-300:]}", passed=False)
        size = sum(path.lstat().st_size for path in Path(state.path).rglob("*"))
        job_s, is_same = _job(python, home, Path(state.path), folder)
        verified = _run_bare(python, home, "verify")
    figure = (
        f"{tiny_outcome.figure}; torch {state.versions['torch']} and {len(state.versions) - 1} more in {installed_s:.0f} s "
        f"and {size / 1e9:.2f} GB, first job there {job_s:.1f} s, {'same' if is_same else 'other'} labels"
    )
    is_sound = '"kind": "finished"' in verified
    return Outcome(figure, passed=tiny_outcome.passed and is_same and is_sound and state.device == "cpu")


def _bare_python(folder: Path) -> str:
    """A Python with pip and nothing else."""
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _tag(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def _variables(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"MEDDL_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def _run_bare(python: str, home: Path, *arguments: str) -> str:
    """Events and log of a command that starts as Slicer starts it."""
    command = [python, str(BOOTSTRAP), "MedDLLogic.environment", *arguments]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=_variables(home), text=True, **streams) as child:  # type: ignore[call-overload]
        text: str = child.stdout.read()
    return text


def _job(python: str, home: Path, environment: Path, folder: Path) -> tuple[float, bool]:
    """Seconds of a job of the worker in that environment, and whether its labels are those of this process."""
    card = make_unet_card(folder)
    job = Job("segment", {role: InputRef(handle="ball") for role in ("first", "second")}, card=CardRef(str(card)))
    images = {"ball": ball()[0]}

    def launch(exchange: Path) -> Launch:
        arguments = (str(BOOTSTRAP), *worker_arguments(environment), "MedDLLogic.jobs.worker", str(exchange))
        return Launch(python, arguments, _variables(home))

    (folder / "exchange").mkdir()
    began_s = time.monotonic()
    with BlockingRunner(launch, folder / "exchange") as runner:
        there = runner.run(job, images).result
    seconds = time.monotonic() - began_s
    endings: list[Ending] = []
    inline = InlineRunner()
    inline.submit(job, images, Listener(lambda event: None, endings.append))
    inline.tick()
    here = endings[0].result
    if there is None or here is None:
        return seconds, False
    pairs = zip(there.layers, here.layers, strict=True)
    return seconds, all(np.array_equal(one, other) for one, other in pairs)


ROWS = (
    Row(
        "environment",
        "fresh install, broken install and repair, offline wheelhouse, wrong torch, full disk, cancel in the middle",
        "each ends usable or as it was; with the real stack a job of the worker gives the same labels",
        run_small=partial(scenarios, 4),
        run_full=partial(real_stack, 40),
    ),
)

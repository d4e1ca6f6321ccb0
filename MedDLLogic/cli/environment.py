"""``meddl environment``: the packages of the worker in Slicer; checked, installed, tested, repaired and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..environment.builds import choose_build
from ..environment.folder import EnvironmentState, environment_state, remove_environment
from ..environment.install import CASE, INSTALL_STAGES, VERIFY_STAGES, Sources, install, verify
from ..environment.machine import read_machine
from ..environment.other_python import probe_python
from ..environment.preflight import check_machine
from ..environment.report import report_text
from ..environment.stack import standard_stack
from ..errors import MedDLError
from ..events import Reporter
from ..io.write import write_text
from ..jobs.signals import cancelled_by_signals
from ..records import to_json
from .models import confirm
from .terminal import Terminal, size_text


def run_check(terminal: Terminal, build: str, sources: Sources) -> int:
    """Show the lights, what would be installed and what is; exit status 5 when a light is red."""
    report = check_machine(build_name=build, sources=sources)
    rows = [[check.light, check.id, check.text, check.hint] for check in report.checks]
    terminal.table("", ["", "what", "found", "what to do"], rows)
    terminal.say(f"Environment: {report.state.kind}. {report.state.message}")
    terminal.data(to_json(report) | {"is_go": report.is_go})
    return 0 if report.is_go else MedDLError("E507", "").exit_status


def run_install(terminal: Terminal, build: str, sources: Sources, *, is_repair: bool, is_confirmed: bool) -> None:
    """Install the environment, or build it anew, after a yes; the build stays where a repair names none."""
    name = build or (environment_state().build if is_repair else "")
    choice = choose_build(read_machine(), name)
    terminal.say(f"torch {choice.build.name}, {choice.build.title}. {choice.reason}")
    sizes = f"{size_text(choice.build.download_bytes)} to fetch, {size_text(choice.build.installed_bytes)} on the disk"
    confirm(terminal, f"Install it ({sizes})?", is_confirmed=is_confirmed)
    stack = standard_stack(choice.build.name)
    _watch(terminal, INSTALL_STAGES, lambda reporter: install(stack, reporter, sources=sources, is_repair=is_repair))


def run_verify(terminal: Terminal) -> None:
    """Compare every file of the environment with its hash, and compute with it."""
    _watch(terminal, VERIFY_STAGES, lambda reporter: verify(standard_stack, reporter))


def run_remove(terminal: Terminal, *, is_confirmed: bool) -> None:
    """Remove the environment after a yes."""
    confirm(terminal, "Remove the environment?", is_confirmed=is_confirmed)
    freed = remove_environment()
    terminal.say(f"{size_text(freed)} removed.")
    terminal.data({"removed_bytes": freed})


def run_python(terminal: Terminal, program: str) -> int:
    """Show what another Python is and has; exit status 5 when it cannot be the worker."""
    found = probe_python(program)
    terminal.say(found.message)
    terminal.table("", ["package", "version"], [[name, version] for name, version in found.versions.items()])
    terminal.data(to_json(found))
    return 0 if found.is_usable else MedDLError("E507", "").exit_status


def run_report(terminal: Terminal, file: Path, worker_log: Path | None) -> None:
    """Write the bug report."""
    text = report_text(read_machine(), environment_state(), worker_log=_lines(worker_log))
    write_text(file, text)
    terminal.say(f"Written: {file}. Please read it before you send it.")
    terminal.data({"written": file.name})


def _watch(terminal: Terminal, stages: Mapping[str, float], do: Callable[[Reporter], EnvironmentState]) -> None:
    with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
        state = do(Reporter(CASE, emit, is_cancelled, stages))
    terminal.table("", ["package", "version"], [[name, version] for name, version in state.versions.items()])
    terminal.say(state.message)
    terminal.data(to_json(state))


def _lines(file: Path | None) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file is not None else []

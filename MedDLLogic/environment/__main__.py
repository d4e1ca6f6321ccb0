"""``python -m MedDLLogic.environment COMMAND``: what Slicer starts as a child; the package's own words list the commands.

Events go to standard output, one JSON line each, the log to standard error. The word ``cancel`` on standard input, its
end, or a signal cancels.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..errors import MedDLError
from ..events import Event, Finished, Reporter, Started
from ..io.write import write_text
from ..jobs.endings import ending_of, error_of
from ..jobs.process_tree import lead_own_group
from ..jobs.signals import cancelled_by_signals
from ..records import parse_json, to_json_text
from .builds import choose_build
from .folder import environment_state, remove_environment
from .install import CASE, INSTALL_STAGES, VERIFY_STAGES, Sources, install, verify
from .machine import read_machine
from .other_python import probe_python
from .preflight import check_machine, read_check_report
from .report import report_text
from .stack import Stack, standard_stack

CANCEL = b"cancel"
_ONE_STAGE: Mapping[str, float] = {"look": 1.0}


@dataclass(frozen=True)
class _Command:
    """What a command does, and the stages that it goes through."""

    do: Callable[[argparse.Namespace, Reporter], object]
    stages: Mapping[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Exit status of the child; everything it has to say went out as events."""
    lead_own_group()
    events = _private_stdout()
    options = _parse(arguments)
    command = _COMMANDS[options.command]
    is_closed = threading.Event()
    threading.Thread(target=_listen, args=(is_closed,), daemon=True).start()
    with cancelled_by_signals() as is_signalled:

        def tell(event: Event) -> None:
            events.write(to_json_text(event, indent=None) + "\n")
            events.flush()

        tell(Started(CASE, tuple(command.stages)))
        reporter = Reporter(CASE, tell, lambda: is_closed.is_set() or is_signalled(), command.stages)
        try:
            command.do(options, reporter)
        except Exception as exc:  # noqa: BLE001 - the border of the process: whatever it is becomes one line
            _log_failure(exc)
            tell(ending_of(CASE, exc))
            return error_of(exc).exit_status
        tell(Finished(CASE))
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m MedDLLogic.environment", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    of = {name: commands.add_parser(name) for name in _COMMANDS}
    for name in ("check", "report", "python"):
        of[name].add_argument("file", type=Path, help="where the answer is written")
    for name in ("check", "install", "repair"):
        of[name].add_argument("--build", default="", help="torch build; without it the one that fits best")
        of[name].add_argument("--wheelhouse", type=Path, help="folder of wheels, used alone")
        of[name].add_argument("--index-url", default="", help="package index instead of pip's own")
        of[name].add_argument("--torch-index-url", default="", help="index instead of that of the torch build")
    for name in ("check", "report"):
        of[name].add_argument("--slicer", default="", help="version of Slicer")
    for name in ("install", "repair", "verify"):
        of[name].add_argument("--stack", type=Path, help="JSON file with other packages than MedDL's own")
    of["python"].add_argument("program", help="the other Python")
    for name in ("checks", "worker-log", "install-log", "settings"):
        of["report"].add_argument(f"--{name}", type=Path)
    return parser.parse_args(arguments)


def _check(options: argparse.Namespace, reporter: Reporter) -> None:
    with reporter.stage("look"):
        report = check_machine(slicer_version=options.slicer, build_name=options.build, sources=_sources(options))
        _answer(options.file, report)


def _install(options: argparse.Namespace, reporter: Reporter) -> None:
    build = options.build or (environment_state().build if options.command == "repair" else "")
    install(
        _stack(options, build), reporter, sources=_sources(options), is_repair=options.command == "repair", log=_log
    )


def _verify(options: argparse.Namespace, reporter: Reporter) -> None:
    verify(lambda build: _stack(options, build), reporter, log=_log)


def _remove(_options: argparse.Namespace, reporter: Reporter) -> None:
    with reporter.stage("look"):
        remove_environment()


def _python(options: argparse.Namespace, reporter: Reporter) -> None:
    with reporter.stage("look"):
        _answer(options.file, probe_python(options.program))


def _report(options: argparse.Namespace, reporter: Reporter) -> None:
    with reporter.stage("look"):
        checked = read_check_report(options.checks) if options.checks else None
        given: dict[str, Any] = json.loads(options.settings.read_text("utf-8")) if options.settings else {}
        text = report_text(
            checked.machine if checked else read_machine(),
            environment_state(),
            checks=checked.checks if checked else (),
            slicer_version=options.slicer,
            settings=given.get("settings", {}),
            error_codes=given.get("error_codes", ()),
            private=given.get("private", ()),
            worker_log=_lines(options.worker_log),
            install_log=_lines(options.install_log),
        )
        write_text(options.file, text)


_COMMANDS = {
    "check": _Command(_check, _ONE_STAGE),
    "install": _Command(_install, INSTALL_STAGES),
    "repair": _Command(_install, INSTALL_STAGES),
    "verify": _Command(_verify, VERIFY_STAGES),
    "remove": _Command(_remove, _ONE_STAGE),
    "python": _Command(_python, _ONE_STAGE),
    "report": _Command(_report, _ONE_STAGE),
}


def _sources(options: argparse.Namespace) -> Sources:
    return Sources(options.index_url, options.torch_index_url, options.wheelhouse)


def _stack(options: argparse.Namespace, build: str) -> Stack:
    if options.stack is not None:
        return parse_json(Stack, options.stack.read_bytes())
    return standard_stack(choose_build(read_machine(), build).build.name)


def _answer(file: Path, record: object) -> None:
    write_text(file, to_json_text(record) + "\n")


def _lines(file: Path | None) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file is not None else []


def _private_stdout() -> TextIO:
    """Standard output for the events alone: libraries that print there get standard error instead."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "w", encoding="utf-8", newline="\n")


def _listen(is_closed: threading.Event) -> None:
    heard = b""
    while CANCEL not in heard.split() and (
        data := os.read(0, 4096)
    ):  # not sys.stdin, which could not be left at the end
        heard += data
    is_closed.set()


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _log_failure(exc: Exception) -> None:
    _log("".join(traceback.format_exception(exc)))
    if isinstance(exc, MedDLError) and exc.detail:
        _log(exc.detail)


if __name__ == "__main__":
    sys.exit(main())

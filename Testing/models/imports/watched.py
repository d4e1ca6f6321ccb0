"""Run as a program, ``python -m Testing.models.imports.watched LIST``: adds models under Python's audit hook.

LIST is a JSON file of ``{"name", "arguments", "is_watched", "is_unsafe"}``. What is told to standard output is one JSON object a model: exit
status, what was said, and each event that would mean that a file's content ran, another program or socket was opened,
or something was written outside MEDDL_HOME.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import pickle
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Any

import typer

from MedDLLogic.models.imports.safe_expressions import NAME as SYNTAX_TREE

_ALWAYS = (
    "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen",
    "socket.", "pickle.find_class", "ctypes.dlopen", "webbrowser.open", "shutil.", "urllib.Request",
)  # fmt: skip
_OURS = str(Path(__file__).parents[3])
_INSTALLED = tuple({*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, _OURS, *map(str, sys.path)} - {""})


class Watch:
    """Collects the events of the time in which ``is_on``."""

    def __init__(self) -> None:
        self.is_on = False
        self.events: list[str] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        self.is_on = False  # what is looked up here is no event of the model's
        if _is_forbidden(event, arguments):
            self.events.append(f"{event} {str(arguments)[:80]}")
        self.is_on = True


def _is_forbidden(event: str, arguments: tuple[Any, ...]) -> bool:
    if event.startswith(_ALWAYS):
        return not (event == "shutil.rmtree" and _is_inside(arguments[0]))
    if event == "exec":
        return not _is_installed(arguments[0])
    if event == "compile":  # of an expression to a syntax tree, which is read; to run it would be an "exec"
        return not str(arguments[1]).startswith((SYNTAX_TREE, *_INSTALLED))
    if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"):
        return not all(_is_inside(path) for path in arguments[:2] if isinstance(path, (str, bytes, os.PathLike)))
    return event == "open" and _writes(arguments) and not _is_inside(arguments[0])


def _is_installed(code: Any) -> bool:
    """Code of an installed package or of Python itself, such as of a module that is imported at its first use."""
    return isinstance(code, CodeType) and code.co_filename.startswith(("<frozen", *_INSTALLED))


def _writes(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    is_written = isinstance(mode, str) and any(sign in mode for sign in "wax+")
    return is_written or bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _is_inside(path: Any) -> bool:
    """In MEDDL_HOME, an open file, or nowhere at all."""
    if isinstance(path, int) or str(path) == os.devnull:
        return True
    return Path(os.fsdecode(path)).absolute().is_relative_to(os.environ["MEDDL_HOME"])


def _unsafe(path: str) -> dict[str, Any]:
    """What a careless tool does, so that it is known that the hook sees it."""
    with Path(path).open("rb") as file:
        pickle.load(file)
    return {"status": 0, "said": ""}


def _add(arguments: list[str]) -> dict[str, Any]:
    from MedDLLogic.cli import run

    said, out = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
        status = run(["models", "add", *arguments])
    return {"status": status, "said": said.getvalue()}


def main(path: str) -> None:
    """As the module says. The first of the list make every reader be imported, before the hook looks."""
    # Typer works out the annotations of MedDL's own functions by eval, at each call anew.
    typer.main.get_command = functools.cache(typer.main.get_command)
    todo = json.loads(Path(path).read_text(encoding="utf-8"))
    watch = Watch()
    sys.addaudithook(watch.hook)
    for entry in todo:
        watch.events = []
        watch.is_on = entry["is_watched"]
        answer = _unsafe(entry["arguments"][0]) if entry["is_unsafe"] else _add(entry["arguments"])
        watch.is_on = False
        sys.stdout.write(json.dumps({"name": entry["name"], "events": watch.events, **answer}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

"""Any other Python as worker: what it is, and whether it has what the worker needs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import MedDLError
from .smoke import Answer, ask_python
from .stack import WORKER_MODULES, standard_requirements
from .versions import at_least, version_numbers

SUPPORTED_PYTHONS = ((3, 11), (3, 12))
LIMIT_S = 180.0
_SEARCHED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class OtherPython:
    """What another Python answered.

    Parameters
    ----------
    is_usable : whether it can be the worker.
    message : one sentence for people, with what is missing.
    device : the one torch computes on there, the best that works; empty when none does.
    """

    is_usable: bool
    message: str
    python: str = ""
    architecture: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    device: str = ""


def probe_python(
    program: str, *, environment: Mapping[str, str] | None = None, limit_s: float = LIMIT_S
) -> OtherPython:
    """What that Python is and has, asked in a child that ends after ``limit_s``.

    It may take a minute when torch is imported for the first time, so no window should wait for it.

    Parameters
    ----------
    program : path or name of the interpreter.
    environment : all of the child's environment; this process's without Slicer's own paths when None.
    """
    try:
        clean = dict(environment) if environment is not None else without_slicer(os.environ)
        answer = ask_python(program, WORKER_MODULES, "auto", environment=clean, limit_s=limit_s)
    except MedDLError:
        return OtherPython(is_usable=False, message="It cannot be started.")
    if answer is None:
        return OtherPython(is_usable=False, message="It is no Python, or its packages crash.")
    return _judge(answer)


def without_slicer(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which a Python that is not Slicer's finds its own libraries: Slicer's paths are gone."""
    home = environment.get("SLICER_HOME", "")
    clean = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    if home:
        for name in set(_SEARCHED) & set(clean):
            parts = [part for part in clean[name].split(os.pathsep) if part and not part.startswith(home)]
            clean[name] = os.pathsep.join(parts)
    return clean


def _judge(answer: Answer) -> OtherPython:
    missing = (*answer.missing, *_too_old(answer.versions))
    problem = _problem(answer, missing)
    return OtherPython(
        is_usable=not problem,
        message=problem or f"Python {answer.python}, torch {answer.versions['torch']} on {answer.device}.",
        python=answer.python,
        architecture=answer.machine,
        versions=answer.versions,
        missing=missing,
        device=answer.device,
    )


def _problem(answer: Answer, missing: tuple[str, ...]) -> str:
    if version_numbers(answer.python)[:2] not in SUPPORTED_PYTHONS:
        return f"It is Python {answer.python}; MedDL needs 3.11 or 3.12."
    if missing:
        return f"It lacks {', '.join(missing)}. Install them there: pip install {' '.join(_lines_of(missing))}"
    return "" if answer.device else "torch does not compute there."


def _too_old(versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        name for name, wanted in _minima().items() if name in versions and not at_least(versions[name], wanted)
    )


def _lines_of(packages: tuple[str, ...]) -> list[str]:
    minima = _minima()
    return [f'"{name}>={minima[name]}"' for name in packages if name in minima]


def _minima() -> dict[str, str]:
    """Package -> oldest version, of what the worker needs."""
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)", line) for line in standard_requirements()]
    return {match.group(1): match.group(2) for match in found if match}

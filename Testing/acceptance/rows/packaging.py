"""Light to import, at home in Slicer's Python, installable everywhere."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from Testing.acceptance.row import Outcome, Row

IMPORT_LIMIT_S = 0.2


def _import_time(runs: int) -> Outcome:
    from Testing.packaging.light_import import import_once

    imports = [import_once() for _ in range(runs)]
    seconds = statistics.median(one.seconds for one in imports)
    heavy = sorted({name for one in imports for name in one.heavy})
    figure = f"{seconds:.3f} s (median of {runs}), heavy modules: {', '.join(heavy) or 'none'}"
    return Outcome(figure, passed=seconds < IMPORT_LIMIT_S and not heavy)


def _slim_environment(*pythons: str, with_tests: bool = True) -> Outcome:
    from Testing.packaging import slim

    found = {python: slim.find_python(python) for python in pythons}
    missing = [python for python, path in found.items() if path is None]
    figures = [
        f"{python}: {_in_slim_environment(path, with_tests=with_tests)}"
        for python, path in found.items()
        if path is not None
    ]
    return Outcome("; ".join(figures + [f"{python}: not on this machine" for python in missing]), passed=not missing)


def _in_slim_environment(python: str, *, with_tests: bool) -> str:
    """Pytest's closing line; SlimEnvironmentError when a module does not import or a test fails."""
    from Testing.packaging import slim

    with tempfile.TemporaryDirectory() as folder:
        inside = slim.build(python, Path(folder, "env"))
        slim.import_all(inside)
        tests = slim.run_tests(inside) if with_tests else "tests left to the suite"
        return f"{len(slim.slicer_side_modules())} modules import, {tests}"


def _constraints(*pythons: str, platforms: int | None = None) -> Outcome:
    from Testing.packaging import resolver

    targets = [(platform, python) for platform in list(resolver.PLATFORMS)[:platforms] for python in pythons]
    faults = [fault for platform, python in targets for fault in _faults_of_pins(platform, python)]
    return Outcome(f"{len(targets)} targets resolve, faults: {'; '.join(faults) or 'none'}", passed=not faults)


def _faults_of_pins(platform, python: str) -> list[str]:
    from Testing.packaging import resolver

    installed = resolver.resolve(platform, python, resolver.requirements("test"))
    pins = resolver.pins(platform, python)
    loose = [name for name, version in installed.items() if pins.get(name) != version]
    unused = resolver.unused_pins(platform, python, installed)
    where = f"{platform.name} {python}"
    return [f"{where}: {name} not pinned" for name in loose] + [f"{where}: {name} not used" for name in sorted(unused)]


ROWS = (
    Row(
        name="import-time",
        what="import MedDLLogic in a fresh interpreter",
        target=f"< {IMPORT_LIMIT_S} s, no torch, monai, SimpleITK, vtk",
        run_small=lambda: _import_time(5),
        run_full=lambda: _import_time(25),
        is_timed=True,
    ),
    Row(
        name="slim-environment",
        what="Slicer-side modules with numpy and slicer-core only",
        target="all import, their tests pass, on Python 3.11 and 3.12",
        run_small=lambda: _slim_environment("3.11", with_tests=False),
        run_full=lambda: _slim_environment("3.11", "3.12"),
        is_in_suite=True,
    ),
    Row(
        name="constraints",
        what="constraints.txt by pip's own dry run, wheels only",
        target="resolves for 3.11 and 3.12 on Linux, Windows, macOS; every package pinned, every pin used",
        run_small=lambda: _constraints("3.11", platforms=1),
        run_full=lambda: _constraints("3.11", "3.12"),
        is_in_suite=True,
    ),
)

"""``python -m Testing.acceptance [ROW ...] [--small] [--json]``: without a row it lists them, ``--small`` alone runs all.

``--jobs 2`` runs rows two at a time, those aside that measure time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial

from .machine import describe
from .row import Outcome, Row, all_rows


@dataclass(frozen=True)
class Record:
    """One line of the table of figures."""

    row: str
    figure: str
    target: str
    verdict: str
    seconds: float
    date: str
    machine: str


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 when every row that ran kept its promise."""
    rows = all_rows()
    options = _parse(arguments, list(rows))
    if not options.rows and not options.small:
        _print_list(rows)
        return 0
    chosen = [rows[name] for name in options.rows] or [row for row in rows.values() if not row.is_in_suite]
    beside = [row for row in chosen if options.jobs > 1 and not row.is_timed]
    passed = _in_children(beside, options)
    records = [_measure(row, small=options.small, as_json=options.json) for row in chosen if row not in beside]
    return 0 if passed and all(record.verdict == "pass" for record in records) else 1


def _in_children(chosen: Sequence[Row], options: argparse.Namespace) -> bool:
    """Whether each row passes in a process of its own, some at the same time."""
    flags = [*(["--small"] if options.small else []), *(["--json"] if options.json else [])]
    with ThreadPoolExecutor(options.jobs) as pool:
        return all(list(pool.map(partial(_passes_in_child, flags), [row.name for row in chosen])))


def _passes_in_child(flags: list[str], name: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "Testing.acceptance", name, *flags], capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr if done.returncode else "")
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    return done.returncode == 0


def _parse(arguments: list[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m Testing.acceptance", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(names))
    parser.add_argument("--small", action="store_true", help="in little time, as CI does; without ROW all rows")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--jobs", type=int, default=1, help="how many rows at a time, those aside that measure time")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.rows if name not in names]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    return options


def _print_list(rows: dict[str, Row]) -> None:
    width = max(map(len, rows), default=0)
    for row in rows.values():
        print(f"{row.name:<{width}}  {row.what}: {row.target}")


def _measure(row: Row, *, small: bool, as_json: bool) -> Record:
    started = time.monotonic()
    outcome = _outcome(row, small=small)
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    verdict = "pass" if outcome.passed else "FAIL"
    name = f"{row.name} (small)" if small else row.name
    seconds = round(time.monotonic() - started, 1)
    record = Record(name, outcome.figure, row.target, verdict, seconds, today, describe())
    print(json.dumps(asdict(record)) if as_json else f"| {' | '.join(map(str, asdict(record).values()))} |", flush=True)
    return record


def _outcome(row: Row, *, small: bool) -> Outcome:
    """A row that breaks has not kept its promise; the others run all the same."""
    try:
        return row.run_small() if small else row.run_full()
    except Exception as exc:  # noqa: BLE001 - whatever went wrong is the row's result
        traceback.print_exc(file=sys.stderr)
        return Outcome(f"broke: {type(exc).__name__}", passed=False)


if __name__ == "__main__":
    sys.exit(main())

"""What a person sees in the terminal, and what a machine reads with ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from .. import events
from ..records import to_json

PLAIN_INTERVAL_S = 5.0


class Terminal:
    """Answers on stdout, progress and warnings on stderr; with ``as_json`` one JSON document a line on stdout."""

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self.out = Console(file=out or sys.stdout, highlight=False, soft_wrap=True, emoji=False)
        self.err = Console(file=err or sys.stderr, highlight=False, soft_wrap=True, emoji=False)

    def say(self, text: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            self.out.print(printable(text), markup=False)

    def warn(self, text: str) -> None:
        """A line for people who should know, on stderr."""
        self.err.print(printable(text), markup=False, style="yellow")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table for people; numbers are set to the right."""
        if self.as_json:
            return
        table = Table(title=Text(title) if title else None, title_justify="left", header_style="bold")
        for position, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[position], (int, float)) for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        self.out.print(table)

    def data(self, value: Any) -> None:
        """One JSON document for machines."""
        if self.as_json:
            self._print_json(value)

    def _print_json(self, value: Any) -> None:
        # Escaped, it is the same in every encoding that standard output may have.
        self.out.print(json.dumps(value, ensure_ascii=True, allow_nan=False), markup=False)

    @contextmanager
    def watching(self) -> Iterator[events.Emit]:
        """A receiver of events for the ``with`` block: a bar, plain lines, or JSON lines."""
        if self.as_json:
            yield lambda event: self._print_json(to_json(event))
        elif self.err.is_terminal:
            with _bar(self.err) as show:
                yield show
        else:
            yield _PlainLines(self.err).show


@contextmanager
def _bar(console: Console) -> Iterator[events.Emit]:
    columns = (
        TextColumn("{task.fields[case]}", markup=False),
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=1.0, case="", left="")

        def show(event: events.Event) -> None:
            if isinstance(event, events.Progress):
                left = time_left(event.remaining_s)
                progress.update(
                    task, completed=event.fraction, description=printable(event.stage), case=event.case, left=left
                )
            else:
                _say_event(console, event)

        yield show


class _PlainLines:
    """Progress for logs: a line at each new stage, and then at most one every few seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] | None = None) -> None:
        import time

        self._console, self._clock = console, clock or time.monotonic
        self._stage, self._last_s = "", float("-inf")

    def show(self, event: events.Event) -> None:
        if not isinstance(event, events.Progress):
            _say_event(self._console, event)
            return
        now, stage = self._clock(), f"{event.case} {event.stage}"
        if stage != self._stage or now - self._last_s >= PLAIN_INTERVAL_S:
            self._stage, self._last_s = stage, now
            line = f"{event.case}  {event.fraction:4.0%}  {event.stage}  {time_left(event.remaining_s)}"
            self._console.print(printable(line.rstrip()), markup=False)


def time_left(seconds: float | None) -> str:
    """Words for the time left, empty when it cannot be told yet."""
    return "" if seconds is None else f"{duration_text(seconds)} left"


def duration_text(seconds: float) -> str:
    """Seconds in the units people use: ``"1 min 05 s"``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def size_text(size_bytes: int) -> str:
    """Bytes in the unit people use: ``"10.3 MB"``."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _say_event(console: Console, event: events.Event) -> None:
    if isinstance(event, events.Warned):
        line = printable(f"{event.case}  warning {event.code}: {event.message}")
        console.print(line, markup=False, style="yellow")
    elif isinstance(event, events.Failed):
        console.print(f"{event.case}  failed  {event.message}", markup=False, style="red")


def printable(text: str) -> str:
    """The text without signs that steer a terminal, which cards and file names may hold; lines and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def _cell(value: Any) -> Text:
    """As text that rich takes for text: brackets in a card's title are no markup."""
    if isinstance(value, (int, float)):
        return Text(f"{value:,.1f}" if isinstance(value, float) else f"{value:,}")
    return Text(printable(str(value)))

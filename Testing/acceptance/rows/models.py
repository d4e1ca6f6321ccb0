"""Models of other tools: hostile files are refused with no code run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from Testing.acceptance.row import Outcome, Row


def hostile() -> Outcome:
    """Offer each hostile file to ``meddl models add`` under Python's audit hook."""
    from Testing.models.imports.trial import CONTROL, try_all

    with tempfile.TemporaryDirectory() as folder:
        every = try_all(Path(folder))
    answers = [answer for answer in every if answer.name != CONTROL]
    refused = sum(answer.is_refused for answer in answers)
    events = sum(len(answer.events) for answer in answers)
    kept = len({name for answer in answers for name in answer.written}) + sum(answer.left_canary for answer in answers)
    is_seen = any(answer.name == CONTROL and answer.events for answer in every)
    figure = (
        f"{refused} of {len(answers)} refused in one line, {events} events, {kept} files left; "
        f"the hook {'sees' if is_seen else 'does not see'} a careless loader"
    )
    return Outcome(figure, passed=refused == len(answers) >= 40 and not events and not kept and is_seen)


ROWS = (
    Row(
        "hostile-models",
        "pickles, programs, expressions, archives that escape or grow, turned bits and wrong versions, under an audit hook",
        "at least 40 files, each refused in one line with a code; no code run, no process, no socket, nothing written",
        run_small=hostile,
        run_full=hostile,
        is_in_suite=True,
    ),
)

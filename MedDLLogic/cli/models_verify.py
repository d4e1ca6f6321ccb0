"""``meddl models verify``: a model on its card's check case, each precision against the reference."""

from __future__ import annotations

from ..errors import MedDLError
from ..jobs.signals import cancelled_by_signals
from ..models.registry import find_card
from ..models.store import require_ready
from ..records import to_json
from ..tasks.verify import Verdict, verify
from .terminal import Terminal, duration_text


def run_verify(terminal: Terminal, name: str) -> None:
    """Show what the faster ways of computing change.

    Raises
    ------
    MedDLError : E401 for a card without a check case, E403 for what is not here, E608 when a precision that has to be
        exact is not, and all that a run raises.
    """
    found = find_card(name)
    require_ready(found)
    with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
        verdict = verify(found, emit, is_cancelled)
    _show(terminal, verdict)
    terminal.data(to_json(verdict) | {"passed": verdict.passed})
    if not verdict.passed:
        failed = ", ".join(one.precision for one in verdict.compared if not one.passed)
        raise MedDLError("E608", f"{name} computes otherwise than its reference", failed, "use --precision reference")


def _show(terminal: Terminal, verdict: Verdict) -> None:
    reference = [f"reference ({verdict.reference})", duration_text(verdict.seconds), "", ""]
    rows = [
        [one.precision, duration_text(one.seconds), f"{one.error:.1e} of the range", "pass" if one.passed else "FAIL"]
        for one in verdict.compared
    ]
    terminal.table("", ["precision", "time", "largest error", ""], [reference, *rows])
    segments = list(verdict.compared[0].dice) if verdict.compared else []
    dice = [[segment, *(f"{one.dice[segment]:.4f}" for one in verdict.compared)] for segment in segments]
    terminal.table("", ["Dice of segment", *(one.precision for one in verdict.compared)], dice)

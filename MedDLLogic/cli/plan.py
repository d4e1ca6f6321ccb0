"""``meddl segment --plan``: what each case would take; nothing runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MedDLError
from ..models.registry import find_card
from ..records import to_json
from ..tasks.plan import Plan, quality_has_effect
from ..tasks.run import plan_job
from .segment import Choices, segment_jobs
from .terminal import Terminal, duration_text, size_text

_COLUMNS = ("case", "grid (i x j x k)", "tiles", "time", "memory")


def run_plan(terminal: Terminal, inputs: Sequence[str], choices: Choices) -> None:
    """Show tiles, time and memory of every case the inputs stand for.

    Raises
    ------
    MedDLError : E1xx the options, E301, E331 the inputs, E4xx the model; then the error of the only case, E605 when
        some of several cannot be planned.
    """
    plans: dict[str, Plan | MedDLError] = {}
    for job in segment_jobs(inputs, choices):
        try:
            plans[job.case] = plan_job(job)
        except MedDLError as exc:
            plans[job.case] = exc
    failed = [plan for plan in plans.values() if isinstance(plan, MedDLError)]
    if failed and len(plans) == 1:
        raise failed[0]
    _show(terminal, plans, choices)
    if failed:
        raise MedDLError("E605", f"{len(failed)} of {len(plans)} cases cannot be planned")


def _show(terminal: Terminal, plans: dict[str, Plan | MedDLError], choices: Choices) -> None:
    terminal.table("", _COLUMNS, [_row(case, plan) for case, plan in plans.items()])
    if len(plans) == 1:
        _show_stages(terminal, plans)
    made = [plan for plan in plans.values() if isinstance(plan, Plan)]
    if any(not plan.is_learned for plan in made):
        terminal.say("The time is known after the first run of this model on this device.")
    if any(plan.is_upper_bound for plan in made):
        terminal.say("Working grids may turn out smaller: the model crops to what it finds in the image.")
    quality = choices.computing.quality
    if quality != "standard" and not quality_has_effect(find_card(choices.model)):
        terminal.say(f"Quality {quality} is as standard here: the model takes the whole volume at once.")
    terminal.data({"cases": [_data(case, plan) for case, plan in plans.items()]})


def _show_stages(terminal: Terminal, plans: dict[str, Plan | MedDLError]) -> None:
    for plan in plans.values():
        if isinstance(plan, Plan):
            rows = [[s.name, _sizes(s.shape_kji), _sizes(s.tile_kji), s.tiles, s.overlap] for s in plan.stages]
            terminal.table("", ["network", "working grid", "tile", "tiles", "overlap"], rows)


def _row(case: str, plan: Plan | MedDLError) -> list[Any]:
    if isinstance(plan, MedDLError):
        return [case, str(plan), "", "", ""]
    memory = "not known" if plan.memory_bytes is None else f"about {size_text(plan.memory_bytes)}"
    return [case, _sizes(plan.shape_kji), str(plan.tiles), _time(plan), memory]


def _time(plan: Plan) -> str:
    """With what a new process adds: each run of the command is one."""
    if plan.seconds is None:
        return "not known"
    seconds = plan.seconds + (plan.load_seconds or 0.0) + (plan.write_seconds or 0.0)
    return f"about {duration_text(seconds)}" if seconds >= 1 else "under 1 s"


def _data(case: str, plan: Plan | MedDLError) -> dict[str, Any]:
    if isinstance(plan, MedDLError):
        return {"case": case, "plan": None, "error": str(plan)}
    return {"case": case, "plan": to_json(plan) | {"tiles": plan.tiles}, "error": None}


def _sizes(shape_kji: Sequence[int]) -> str:
    return " x ".join(map(str, reversed(shape_kji)))

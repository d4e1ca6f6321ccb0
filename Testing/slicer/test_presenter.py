"""What Apply, Cancel, progress and the list of runs say at each moment; no Qt, no scene, no worker."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from MedDLLogic.environment.folder import EnvironmentState
from MedDLLogic.models.registry import find_card
from MedDLLogic.tasks.plan import Plan, plan_run
from Testing.small_models import ball

from .application import EXTENSION
from .ours import ours

PURE = ("presenter", "models_presenter", "inputs_presenter", "options_presenter", "results_presenter", "view", "words")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return ours(monkeypatch, "presenter")


@pytest.fixture
def choice(module: ModuleType) -> Any:
    return module.Choice("brain-t1", (("t1", "volume1"),))


@pytest.fixture
def ready(module: ModuleType, choice: Any) -> Any:
    return module.Presenter().chosen(choice, module.Ready())


@pytest.fixture
def running(ready: Any, module: ModuleType) -> Any:
    return ready.applied().started("run-1").ran((state(module, "running", stage="extract the brain", fraction=0.421),))


def state(module: ModuleType, phase: str, run_id: str = "run-1", **more: Any) -> Any:
    return module.RunState(run_id, "Brain extraction", phase, **more)


def other(choice: Any) -> Any:
    return type(choice)("tissue-t1", choice.volumes)


def plan(seconds: float | None, **more: Any) -> Plan:
    planned = plan_run(find_card("brain-t1"), ball()[0].geometry)
    facts = {"load_seconds": 5.0, "memory_bytes": 2_100_000_000, "is_learned": True} | more
    return replace(planned, stages=planned.stages[:1], seconds=seconds, **facts)


def test_what_is_missing_is_said_and_is_why_apply_is_disabled(module: ModuleType, choice: Any) -> None:
    view = module.Presenter().chosen(choice, module.Ready(missing="Choose a model.")).view()
    assert (view.plan.text, view.apply.enabled, view.apply.tool_tip) == ("Choose a model.", False, "Choose a model.")


def test_a_download_is_named_on_apply_before_it_happens(module: ModuleType, choice: Any) -> None:
    view = module.Presenter().chosen(choice, module.Ready(download_bytes=10_252_582)).view()
    assert (view.apply.text, view.apply.enabled) == ("Download 10 MB and apply", True)


def test_a_result_that_is_to_be_replaced_is_named_on_apply(module: ModuleType, choice: Any) -> None:
    apply = module.Presenter().chosen(choice, module.Ready(replaces="Brain")).view().apply
    assert apply.text == "Apply, replacing a result" and "Brain" in apply.tool_tip


def test_the_plan_tells_tiles_time_with_loading_and_memory(module: ModuleType, choice: Any) -> None:
    view = module.Presenter().chosen(choice, module.Ready(plan=plan(35.0))).view()
    assert view.plan.text == "1 tile · about 40 s · 2.1 GB of memory"


def test_a_plan_without_a_past_run_says_so(module: ModuleType, choice: Any) -> None:
    view = module.Presenter().chosen(choice, module.Ready(plan=plan(None, is_learned=False))).view()
    assert view.plan.text == "1 tile · time not known yet on this machine · roughly 2.1 GB of memory"


@pytest.mark.parametrize(("free_bytes", "tone"), [(0, "hint"), (4 * 10**9, "hint"), (10**9, "warning")])
def test_more_memory_than_is_free_is_warned_of(module: ModuleType, choice: Any, free_bytes: int, tone: str) -> None:
    line = module.Presenter().chosen(choice, module.Ready(plan=plan(1.0), free_bytes=free_bytes)).view().plan
    assert (line.tone, "Only 1.0 GB of memory is free" in line.text) == (tone, tone == "warning")


def test_nothing_to_cancel_is_why_cancel_is_disabled(ready: Any) -> None:
    assert (ready.view().cancel.enabled, ready.view().cancel.tool_tip) == (False, "Nothing is running.")


def test_progress_tells_stage_percentage_and_time_left(ready: Any, module: ModuleType) -> None:
    told = state(module, "running", stage="extract the brain", fraction=0.421, remaining_s=200.0)
    view = ready.ran((told,)).view()
    assert (view.progress, view.stage.text) == (42, "Extract the brain · 42 % · about 3 min left")


@pytest.mark.parametrize("phase", ["waiting", "handing over", "starting", "collecting", "cancelling"])
def test_progress_without_a_figure_shows_a_busy_bar(ready: Any, module: ModuleType, phase: str) -> None:
    view = ready.ran((state(module, phase),)).view()
    assert (view.progress, "%" in view.stage.text, bool(view.stage.text)) == (-1, False, True)


def test_the_same_run_twice_is_refused_with_the_reason(running: Any) -> None:
    apply = running.view().apply
    assert apply.enabled is False and apply.tool_tip.startswith("This run is on already")


def test_something_else_goes_into_the_queue_while_a_run_is_on(running: Any, module: ModuleType, choice: Any) -> None:
    apply = running.chosen(other(choice), module.Ready()).view().apply
    assert (apply.text, apply.enabled) == ("Add to queue", True)


def test_cancel_can_be_pressed_once(running: Any, module: ModuleType) -> None:
    view = running.ran((state(module, "cancelling"),)).view()
    assert (view.cancel.enabled, view.cancel.tool_tip) == (False, "Already being cancelled.")


def test_cancel_is_for_the_run_that_is_on_and_not_for_one_that_waits(module: ModuleType) -> None:
    now = module.Presenter(runs=(state(module, "waiting"), state(module, "running", "run-2")))
    assert now.current.id == "run-2"


def test_after_a_cancel_apply_is_there_again(running: Any, module: ModuleType) -> None:
    view = running.ran((state(module, "cancelled", message="Cancelled."),)).view()
    assert (view.status.text, view.apply.text, view.apply.enabled) == ("Cancelled.", "Apply", True)
    assert (view.progress, view.cancel.enabled) == (None, False)


def test_a_failure_stays_until_something_else_is_chosen(running: Any, module: ModuleType, choice: Any) -> None:
    failed = running.ran((state(module, "failed", message="MEDDL-E502: not enough memory"),))
    assert failed.chosen(choice, module.Ready()).view().status == module.Line("MEDDL-E502: not enough memory", "error")
    assert failed.chosen(other(choice), module.Ready()).view().status.text == ""


def test_a_run_that_failed_while_it_was_started_is_told(ready: Any, module: ModuleType) -> None:
    failed = ready.applied().ran((state(module, "failed", message="MEDDL-E301: no voxels"),)).started("run-1")
    assert failed.view().status.text == "MEDDL-E301: no voxels"


def test_warnings_of_a_run_without_a_result_are_told_with_its_end(running: Any, module: ModuleType) -> None:
    ended = running.ran((state(module, "failed", message="MEDDL-E607: nothing", warnings=("tilt", "uneven")),))
    assert ended.view().status.text == "MEDDL-E607: nothing\ntilt\nuneven"


def test_one_run_alone_needs_no_list(running: Any) -> None:
    assert running.view().queue == ()


def test_the_list_tells_what_each_run_is_up_to(module: ModuleType) -> None:
    runs = (state(module, "done"), state(module, "running", "run-2", fraction=0.5), state(module, "waiting", "run-3"))
    rows = module.Presenter(runs=runs).view().queue
    assert [(row.state, row.cancel.visible) for row in rows] == [("Done", False), ("50 %", True), ("Waiting", True)]


def test_the_result_of_the_run_that_ended_last_is_shown(ready: Any, module: ModuleType) -> None:
    outcome = module.Outcome("segmentation1", "table1", ())
    done = ready.ran((state(module, "running"),)).ran((state(module, "done", outcome=outcome),))
    assert (done.shown, done.outcome) == ("run-1", outcome)


def test_an_earlier_result_can_be_shown_again_and_a_failed_run_has_none(module: ModuleType) -> None:
    outcome = module.Outcome("segmentation1", "table1", ())
    now = module.Presenter(runs=(state(module, "done", outcome=outcome), state(module, "failed", "run-2")))
    assert [now.showing("run-1").shown, now.showing("run-2").shown] == ["run-1", ""]


def test_choices_of_forgotten_runs_are_forgotten(running: Any) -> None:
    assert running.ran(()).asked == {}


@pytest.mark.parametrize(
    ("kind", "usable", "own", "said"),
    [
        ("missing", False, False, "The packages that run models are not installed here."),
        ("broken", False, False, "The packages that run models cannot be used. Files are missing."),
        ("outdated", True, False, ""),
        ("missing", False, True, ""),
    ],
)
def test_what_keeps_every_model_from_running_is_noticed(
    module: ModuleType, kind: Any, usable: bool, own: bool, said: str
) -> None:
    found = EnvironmentState(kind, "Files are missing.", is_usable=usable)
    assert module.notice(found, has_own_python=own).text == said


@pytest.mark.parametrize("name", PURE)
def test_presenters_need_neither_qt_nor_slicer(name: str) -> None:
    text = (EXTENSION / "MedDLLib" / f"{name}.py").read_text(encoding="utf-8")
    assert "import qt" not in text and "import slicer" not in text

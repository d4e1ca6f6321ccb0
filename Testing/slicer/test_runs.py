"""The runs a user asked for: queue, phases, endings, and what the scene is like afterwards. No Qt."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.jobs.session import Limits
from MedDLLogic.scene.arrays import voxels_of, vtk_matrix
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import read_segmentation_file
from MedDLLogic.scene.segments import content_of, labelmaps_of, voxel_counts
from MedDLLogic.scene.volumes import push_volume
from MedDLLogic.storage import exchange_base, models_folder
from Testing.small_models import ball

from .application import Application
from .runs_rig import RunsRig

MET = ["waiting", "handing over", "starting", "running", "collecting", "done"]
BOX = {"box": 20 * 22 * 12, "rest": 0}


@pytest.fixture
def rig(application: Application, tmp_path: Path) -> Iterator[RunsRig]:
    made = RunsRig(new_scene(), tmp_path)
    yield made
    made.close()
    assert not exchange_base().is_dir() or list(exchange_base().iterdir()) == []


@pytest.fixture
def ball_node(rig: RunsRig) -> Any:
    return push_volume(rig.scene, ball()[0], "Ball")


def nodes(scene: Any) -> list[str]:
    kinds = ("vtkMRMLSegmentationNode", "vtkMRMLTableNode", "vtkMRMLSegmentationDisplayNode")
    return [node.GetID() for kind in kinds for node in scene.GetNodesByClass(kind)]


def test_a_run_goes_through_its_phases_and_ends_once(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    run = rig.start(listed_model, ball_node)
    rig.end_of(run)
    rig.settle()
    assert [phase for phase in MET if phase in rig.told[run]] == MET[MET.index(rig.told[run][0]) :]
    assert rig.told[run].count("done") == 1


def test_the_outcome_names_the_nodes_and_the_numbers(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    outcome = rig.end_of(rig.start(listed_model, ball_node)).outcome
    row = outcome.rows[0]
    assert voxel_counts(rig.scene.GetNodeByID(outcome.segmentation_id)) == BOX
    assert (row.name, row.volume_ml, row.mean, row.mean_unit) == ("Box", 12.25, 41.5, "a.u.")
    assert outcome.is_on_grid and outcome.warnings == ("the volume is small",)


def test_the_volumes_name_is_not_taken_over(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    ball_node.SetName("Doe, John")
    outcome = rig.end_of(rig.start(listed_model, ball_node)).outcome
    names = [rig.scene.GetNodeByID(i).GetName() for i in (outcome.segmentation_id, outcome.table_id)]
    assert names == ["listed", "listed measurements"]


def test_a_second_apply_waits_for_the_first(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    first, second = (rig.start(listed_model, ball_node) for _ in range(2))
    assert rig.runs.state_of(second).phase == "waiting"
    rig.end_of(second)
    assert [state.phase for state in rig.runs.states] == ["done", "done"]
    assert rig.runs.state_of(first).outcome.segmentation_id != rig.runs.state_of(second).outcome.segmentation_id


@pytest.mark.parametrize(
    ("behavior", "code"),
    [("refuse", "E309"), ("crash", "E603"), ("killed", "E502"), ("out-of-memory", "E502")],
)
def test_a_fault_is_one_line_and_the_next_run_works(
    rig: RunsRig, listed_model: str, ball_node: Any, behavior: str, code: str
) -> None:
    rig.behavior = behavior
    state = rig.end_of(rig.start(listed_model, ball_node))
    assert state.phase == "failed" and state.message.startswith(f"MEDDL-{code}") and "\n" not in state.message
    assert nodes(rig.scene) == []
    rig.settle()
    rig.behavior = "finish"
    rig.runs.stop_worker()
    assert rig.end_of(rig.start(listed_model, ball_node)).phase == "done"


@pytest.mark.parametrize("behavior", ["chatter", "garbage"])
def test_noise_of_libraries_does_no_harm(rig: RunsRig, listed_model: str, ball_node: Any, behavior: str) -> None:
    rig.behavior = behavior
    assert rig.end_of(rig.start(listed_model, ball_node)).phase == "done"


@pytest.mark.parametrize("behavior", ["silent", "mute"])
def test_a_worker_that_never_answers_is_given_up(
    application: Application, listed_model: str, tmp_path: Path, behavior: str
) -> None:
    rig = RunsRig(new_scene(), tmp_path, limits=Limits(welcome_s=0.5, ping_every_s=0.1, answer_s=0.5))
    rig.behavior = behavior
    state = rig.end_of(rig.start(listed_model, push_volume(rig.scene, ball()[0], "Ball")))
    rig.settle()
    rig.close()
    assert state.message.startswith("MEDDL-E610")


@pytest.mark.parametrize("behavior", ["wait", "hang", "stubborn", "slow"])
def test_cancel_ends_a_run_whatever_the_worker_does(
    rig: RunsRig, listed_model: str, ball_node: Any, behavior: str
) -> None:
    rig.behavior = behavior
    run = rig.start(listed_model, ball_node)
    rig.until(lambda: rig.runs.state_of(run).fraction is not None)
    rig.runs.cancel(run)
    assert rig.runs.state_of(run).phase == "cancelling"
    assert (rig.end_of(run).phase, nodes(rig.scene)) == ("cancelled", [])


@pytest.mark.parametrize("phase", ["waiting", "handing over", "starting", "running", "collecting"])
def test_cancel_works_in_every_phase(rig: RunsRig, listed_model: str, ball_node: Any, phase: str) -> None:
    rig.when(phase, lambda: rig.runs.cancel(rig.runs.states[-1].id))
    for _ in range(2 if phase == "waiting" else 1):
        rig.start(listed_model, ball_node)
    rig.settle()
    assert rig.runs.states[-1].phase == "cancelled"
    assert len(nodes(rig.scene)) == (3 if phase == "waiting" else 0)


def test_cancelling_a_run_that_is_over_changes_nothing(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    run = rig.start(listed_model, ball_node)
    before = rig.end_of(run)
    rig.runs.cancel(run)
    rig.runs.cancel("no such run")
    assert rig.runs.state_of(run) == before


def test_a_volume_that_goes_away_leaves_the_result_as_a_file(
    rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path
) -> None:
    run = rig.start(listed_model, ball_node)
    rig.scene.RemoveNode(ball_node)
    state = rig.end_of(run)
    assert state.message.startswith("MEDDL-E604") and "listed-1.seg.nrrd" in state.message
    kept = read_segmentation_file(new_scene(), tmp_path / "listed-1.seg.nrrd")
    assert voxel_counts(kept) == BOX and nodes(rig.scene) == []


def test_the_file_holds_what_the_scene_would_hold(
    rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path
) -> None:
    pushed = rig.end_of(rig.start(listed_model, ball_node)).outcome
    run = rig.start(listed_model, ball_node)
    expected = content_of(rig.scene.GetNodeByID(pushed.segmentation_id))
    rig.scene.RemoveNode(ball_node)
    rig.end_of(run)
    assert content_of(read_segmentation_file(new_scene(), tmp_path / "listed-1.seg.nrrd")) == expected


def test_another_volume_under_the_same_id_does_not_get_the_result(
    rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path
) -> None:
    node_id, run = ball_node.GetID(), rig.start(listed_model, ball_node)
    rig.scene.Clear()
    del ball_node
    assert push_volume(rig.scene, ball()[0], "Other").GetID() == node_id
    assert rig.end_of(run).message.startswith("MEDDL-E604") and nodes(rig.scene) == []


def test_a_volume_that_was_moved_keeps_the_result_as_a_file(
    rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path
) -> None:
    run = rig.start(listed_model, ball_node)
    put_under(rig.scene, ball_node)
    assert "listed-1.seg.nrrd" in rig.end_of(run).message and (tmp_path / "listed-1.seg.nrrd").is_file()


def test_a_result_that_cannot_be_kept_says_so(rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path) -> None:
    run = rig.start(listed_model, ball_node)
    rig.scene.RemoveNode(ball_node)
    nowhere = importlib.import_module("MedDLLib.surroundings").KeepFolder(tmp_path / "nowhere", "no folder")
    rig.runs._around = replace(rig.runs._around, keep_in=lambda: nowhere)
    message = rig.end_of(run).message
    assert message.startswith("MEDDL-E604") and "not kept" in message


@pytest.mark.parametrize("change", ["moved", "edited", "gone"])
def test_a_volume_that_changes_while_its_run_waits_is_refused(
    rig: RunsRig, listed_model: str, ball_node: Any, change: str
) -> None:
    other = push_volume(rig.scene, ball()[0], "Other")
    rig.start(listed_model, ball_node)
    run = rig.start(listed_model, other)
    if change == "moved":
        put_under(rig.scene, other)
    elif change == "edited":
        other.GetImageData().GetPointData().GetScalars().Modified()
    else:
        rig.scene.RemoveNode(other)
    assert rig.end_of(run).message.startswith("MEDDL-E604")


def test_a_new_name_is_no_change(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    rig.start(listed_model, ball_node)
    run = rig.start(listed_model, ball_node)
    ball_node.SetName("another")
    assert rig.end_of(run).phase == "done"


def test_a_result_takes_the_place_of_the_chosen_segmentation(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    node = rig.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    outcome = rig.end_of(rig.start(listed_model, ball_node, replace=node)).outcome
    assert (outcome.segmentation_id, node.GetName(), voxel_counts(node)) == (node.GetID(), "Mine", BOX)


def test_a_segmentation_to_be_replaced_that_goes_away_keeps_the_result_as_a_file(
    rig: RunsRig, listed_model: str, ball_node: Any
) -> None:
    node = rig.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    run = rig.start(listed_model, ball_node, replace=node)
    rig.scene.RemoveNode(node)
    assert "listed-1.seg.nrrd" in rig.end_of(run).message and nodes(rig.scene) == []


def filled_target(rig: RunsRig, model: str, volume: Any) -> Any:
    return rig.scene.GetNodeByID(rig.end_of(rig.start(model, volume)).outcome.segmentation_id)


def draw(node: Any) -> None:
    """One voxel by hand."""
    (labelmap,) = labelmaps_of(node)
    voxels_of(labelmap)[0, 0, 0] = 5
    labelmap.GetPointData().GetScalars().Modified()


def test_work_on_the_segmentation_to_be_replaced_is_not_lost(
    rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path
) -> None:
    target = filled_target(rig, listed_model, ball_node)
    run = rig.start(listed_model, ball_node, replace=target)
    draw(target)
    state = rig.end_of(run)
    assert (state.phase, voxel_counts(target)["box"]) == ("failed", BOX["box"] + 1)
    assert "was changed" in state.message and (tmp_path / "listed-1.seg.nrrd").is_file()


def test_two_runs_in_the_queue_may_replace_the_same_segmentation(
    rig: RunsRig, listed_model: str, ball_node: Any
) -> None:
    target = filled_target(rig, listed_model, ball_node)
    runs = [rig.start(listed_model, ball_node, replace=target) for _ in range(2)]
    assert [rig.end_of(run).phase for run in runs] == ["done", "done"]


def test_voxels_that_change_during_the_run_are_warned_of(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    run = rig.start(listed_model, ball_node)
    ball_node.GetImageData().GetPointData().GetScalars().Modified()
    state = rig.end_of(run)
    assert state.phase == "done" and "was changed while the model ran" in state.warnings[-1]


def at_first_node(rig: RunsRig, act: Callable[[], object]) -> None:
    """Have ``act`` called by an observer of the scene, in the middle of the push."""
    rig.scene.AddObserver(rig.scene.NodeAddedEvent, lambda _scene, _event: act())


def test_an_observer_of_the_scene_may_let_qt_go_on(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    at_first_node(rig, rig.runs.tick)
    assert rig.end_of(rig.start(listed_model, ball_node)).phase == "done"


def test_a_run_whose_nodes_are_being_made_cannot_be_cancelled(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    run = rig.start(listed_model, ball_node)
    at_first_node(rig, lambda: rig.runs.cancel(run))
    assert (rig.end_of(run).phase, len(nodes(rig.scene))) == ("done", 3)


def test_stopping_all_while_nodes_are_made_leaves_a_run_that_is_done(
    rig: RunsRig, listed_model: str, ball_node: Any
) -> None:
    run = rig.start(listed_model, ball_node)
    at_first_node(rig, lambda: rig.runs.stop_all("The module was closed."))
    assert (rig.end_of(run).phase, len(nodes(rig.scene))) == ("done", 3)


def test_the_worker_does_not_choose_the_name_of_a_file(
    rig: RunsRig, listed_model: str, ball_node: Any, tmp_path: Path
) -> None:
    rig.behavior = "other-card"
    run = rig.start(listed_model, ball_node)
    rig.scene.RemoveNode(ball_node)
    assert rig.end_of(run).message.endswith("result kept as listed-1.seg.nrrd in the folder of the test")
    assert [path.name for path in tmp_path.parent.rglob("*.seg.nrrd")] == ["listed-1.seg.nrrd"]


def test_after_the_end_a_run_is_refused_at_once(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    rig.close()
    with pytest.raises(MedDLError, match="E601"):
        rig.start(listed_model, ball_node)


def test_a_callback_of_a_script_that_breaks_does_not_cost_the_next_one(
    rig: RunsRig, listed_model: str, ball_node: Any
) -> None:
    run, told = rig.start(listed_model, ball_node), list[Any]()
    handle = importlib.import_module("MedDLLib.run_handle").RunHandle(rig.runs, run)
    handle.onFinished(lambda _handle: 1 / 0)
    handle.onFinished(told.append)
    rig.end_of(run)
    assert told == [handle]


def test_other_inputs_than_the_models_are_refused_at_once(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    with pytest.raises(MedDLError, match="E331"):
        rig.start(listed_model, {"flair": ball_node})
    assert rig.runs.states == ()


def test_a_node_of_another_scene_is_refused_at_once(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    stranger = push_volume(new_scene(), ball()[0], "Stranger")
    with pytest.raises(MedDLError, match="E604"):
        rig.start(listed_model, stranger)


def test_weights_that_are_not_here_are_downloaded_first(
    application: Application, listed_model: str, tmp_path: Path
) -> None:
    rig = download_rig(tmp_path, listed_model, "import sys")
    run = rig.start(listed_model, push_volume(rig.scene, ball()[0], "Ball"))
    assert rig.runs.state_of(run).phase == "downloading"
    state = rig.end_of(run)
    rig.close()
    assert state.phase == "done"


def test_a_download_can_be_cancelled(application: Application, listed_model: str, tmp_path: Path) -> None:
    rig = download_rig(tmp_path, listed_model, "import sys; sys.stdin.read()")
    run = rig.start(listed_model, push_volume(rig.scene, ball()[0], "Ball"))
    rig.runs.cancel(run)
    state = rig.end_of(run)
    rig.close()
    assert state.phase == "cancelled"


def test_stopping_all_in_a_download_leaves_nothing_at_work(
    application: Application, listed_model: str, tmp_path: Path
) -> None:
    rig = download_rig(tmp_path, listed_model, "import sys; sys.stdin.read()")
    run = rig.start(listed_model, push_volume(rig.scene, ball()[0], "Ball"))
    rig.runs.stop_all("The module was closed.")
    rig.settle()
    rig.close()
    assert rig.runs.state_of(run).phase == "cancelled"


def download_rig(tmp_path: Path, model: str, program: str) -> RunsRig:
    """The model's weights count as missing; a download does ``program`` and says that all is well."""
    card = models_folder() / f"{model}.json"
    record = json.loads(card.read_text())
    for stage in record["stages"]:
        stage["weights"]["source"] = {"kind": "url", "url": "https://example.org/w.ts"}
    card.write_text(json.dumps(record))
    ending = 'print(\'{"kind": "finished", "case": "download", "outputs": {}}\', flush=True)'
    return RunsRig(new_scene(), tmp_path, fetch=("-c", f"{program}\n{ending}"))


def test_stopping_all_ends_every_run_once(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    rig.behavior = "wait"
    runs = [rig.start(listed_model, ball_node) for _ in range(3)]
    rig.until_phase(runs[0], "running")
    rig.runs.stop_all("The module was closed.")
    assert {state.message for state in rig.runs.states} == {"The module was closed."}
    rig.settle()
    assert all(rig.told[run].count("cancelled") == 1 for run in runs)


def test_closing_in_the_middle_leaves_nothing(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    rig.behavior = "hang"
    rig.until_phase(rig.start(listed_model, ball_node), "running")
    rig.close()
    assert list(exchange_base().iterdir()) == []


def test_a_listener_that_breaks_does_not_stop_a_run(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    rig.runs.on_change.insert(0, lambda: 1 / 0)
    assert rig.end_of(rig.start(listed_model, ball_node)).phase == "done"


def test_whatever_happens_each_run_ends_exactly_once(rig: RunsRig, listed_model: str, ball_node: Any) -> None:
    dice = np.random.default_rng(3)
    for behavior in ("slow", "finish", "refuse", "crash", "chatter"):
        rig.behavior = behavior
        runs = [rig.start(listed_model, ball_node) for _ in range(3)]
        rig.until_phase(runs[0], str(dice.choice(MET[1:])))
        rig.runs.cancel(str(dice.choice(runs)))
        rig.settle()
    ends = [[p for p in phases if p in ("done", "failed", "cancelled")] for phases in rig.told.values()]
    assert len(ends) == 15 and all(len(end) == 1 for end in ends)


def put_under(scene: Any, node: Any) -> None:
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[0, 3] = 5.0
    transform.SetMatrixTransformToParent(vtk_matrix(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())

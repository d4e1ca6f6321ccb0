"""From the worker to the scene: the result as nodes on exactly the volume it was made of, or none at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from MedDLLogic.models.card import ModelCard
from MedDLLogic.result import Measurement, Result
from MedDLLogic.scene.measured import measuring_in_world
from MedDLLogic.scene.prepare import PreparedPush
from MedDLLogic.scene.segmentations import push_segmentation, replace_segmentation
from MedDLLogic.scene.segments import grid_of_labelmap, labelmaps_of
from MedDLLogic.scene.steps import Steps
from MedDLLogic.scene.tables import push_measurements
from MedDLLogic.scene.volumes import geometry_of

from .handover import Taken, Target
from .i18n import _
from .run_state import Outcome, Row


def measuring(scene: Any, result: Result, card: ModelCard, taken: Mapping[str, Taken]) -> Steps[Result]:
    """The result with the volumes its segments have in the world, step by step.

    Raises
    ------
    MedDLError : E604 when an input is gone or was moved.
    """
    return measuring_in_world(result, _inputs(scene, card, taken)[0])


def collect(
    scene: Any,
    prepared: PreparedPush,
    measured: Result,
    *,
    card: ModelCard,
    taken: Mapping[str, Taken],
    replace: Target | None,
    warnings: Sequence[str] = (),
) -> Outcome:
    """Bring a prepared result into the scene, beside its input.

    Raises
    ------
    MedDLError : E604 when an input or the segmentation to be replaced is gone, or was moved or worked on;
        what ``push_segmentation`` raises. The scene is as it was then.
    """
    inputs = _inputs(scene, card, taken)
    reference = inputs[0]
    target = replace.require_unchanged(scene) if replace is not None else None
    name = scene.GenerateUniqueName(card.title) if target is None else target.GetName()
    # The table goes first: it is the one that can be taken back without a trace.
    table = push_measurements(scene, measured, name=f"{name} {_('measurements')}", reference_node=reference)
    try:
        segmentation = _segmentation(scene, prepared, card, reference, target, name)
    except BaseException:
        tree = scene.GetSubjectHierarchyNode()
        tree.RemoveItem(tree.GetItemByDataNode(table), True, False)  # with its node, without other items
        raise
    of_inputs = (
        warning for role, node in zip(card.roles, inputs, strict=True) for warning in taken[role].warnings(node)
    )
    return Outcome(
        segmentation.GetID(),
        table.GetID(),
        rows_of(measured),
        tuple(dict.fromkeys((*warnings, *of_inputs))),
        is_on_grid=is_on_grid(segmentation, reference),
    )


def rows_of(result: Result) -> tuple[Row, ...]:
    """One row a segment, with its volume and mean intensity where they were measured."""
    volumes = _by_segment(result, "volume")
    means = _by_segment(result, "mean")
    return tuple(
        Row(
            segment.id,
            segment.name,
            segment.color,
            volume_ml=volumes[segment.id].value if segment.id in volumes else None,
            mean=means[segment.id].value if segment.id in means else None,
            mean_unit=means[segment.id].unit if segment.id in means else "",
        )
        for segment in result.table
    )


def is_on_grid(segmentation: Any, volume: Any) -> bool:
    """Whether every labelmap of the segmentation has the volume's grid, and both have the same parent transform."""
    grid = geometry_of(volume)
    same_grid = all(grid_of_labelmap(labelmap).is_same_grid(grid) for labelmap in labelmaps_of(segmentation))
    return same_grid and segmentation.GetParentTransformNode() is volume.GetParentTransformNode()


def _inputs(scene: Any, card: ModelCard, taken: Mapping[str, Taken]) -> list[Any]:
    return [taken[role].find(scene) for role in card.roles]


def _segmentation(scene: Any, prepared: PreparedPush, card: ModelCard, reference: Any, target: Any, name: str) -> Any:
    algorithm = {"algorithm_name": card.name, "algorithm_version": card.version}
    if target is not None:
        replace_segmentation(scene, target, prepared, reference_node=reference, **algorithm)
        return target
    # The name is the model's: a volume's may hold a patient's.
    return push_segmentation(scene, prepared, name=name, reference_node=reference, **algorithm)


def _by_segment(result: Result, quantity: str) -> dict[str, Measurement]:
    return {m.segment_id: m for m in result.measurements if m.quantity == quantity}

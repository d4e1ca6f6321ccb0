"""One run as the scene sees it: volumes out to the exchange folder, the result back in as nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from MedDLLogic.disk import disk_errors
from MedDLLogic.errors import MedDLError
from MedDLLogic.job import CardRef, InputRef, Job, Matrix4
from MedDLLogic.jobs.exchange import new_exchange_folder, put_image, read_result, sweep_exchange
from MedDLLogic.models.registry import FoundCard
from MedDLLogic.records import to_json_text
from MedDLLogic.result import Result
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.files import SEGMENTATION_SUFFIX, write_segmentation
from MedDLLogic.scene.measured import measured_in_world
from MedDLLogic.scene.segmentations import push_segmentation
from MedDLLogic.scene.tables import push_measurements
from MedDLLogic.scene.volumes import SceneVolume, find_volume, read_volume
from MedDLLogic.storage import exchange_base

from .i18n import _
from .presenter import Row, rows_of

JOB_FILE = "job.json"


@dataclass(frozen=True)
class Outcome:
    """What a run left in the scene.

    segmentation, table : the nodes.
    rows : one a segment, for display.
    warnings : what the scene has to say on the inputs; the worker's own came as events.
    """

    segmentation: Any
    table: Any
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]


class SceneRun:
    """The scene's end of one run. Nodes are held by id and looked up again when the result is there.

    Parameters
    ----------
    scene : vtkMRMLScene.
    inputs : role of the card -> volume node.
    keep_in : folder for a result whose input is no longer there.

    Raises
    ------
    MedDLError : E3xx for a volume that cannot be used, E5xx when the folder cannot be written.
    """

    def __init__(
        self, scene: Any, inputs: Mapping[str, Any], found: FoundCard, *, keep_in: Path, device: str = "auto"
    ) -> None:
        self._scene, self._card, self._keep_in = scene, found.card, keep_in
        roles = found.card.roles
        volumes = [read_volume(inputs[role]) for role in roles]
        sweep_exchange(exchange_base())
        self._scratch = new_exchange_folder(exchange_base())
        self.folder = self._scratch.path
        try:
            references = {role: self._hand_over(volume) for role, volume in zip(roles, volumes, strict=True)}
            self._write_job(Job("segment", references, card=CardRef(found.card.name, found.sha256), device=device))
        except BaseException:
            self.discard()
            raise
        self._volumes = [_without_voxels(volume) for volume in volumes]
        self._warnings = tuple(warning for volume in volumes for warning in volume.warnings)

    def collect(self) -> Outcome:
        """Bring the result into the scene, beside its input.

        Raises
        ------
        MedDLError : E604 when an input is gone or was moved; the scene stays as it is, the result is a file.
        """
        result = read_result(self.folder)
        try:
            nodes = [find_volume(self._scene, volume) for volume in self._volumes]
        except MedDLError as error:
            raise MedDLError(error.code, error.what, "", f"result kept as {self._keep(result)}") from error
        segmentation = self._push(result, nodes[0])
        measured = measured_in_world(result, nodes[0])
        name = f"{segmentation.GetName()} {_('measurements')}"
        table = push_measurements(self._scene, measured, name=name, reference_node=nodes[0])
        rows = rows_of(measured.table, measured.measurements)
        return Outcome(segmentation, table, rows, self._warnings)

    def discard(self) -> None:
        """Remove the exchange folder."""
        self._scratch.close()

    def _push(self, result: Result, reference_node: Any) -> Any:
        return push_segmentation(
            self._scene,
            result,
            name=self._scene.GenerateUniqueName(self._card.title),  # a volume's name may hold a patient's
            reference_node=reference_node,
            algorithm_name=self._card.name,
            algorithm_version=self._card.version,
        )

    def _keep(self, result: Result) -> str:
        """Write the result where scenes are saved; returns the file's name."""
        scene = new_scene()
        path = _unused(self._keep_in, self._card.name)
        write_segmentation(push_segmentation(scene, result, name=self._card.title), path)
        return path.name

    def _hand_over(self, volume: SceneVolume) -> InputRef:
        return InputRef(handle=put_image(self.folder, volume.image), lps_to_world=_rows_of(volume.lps_to_world))

    def _write_job(self, job: Job) -> None:
        with disk_errors():
            (self.folder / JOB_FILE).write_text(to_json_text(job), encoding="utf-8")


def _unused(folder: Path, name: str) -> Path:
    return next(path for n in count(1) if not (path := folder / f"{name}-{n}{SEGMENTATION_SUFFIX}").exists())


def _without_voxels(volume: SceneVolume) -> SceneVolume:
    """The same with voxels that take no memory: what is compared at the end is the grid."""
    nothing = np.broadcast_to(np.uint8(0), volume.image.voxels.shape)
    return replace(volume, image=volume.image.with_voxels(nothing))


def _rows_of(matrix: Any) -> Matrix4 | None:
    if matrix is None:
        return None
    a, b, c, d = ((float(w), float(x), float(y), float(z)) for w, x, y, z in matrix)
    return a, b, c, d

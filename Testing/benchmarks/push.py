"""Scene in and out at 512x512x300 with 104 segments, by hand: ``python -m Testing.benchmarks.push``.

The rival of the push is what scripts commonly do: each segment gets a labelmap of its own, cut out of
the labels, as ``slicer.util.updateSegmentBinaryLabelmapFromArray`` does (which needs the application).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result
from MedDLLogic.scene.arrays import ras_matrix, set_voxels
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.mrml import slicer
from MedDLLogic.scene.segmentations import prepare_push, push_segmentation, replace_segmentation
from MedDLLogic.scene.segments import LABELMAP, let_go, voxel_counts
from MedDLLogic.scene.volumes import push_volume, read_volume

SEGMENTS = 104
FULL_KJI = (300, 512, 512)
ROUNDS = 5
_BLOCKS = 5  # a side: 125 boxes, one a segment


@dataclass(frozen=True)
class Figures:
    """Medians in seconds; ``is_right`` says that every push left the voxel counts of the labels."""

    copy_s: float
    prepare_s: float
    push_s: float
    replace_s: float
    rival_s: float
    is_right: bool

    @property
    def ratio(self) -> float:
        """The push's share of the rival's time."""
        return self.push_s / self.rival_s


def measure(shape_kji: tuple[int, int, int], rounds: int = ROUNDS) -> Figures:
    """Time the copy of an int16 volume, the push, the replacement and, once, the rival."""
    scene, grid = new_scene(), Geometry(shape_kji, np.diag([0.8, 0.8, 1.0, 1.0]))
    voxels = np.random.default_rng(0).integers(-1024, 1024, (1, *shape_kji), dtype=np.int16)
    volume = push_volume(scene, Image(voxels, grid), "ct")
    del voxels
    result = labeled(grid)
    copies = [seconds_of(lambda: read_volume(volume))[0] for _ in range(rounds)]
    prepared, pushed, replaced, rights = [], [], [], []
    for _ in range(rounds):
        prepare_s, ready = seconds_of(lambda: prepare_push(result))
        expected = dict(ready.voxel_counts)
        push_s, node = seconds_of(lambda: push_segmentation(scene, ready, name="s", reference_node=volume))  # noqa: B023
        again = prepare_push(result)
        replace_s, _ = seconds_of(lambda: replace_segmentation(scene, node, again, reference_node=volume))  # noqa: B023
        rights.append(voxel_counts(node) == expected)
        let_go(node.GetSegmentation())
        scene.RemoveNode(node)
        prepared.append(prepare_s)
        pushed.append(push_s)
        replaced.append(replace_s)
    rival_s, rival = seconds_of(lambda: push_one_by_one(scene, result))
    rights.append(voxel_counts(rival) == expected)
    medians = (statistics.median(times) for times in (copies, prepared, pushed, replaced))
    return Figures(*medians, rival_s=rival_s, is_right=all(rights))


def labeled(grid: Geometry) -> Result:
    """A result of ``SEGMENTS`` boxes that fill half of the grid."""
    layer = np.zeros(grid.shape_kji, np.uint8)
    steps = [n // _BLOCKS for n in grid.shape_kji]
    for n in range(SEGMENTS):
        at = np.unravel_index(n, (_BLOCKS,) * 3)
        layer[
            tuple(slice(a * step + step // 10, (a + 1) * step - step // 10) for a, step in zip(at, steps, strict=True))
        ] = n + 1
    table = LabelTable(tuple(Segment(f"s{n}", f"Segment {n}", n + 1, (n, 255 - n, 90)) for n in range(SEGMENTS)))
    return Result(grid, (layer,), table)


def push_one_by_one(scene: Any, result: Result) -> Any:
    """A segmentation node whose segments were added one by one, each with a labelmap of its own."""
    node = scene.AddNode(slicer.vtkMRMLSegmentationNode())
    node.CreateDefaultDisplayNodes()
    node.GetSegmentation().SetSourceRepresentationName(LABELMAP)
    for segment in result.table:
        labelmap = slicer.vtkOrientedImageData()
        set_voxels(labelmap, (result.layers[segment.layer] == segment.value).astype(np.uint8))
        labelmap.SetImageToWorldMatrix(ras_matrix(result.geometry))
        added = slicer.vtkSegment()
        added.SetName(segment.name)
        added.SetColor(*(channel / 255.0 for channel in segment.color))
        node.GetSegmentation().AddSegment(added, segment.id)
        slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
            labelmap, node, segment.id, slicer.vtkSlicerSegmentationsModuleLogic.MODE_REPLACE
        )
    return node


def seconds_of(act: Callable[[], Any]) -> tuple[float, Any]:
    """How long a call took, and what it returned."""
    started_s = time.perf_counter()
    returned = act()
    return time.perf_counter() - started_s, returned


def main() -> None:
    """Print the figures of the full size."""
    found = measure(FULL_KJI)
    sys.stdout.write(
        f"512x512x300, {SEGMENTS} segments: copy in {found.copy_s * 1e3:.0f} ms, push {found.push_s * 1e3:.1f} ms "
        f"(prepared beforehand in {found.prepare_s * 1e3:.0f} ms), replace {found.replace_s * 1e3:.1f} ms, "
        f"one by one {found.rival_s:.1f} s; voxel counts {'right' if found.is_right else 'WRONG'}\n"
    )


if __name__ == "__main__":
    main()

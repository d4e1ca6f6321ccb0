"""What Slicer's self-test of the module does: quick, and without network or any of the heavy packages.

Each function is one test; it gets the ``unittest.TestCase`` and finds an empty scene.
"""

# ruff: noqa: PT009, PT027 - the application runs this, not pytest

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result
from MedDLLogic.scene.prepare import prepare_push
from MedDLLogic.scene.segmentations import push_segmentation
from MedDLLogic.scene.segments import voxel_counts
from MedDLLogic.scene.volumes import geometry_of, read_volume

from .keep import keep_result
from .launch import module_launch
from .run_state import Wish

SHAPE_KJI = (4, 5, 6)


def models_are_listed(test: unittest.TestCase) -> None:
    """The cards that ship with MedDL are found beside it."""
    test.assertIn("brain-t1", [card.name for card in _logic().models()])


def a_volume_is_read_as_it_lies(test: unittest.TestCase) -> None:
    """Voxels, spacing and place of a volume node are those that the worker gets."""
    node = _volume()
    node.SetSpacing(1.0, 2.0, 3.0)
    volume = read_volume(node)
    test.assertEqual(volume.image.geometry.spacing_ijk_mm, (1.0, 2.0, 3.0))
    np.testing.assert_array_equal(volume.image.voxels[0], slicer.util.arrayFromVolume(node))


def a_result_lies_on_the_volume(test: unittest.TestCase) -> None:
    """Segments come into the scene with their voxels, names and the volume's grid."""
    node = _volume()
    pushed = push_segmentation(
        slicer.mrmlScene, prepare_push(_result(geometry_of(node))), name="test", reference_node=node
    )
    test.assertEqual(voxel_counts(pushed), {"corner": 8})


def a_result_is_kept_as_a_file(test: unittest.TestCase) -> None:
    """Slicer reads the file that is written when the scene cannot take a result."""
    with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
        path = Path(folder, keep_result(_result(Geometry(SHAPE_KJI, np.eye(4))), Path(folder), "self-test"))
        test.assertEqual(voxel_counts(slicer.util.loadSegmentation(str(path))), {"corner": 8})


def python_is_found(test: unittest.TestCase) -> None:
    """There is a Python that can run a process of MedDL's own."""
    test.assertTrue(Path(module_launch("MedDLLib.fetch").program).is_file())


def a_wrong_request_is_refused(test: unittest.TestCase) -> None:
    """A model that nobody knows, or inputs that are not its own, is one line."""
    with test.assertRaisesRegex(MedDLError, "E403"):
        _logic().start(_volume(), "no-such-model")
    with test.assertRaisesRegex(MedDLError, "E331"):
        _logic().backstage.runs.start(Wish("brain-t1", {"flair": _volume()}))


def apply_waits_for_a_volume(test: unittest.TestCase) -> None:
    """Without a volume the button is off."""
    widget = slicer.util.getModuleWidget("MedDL")
    test.assertFalse(slicer.util.findChild(widget.parent, "applyButton").enabled)


TESTS: tuple[Callable[[unittest.TestCase], None], ...] = (
    models_are_listed,
    a_volume_is_read_as_it_lies,
    a_result_lies_on_the_volume,
    a_result_is_kept_as_a_file,
    python_is_found,
    a_wrong_request_is_refused,
    apply_waits_for_a_volume,
)


def _logic() -> Any:
    return slicer.util.getModuleLogic("MedDL")


def _volume() -> Any:
    return slicer.util.addVolumeFromArray(np.arange(120, dtype="int16").reshape(SHAPE_KJI))


def _result(geometry: Geometry) -> Result:
    labels = np.zeros(geometry.shape_kji, np.uint8)
    labels[:2, :2, :2] = 7
    return Result(geometry, (labels,), LabelTable((Segment("corner", "Corner", 7, (200, 100, 50)),)))

"""Closing a scene that holds results."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from MedDLLogic.geometry import Geometry
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result
from MedDLLogic.scene.closing import ease_closing
from MedDLLogic.scene.segmentations import push_segmentation


def push(scene: Any) -> Any:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1, 1], labels[2, 2, 2] = 1, 2
    table = LabelTable((Segment("a", "A", 1, (255, 0, 0)), Segment("b", "B", 2, (0, 255, 0))))
    return push_segmentation(scene, Result(Geometry(labels.shape, np.eye(4)), (labels,), table), name="Result")


def test_a_result_is_empty_before_its_scene_closes(a_scene: Any) -> None:
    node = push(a_scene)
    assert ease_closing(a_scene) == 1
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_a_segmentation_of_others_is_left_alone(a_scene: Any) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.GetSegmentation().AddSegment(slicer.vtkSegment(), "theirs")
    assert ease_closing(a_scene) == 0
    assert node.GetSegmentation().GetNumberOfSegments() == 1


def test_the_scene_can_be_closed_and_used_again(a_scene: Any) -> None:
    push(a_scene)
    ease_closing(a_scene)
    a_scene.Clear(0)
    assert push(a_scene).GetSegmentation().GetNumberOfSegments() == 2

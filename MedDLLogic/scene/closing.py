"""What keeps the end of a scene from taking minutes."""

from __future__ import annotations

from .mrml import Scene, slicer
from .segments import intended_labels, is_labelmap, let_go

_CLASS = "vtkMRMLSegmentationNode"


def ease_closing(scene: Scene) -> int:
    """Empty the segmentations that MedDL made, of a scene that is about to be closed; returns how many.

    VTK would delete them segment by segment (see ``let_go``), and nothing else could be done meanwhile.
    A script that keeps such a node beyond the end of its scene finds no segments in it.
    """
    nodes = [scene.GetNthNodeByClass(n, _CLASS) for n in range(scene.GetNumberOfNodesByClass(_CLASS))]
    made_here = [node for node in nodes if is_labelmap(node) and any(intended_labels(node))]
    for node in made_here:
        segmentation = node.GetSegmentation()
        node.SetAndObserveSegmentation(slicer.vtkSegmentation())  # one event, and nobody follows what comes next
        let_go(segmentation)
    return len(made_here)

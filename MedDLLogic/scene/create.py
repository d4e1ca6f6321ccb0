"""Scenes for use without the application."""

from __future__ import annotations

from .mrml import Node, Scene, slicer

_SLICE_VIEWS = ("Red", "Green", "Yellow")


def new_scene() -> Scene:
    """An empty scene that knows segmentations and has a subject hierarchy, as saving and loading need."""
    scene = slicer.vtkMRMLScene()
    slicer.vtkSlicerSegmentationsModuleLogic().SetMRMLScene(scene)  # registers its classes of nodes
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return scene


def show_in_slices(scene: Scene, volume_node: Node) -> None:
    """Let the three slice views show a volume, now or when the saved scene is opened in 3D Slicer."""
    for name in _SLICE_VIEWS:
        view = scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        if view is None:
            view = slicer.vtkMRMLSliceCompositeNode()
            view.SetSingletonTag(name)
            view.SetLayoutName(name)
            view = scene.AddNode(view)
        view.SetBackgroundVolumeID(volume_node.GetID())

"""The scene as the application has it: all classes registered, bundles readable, an item in the subject hierarchy for each
node that has one there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer as headless
from vtkmodules.util.misc import calldata_type
from vtkmodules.vtkCommonCore import VTK_OBJECT

from .mrml_widgets import observe

_WITH_ITEM = ("vtkMRMLDisplayableNode", "vtkMRMLTableNode", "vtkMRMLTextNode")


def application_scene(folder: Path) -> Any:
    """An empty scene; ``folder`` takes what is unpacked from scene bundles."""
    scene = headless.vtkMRMLScene()
    for kind in ("vtkMRMLSelectionNode", "vtkMRMLInteractionNode"):
        node = scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetSingletonTag("Singleton")
        scene.AddNode(node)
    for logic in (headless.vtkSlicerSegmentationsModuleLogic, headless.vtkSlicerMarkupsLogic):
        logic().SetMRMLScene(scene)  # registers its classes of nodes
    cache, transfer = headless.vtkCacheManager(), headless.vtkDataIOManager()
    unpacked = folder / "RemoteIO"
    unpacked.mkdir(exist_ok=True)
    cache.SetRemoteCacheDirectory(str(unpacked))
    transfer.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(transfer)
    _keep_hierarchy(scene)
    return scene


def _keep_hierarchy(scene: Any) -> None:
    """Do what the plugins of the subject hierarchy do: nodes get their items by themselves."""

    def hierarchy() -> Any:
        return headless.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    def add_item(node: Any) -> None:
        if not node.GetHideFromEditors() and any(node.IsA(kind) for kind in _WITH_ITEM):
            found = hierarchy()
            if not found.GetItemByDataNode(node):
                found.CreateItem(found.GetSceneItemID(), node)

    @calldata_type(VTK_OBJECT)
    def on_added(_scene: Any, _event: str, node: Any) -> None:
        if not scene.IsImporting() and not scene.IsClosing():
            add_item(node)

    def on_imported(*_event: Any) -> None:
        for index in range(scene.GetNumberOfNodes()):
            add_item(scene.GetNthNode(index))

    hierarchy()
    observe(scene, scene.NodeAddedEvent, on_added)
    observe(scene, scene.EndImportEvent, on_imported)
    observe(scene, scene.EndCloseEvent, lambda *_: hierarchy())

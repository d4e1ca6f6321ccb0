"""Where nodes stand in the subject hierarchy, the tree that users see in the Data module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .mrml import Node, Scene, slicer

_NO_ITEM = 0


def place_beside(scene: Scene, node: Node, neighbor: Node | None) -> None:
    """Put ``node`` under the same parent item (study, folder, scene) as ``neighbor``.

    The application makes an item for each node by itself; without it the items are made here.
    """
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parent = tree.GetSceneItemID() if neighbor is None else tree.GetItemParent(_item(tree, neighbor))
    tree.SetItemParent(_item(tree, node), parent)


@contextmanager
def items_kept_on_error(scene: Scene, *nodes: Node | None) -> Iterator[None]:
    """When the ``with`` block fails, remove the items of these nodes that were not there before; nodes stay."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    without = [node for node in nodes if node is not None and tree.GetItemByDataNode(node) == _NO_ITEM]
    try:
        yield
    except BaseException:
        for node in without:
            item = tree.GetItemByDataNode(node)
            if item != _NO_ITEM:
                tree.RemoveItem(item, 0, 0)  # neither the node nor other items
        raise


def attribute(node: Node, name: str) -> str:
    """An attribute of a node's item, such as ``"DICOM.Modality"``; empty when there is none."""
    scene = node.GetScene()
    tree = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") if scene is not None else None
    if tree is None:
        return ""
    item = tree.GetItemByDataNode(node)
    return str(tree.GetItemAttribute(item, name)) if item != _NO_ITEM else ""


def _item(tree: Node, node: Node) -> int:
    item = tree.GetItemByDataNode(node)
    if item == _NO_ITEM:
        item = tree.CreateItem(tree.GetSceneItemID(), node)
    return int(item)

"""Fixtures of scene tests: scenes, volumes under transforms, results. Needs numpy and slicer-core only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.labels import Code, LabelTable, Segment, Terminology
from MedDLLogic.result import Measurement, Provenance, Result
from MedDLLogic.scene.arrays import vtk_matrix
from MedDLLogic.scene.create import new_scene
from MedDLLogic.scene.mrml import Node, Scene, slicer
from MedDLLogic.scene.volumes import push_volume

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
BRAIN = Terminology(ANATOMY, Code("SCT", "12738006", "Brain"), region=Code("SCT", "69536005", "Head"))


@pytest.fixture
def a_scene() -> Scene:
    return new_scene()


@pytest.fixture
def an_oblique_grid() -> Geometry:
    turn, tilt = np.deg2rad(20.0), np.deg2rad(-35.0)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    matrix = np.eye(4)
    matrix[:3, :3] = (about_z @ about_x) * [0.9, 1.1, 3.0]
    matrix[:3, 3] = [-31.25, 12.5, 1 / 3]
    return Geometry((6, 8, 10), matrix)


@pytest.fixture
def a_volume_node(a_scene: Scene, an_oblique_grid: Geometry) -> Node:
    voxels = np.arange(480, dtype=np.int16).reshape(1, *an_oblique_grid.shape_kji)
    return push_volume(a_scene, Image(voxels, an_oblique_grid), "T1")


@pytest.fixture
def a_result(an_oblique_grid: Geometry) -> Callable[..., Result]:
    """``a_result([1, 5, 9], [2])``: one layer a list of label values; value ``-n`` is an absent label ``n``."""

    def make(*values_by_layer: list[int], geometry: Geometry = an_oblique_grid, **rest: Any) -> Result:
        layers, segments = [], []
        for layer, values in enumerate(values_by_layer):
            present = [value for value in values if value > 0]
            layers.append(_stripes(present, geometry.shape_kji, seed=layer))
            segments += [_segment(abs(value), layer, number) for number, value in enumerate(values, len(segments))]
        return Result(geometry, tuple(layers), LabelTable(tuple(segments)), **rest)

    return make


@pytest.fixture
def a_measured_result(a_result: Callable[..., Result]) -> Result:
    measurements = (
        Measurement("layer0_value1", "volume", 12.5, "ml"),
        Measurement("layer0_value5", "volume", 0.25, "ml"),
        Measurement("layer0_value1", "mean_intensity", 101.0, ""),
    )
    return a_result([1, 5], measurements=measurements, provenance=Provenance(card="brain", card_version="1.2"))


@pytest.fixture
def under() -> Callable[..., Node]:
    """``under(node, matrix)`` puts a node under a linear transform from its RAS to its parent's; returns that."""

    def put(node: Node, matrix: np.ndarray) -> Node:
        transform = slicer.vtkMRMLLinearTransformNode()
        transform.SetMatrixTransformToParent(vtk_matrix(np.asarray(matrix, dtype=np.float64)))
        node.GetScene().AddNode(transform)
        node.SetAndObserveTransformNodeID(transform.GetID())
        return transform

    return put


def _stripes(values: list[int], shape_kji: tuple[int, int, int], *, seed: int) -> np.ndarray:
    """Label volume in which each value and 0 stand at random, each value another number of times."""
    choices = np.array([0, *values], dtype=np.uint16)
    weights = np.arange(1, len(choices) + 1) / np.arange(1, len(choices) + 1).sum()
    return np.random.default_rng(seed).choice(choices, size=shape_kji, p=weights)


def _segment(value: int, layer: int, number: int) -> Segment:
    color = (number * 37 % 256, 255 - number, 128)
    return Segment(
        f"layer{layer}_value{value}",
        f"Größe {value} | {layer}",
        value,
        color,
        BRAIN if number % 2 == 0 else None,
        layer,
    )

"""Where the classes of the scene come from: the running application, or the slicer-core package."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import MedDLError

Node = Any
Scene = Any

_NOT_THERE = MedDLError(
    "E104", "the MRML scene is not there", "neither 3D Slicer nor slicer-core", "pip install slicer-core"
)


def _find_slicer() -> Any:
    # Another package on the index is called "slicer" too and may hide slicer-core's entry point.
    for name in ("slicer", "slicer_core"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "vtkMRMLScene"):
            return module
    raise _NOT_THERE


slicer = _find_slicer()

try:
    from vtkmodules.util import numpy_support as _numpy_support
    from vtkmodules.vtkCommonCore import reference, vtkDoubleArray, vtkObject, vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform
except ImportError as exc:
    raise _NOT_THERE from exc

numpy_support: Any = _numpy_support  # its functions carry no types

__all__ = [
    "Node",
    "Scene",
    "numpy_support",
    "reference",
    "slicer",
    "vtkDoubleArray",
    "vtkGeneralTransform",
    "vtkImageData",
    "vtkMatrix4x4",
    "vtkObject",
    "vtkStringArray",
]

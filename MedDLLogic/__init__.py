"""MedDL: from a medical image to a verified result, in 3D Slicer and without it.

``segment`` and the types it takes and gives are here; they are loaded when first used, so that
importing the package costs nothing and brings no heavy library into Slicer's process.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import segment
    from .errors import MedDLError
    from .geometry import Geometry
    from .image import Image
    from .job import Box, Job
    from .labels import LabelTable, Segment
    from .result import Result

__version__ = "0.1.0"

__all__ = ["Box", "Geometry", "Image", "Job", "LabelTable", "MedDLError", "Result", "Segment", "segment"]

_HOMES = {
    "Box": "job",
    "Geometry": "geometry",
    "Image": "image",
    "Job": "job",
    "LabelTable": "labels",
    "MedDLError": "errors",
    "Result": "result",
    "Segment": "labels",
    "segment": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

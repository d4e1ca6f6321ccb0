"""MedDL: from a medical image to a verified result, in 3D Slicer and without it.

``segment``, ``plan_segment``, ``run_recipe`` and the types they take and give are here; they are loaded when first
used, so that importing the package costs nothing and brings no heavy library into Slicer's process.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import plan_segment, run_recipe, segment
    from .errors import MedDLError
    from .geometry import Geometry
    from .image import Image
    from .job import Box, BoxPrompt, Job
    from .labels import LabelTable, Segment
    from .recipe import Recipe
    from .result import Result
    from .tasks.plan import Plan

__version__ = "0.1.0"

__all__ = [
    "Box",
    "BoxPrompt",
    "Geometry",
    "Image",
    "Job",
    "LabelTable",
    "MedDLError",
    "Plan",
    "Recipe",
    "Result",
    "Segment",
    "plan_segment",
    "run_recipe",
    "segment",
]

_HOMES = {
    "Box": "job",
    "BoxPrompt": "job",
    "Geometry": "geometry",
    "Image": "image",
    "Job": "job",
    "LabelTable": "labels",
    "MedDLError": "errors",
    "Plan": "tasks.plan",
    "Recipe": "recipe",
    "Result": "result",
    "Segment": "labels",
    "plan_segment": "api",
    "run_recipe": "api",
    "segment": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

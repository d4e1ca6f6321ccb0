"""Which packages make an environment, and how it is known whether one was made of just these."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..records import canonical_sha256
from ..resources import resource_path
from .builds import TorchBuild, build_named

# Package -> the module that the test imports. torch first: a wrong one brings the others down with it.
WORKER_MODULES = {
    "torch": "torch",
    "numpy": "numpy",
    "monai": "monai",
    "SimpleITK": "SimpleITK",
    "scipy": "scipy.ndimage",
    "scikit-image": "skimage.filters",
    "pydicom": "pydicom",
    "pillow": "PIL.Image",
    "safetensors": "safetensors.torch",
    "onnx": "onnx",
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "PyYAML": "yaml",
    "matplotlib": "matplotlib.figure",
}


@dataclass(frozen=True)
class Stack:
    """What is installed together.

    Parameters
    ----------
    requirements, constraints : lines for pip; those of torch's build are among the requirements.
    modules : package -> module of it that must be there.
    """

    build: TorchBuild
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    modules: Mapping[str, str]


@dataclass(frozen=True)
class _Made:
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    build: str
    index_url: str
    python: str
    platform: str


def standard_stack(build_name: str) -> Stack:
    """What the worker needs, with that build of torch; E101 when there is no such build."""
    build = build_named(build_name)
    return Stack(
        build=build,
        requirements=(build.requirement, *standard_requirements()),
        constraints=_lines("constraints.txt"),
        modules=WORKER_MODULES,
    )


def standard_requirements() -> tuple[str, ...]:
    """What the worker needs, whatever the build of torch: lines such as ``"monai>=1.6.1"``."""
    return _lines("requirements.txt")


def fingerprint(stack: Stack, python: str, platform: str) -> str:
    """16 hex digits that change when another environment would be made."""
    build = stack.build
    made = _Made(stack.requirements, stack.constraints, build.name, build.index_url, python, platform)
    return canonical_sha256(made)[:16]


def python_tag() -> str:
    """Version of this Python as far as compiled packages depend on it, such as ``"3.12"``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def _lines(name: str) -> tuple[str, ...]:
    return _without_comments(resource_path("environment", name))


def _without_comments(path: Path) -> tuple[str, ...]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)

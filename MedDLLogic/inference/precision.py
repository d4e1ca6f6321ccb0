"""Who computes a network, and in which numbers: what a job asks for, made into what this machine and this model allow."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from ..disk import disk_errors
from ..errors import MedDLError
from ..io.write import write_text
from ..job import Backend, Precision
from ..models.card import NetworkStage
from ..models.registry import FoundCard
from ..records import canonical_sha256, parse_json, to_json_text
from ..storage import settings_folder

FAST_DICE = 0.998
"""Least Dice of every segment against ``reference``, on the card's check case, for ``fast`` to be the default."""

THREADS_VARIABLE = "MEDDL_THREADS"
"""Environment variable: how many threads compute on the CPU; all cores without it."""

MAX_BYTES = 1 << 20
_MOST_KEPT = 200
_HALF_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """How a job wants its networks computed.

    Parameters
    ----------
    precision, backend, mirroring, members : as in ``Job``.
    with_variance : one more channel holds the variance over all predictions (``averaged.Averaged``).
    """

    precision: Precision = "auto"
    backend: Backend = "auto"
    mirroring: bool = False
    members: int = 0
    with_variance: bool = False


@dataclass(frozen=True)
class Passed:
    """What a model's check case gave on this machine: precision -> lowest Dice of a segment against ``reference``."""

    dice: Mapping[str, float]


@dataclass(frozen=True)
class Checks:
    """All check cases that ran, by ``check_key``, oldest first."""

    passed: Mapping[str, Passed] = field(default_factory=dict)
    schema_version: Literal[1] = 1


def resolve(choice: Choice, found: FoundCard, stage: NetworkStage, device: str) -> tuple[Backend, Precision]:
    """Who computes the stage's network and how; neither is ``"auto"``.

    Raises
    ------
    MedDLError : E504 for what was asked for by name and cannot be had here.
    """
    is_graph = stage.network.format == "onnx"
    if choice.precision == "reference":
        if is_graph:
            raise MedDLError("E504", "reference is what torch computes", "this model is a graph", "choose exact")
        return "torch", "reference"
    if device != "cpu" and not is_graph:
        if choice.backend in ("openvino", "onnxruntime"):
            raise MedDLError("E504", f"{choice.backend} computes on the CPU", "", "choose device cpu, or backend torch")
        wanted = "fast" if choice.precision == "auto" and is_good_when_fast(found, stage) else choice.precision
        return "torch", "exact" if wanted == "auto" else wanted
    if is_graph and choice.backend == "torch":
        raise MedDLError("E504", "torch does not run ONNX graphs", "", "choose backend openvino or onnxruntime")
    backend: Backend = "openvino" if choice.backend == "auto" else choice.backend
    if choice.precision == "fast":
        _require_fast(backend)
        return backend, "fast"
    may_be_fast = choice.precision == "auto" and backend == "openvino"
    return backend, "fast" if may_be_fast and is_good_when_fast(found, stage) and has_bf16() else "exact"


def is_good_when_fast(found: FoundCard, stage: NetworkStage) -> bool:
    """Whether ``fast`` gave the same segments on the card's check case: on this machine, else where the card was made."""
    here = _read().passed.get(check_key(stage))
    if here is not None:
        return here.dice.get("fast", 0.0) >= FAST_DICE
    check = found.card.check
    return check is not None and check.dice.get("fast", 0.0) >= FAST_DICE


def check_key(stage: NetworkStage) -> str:
    """What a check case's outcome hangs on: weights, network, processor and the engine's version."""
    weights = [weights.sha256 for weights in stage.members]
    return canonical_sha256([weights, canonical_sha256(stage.network), machine_key()])


def remember_check(stages: tuple[NetworkStage, ...], dice: Mapping[str, float]) -> None:
    """Keep the outcome of a check case for every network that took part; E5xx when it cannot be written."""
    known = dict(_read().passed)
    for stage in stages:
        known.pop(check_key(stage), None)
        known[check_key(stage)] = Passed(dice)
    with disk_errors():
        _file().parent.mkdir(parents=True, exist_ok=True)
    write_text(_file(), to_json_text(Checks(dict(list(known.items())[-_MOST_KEPT:]))))


@cache
def machine_key() -> str:
    """Short hash of the processor's name and the engine's version."""
    listing = _cpuinfo()
    names = [line.partition(":")[2].strip() for line in listing if line.startswith("model name")]
    try:
        engine = importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        engine = ""
    text = "|".join((platform.machine(), names[0] if names else platform.processor(), engine))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def has_bf16() -> bool:
    """Whether the processor itself computes in bfloat16; emulated it would be slower than float32."""
    from .openvino_backend import capabilities

    flags = _processor_flags()
    return "BF16" in capabilities() and (not flags or not flags.isdisjoint(_HALF_FLAGS))


@cache
def has_wide_vectors() -> bool:
    """Whether the processor has vectors of 512 bits; False where the system does not say so."""
    return "avx512f" in _processor_flags()


def thread_count() -> int:
    """How many threads are to compute on the CPU, 0 for as many as there are cores; E101 for no such number."""
    given = os.environ.get(THREADS_VARIABLE, "")
    if not given:
        return 0
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= 1024:
        raise MedDLError("E101", THREADS_VARIABLE, "1 to 1024")
    return int(given)


def _require_fast(backend: Backend) -> None:
    if backend != "openvino":
        raise MedDLError("E504", f"{backend} computes in float32 on the CPU", "", "choose backend openvino, or exact")
    if not has_bf16():
        raise MedDLError("E504", "fast needs a processor with bfloat16", "this one has none", "choose exact")


def _processor_flags() -> set[str]:
    """What the processor can do in the words of Linux; empty on other systems."""
    return {flag for line in _cpuinfo() if line.startswith(("flags", "Features")) for flag in line.split()[2:]}


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # another system, whose processor OpenVINO knows
        return []


def _file() -> Path:
    return settings_folder() / "checks.json"


def _read() -> Checks:
    try:
        with _file().open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError:  # none yet
        return Checks()
    try:
        return parse_json(Checks, text)
    except MedDLError as exc:
        _log.warning("outcomes of check cases are not readable and count as none (%s)", exc.code)
        return Checks()

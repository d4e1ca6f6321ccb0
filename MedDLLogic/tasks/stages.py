"""A card's stages, one after the other: images on one grid in, named masks on the same grid out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..events import Reporter
from ..geometry import Geometry, require_millimetres
from ..image import Image
from ..inference.backend import Allocate, Floats, Predictor
from ..inference.decode import Decoded, Decoding
from ..inference.ladder import Rung, on_disk
from ..inference.patches import Shape, tile_count, tiling_for
from ..inference.precision import Choice
from ..inference.warm import Networks
from ..io.verdict import Finding
from ..job import Quality
from ..masks import Mask, Masks
from ..models.card import ModelCard, NetworkStage, Weights
from ..models.registry import FoundCard, used_card
from ..postprocess.run import apply_postprocess
from ..preprocess.run import apply_recipe
from ..preprocess.working import Working
from ..records import to_json
from ..result import AppliedStep
from .history import LOAD, NETWORK

PREPARED, PREDICTED = 0.15, 0.9
"""Shares of a network stage after which its image is prepared, and its network done, until past runs teach better."""

PREDICT = "predict"
"""Kind of the step in a run's record that stands for the network."""

MOST_IN_MEMORY = 1 << 30
"""Bytes of volumes of numbers that are made in memory; what is more goes to the disk, to be read again volume by
volume."""

_RUNGS: Mapping[Rung, str] = {
    "batch-1": "one patch at a time",
    "accumulate-on-cpu": "activations are added up beside the CPU",
    "accumulate-on-disk": "activations go through the disk, which takes longer",
    "compute-on-cpu": "the CPU computes, which takes longer",
}


@dataclass
class Run:
    """What all stages of one run share, and what they leave for its record.

    Parameters
    ----------
    probabilities_of : the segments whose probability volumes are kept.
    uncertainty_of : the segments for whose networks it is told how sure they are; of several the least sure one counts.
    """

    device: str
    reporter: Reporter
    probabilities_of: frozenset[str] = frozenset()
    uncertainty_of: frozenset[str] = frozenset()
    quality: Quality = "standard"
    choice: Choice = field(default_factory=Choice)
    networks: Networks = field(default_factory=Networks)
    steps: list[AppliedStep] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    weights_sha256: dict[str, str] = field(default_factory=dict)
    probabilities: dict[str, Floats] = field(default_factory=dict)
    uncertainty: dict[str, Floats] = field(default_factory=dict)

    def warn(self, code: str, message: str) -> None:
        """Tell something at once, and keep it for the record."""
        self.findings.append(Finding(code, "warning", message))
        self.reporter.warn(code, message)


def run_card(found: FoundCard, images: Mapping[str, Image], run: Run, prefix: str = "") -> Masks:
    """The masks of the card's segments on the images' grid.

    Raises
    ------
    MedDLError : E331 when a role has no image or an image no role, E403 when weights are not here, and all that
        preparing, predicting and decoding raise.
    """
    if found.card.prompted_stage is not None:
        raise MedDLError("E401", "a card that draws boxes cannot be a stage of another", found.card.name)
    _require_roles(found.card, images)
    masks = Masks(next(iter(images.values())).geometry.shape_kji)
    for stage in found.card.stages:
        if isinstance(stage, NetworkStage):
            masks = masks.joined(_run_network(found, stage, images, masks, run, prefix))
        else:
            inner = {role: _within(images[use.role], masks, use.within) for role, use in stage.inputs.items()}
            made = run_card(used_card(found, stage.card), inner, run, f"{prefix}{stage.name}: ")
            # What a card found in an image that was cut out of another lies within the cut, to the voxel.
            for area in [masks[use.within] for use in stage.inputs.values() if use.within]:
                made = made.within(area)
            masks = masks.joined(made)
    missing = [segment.id for segment in found.card.segments if segment.id not in masks]
    if missing:
        raise MedDLError("E401", "no stage makes a segment that the card promises", ", ".join(missing)[:80])
    return masks.only(segment.id for segment in found.card.segments)


def _run_network(
    found: FoundCard, stage: NetworkStage, images: Mapping[str, Image], masks: Masks, run: Run, prefix: str
) -> Masks:
    name = prefix + stage.name
    with run.reporter.stage(name):
        image = _stacked([images[role] for role in stage.inputs])
        with run.reporter.part("prepare", 0.0, PREPARED):
            # Every step that changes the grid takes all masks along, so those of no use here stay behind.
            needed = {mask: masks[mask] for mask in stage.masks_used if mask in masks}
            working, steps = apply_recipe(stage.recipe, Working(image, needed), run.reporter, name)
        run.steps.extend(steps)
        decoded = _Prediction(found, stage, working, run, name).run(image.geometry)
        cleaned = apply_postprocess(stage.postprocess, decoded.masks, image.geometry)
        for number, weights in enumerate(_members(stage, run)):
            run.weights_sha256[f"{name} {number + 1}" if number else name] = weights.sha256
        run.probabilities |= decoded.probabilities
        for kind, volume in decoded.uncertainty.items():
            known = run.uncertainty.setdefault(kind, volume)
            np.maximum(known, volume, out=known)
        return cleaned


class _Prediction:
    """One network and one working volume."""

    def __init__(self, found: FoundCard, stage: NetworkStage, working: Working, run: Run, name: str) -> None:
        self._found, self._stage, self._working, self._run, self._name = found, stage, working, run, name
        self._tiling = tiling_for(stage.tiling, run.quality)
        self._tells_doubt = not run.uncertainty_of.isdisjoint(stage.decode.channels)
        self._mirrored = self._tiling.mirror_axes if run.choice.mirroring else ()
        is_mean = len(_members(stage, run)) > 1 or bool(self._mirrored)
        self._choice = replace(run.choice, with_variance=self._tells_doubt and is_mean)
        self._rung: Rung = "planned"
        self._predictor: Predictor | None = None
        self._device = ""
        self._notes: list[str] = []

    def run(self, native: Geometry) -> Decoded:
        """What the network finds, on the native grid."""
        run, grid = self._run, self._working.geometry
        with run.reporter.part(LOAD, PREPARED, PREPARED):
            from ..inference.run import run_network

            self._load()
        side: dict[str, Floats] = {name: _side_input(name, grid) for name in self._stage.network.side_inputs}
        started_s = time.perf_counter()
        with run.reporter.part(NETWORK, PREPARED, PREDICTED):
            decoded = run_network(
                self._ready,
                run.device,
                self._working.voxels,
                side,
                self._tiling,
                partial(self._decoding, native),
                run.reporter.update,
                self._on_rung,
            )
        seconds = round(time.perf_counter() - started_s, 3)
        for note in getattr(self._predictor, "notes", []):  # some come up only as it computes
            self._note(note)
        run.steps.append(self._record(seconds))
        return decoded

    def _load(self) -> None:
        """Ahead of the first patch; where memory does not suffice, the ladder begins with that."""
        try:
            self._ready(self._run.device)
        except MedDLError as exc:
            if exc.code != "E502":
                raise

    def _ready(self, device: str) -> Predictor:
        if self._predictor is None or self._device != device:
            self._predictor = None  # its memory may be what the next one needs
            self._predictor = self._run.networks.ready(
                self._found, self._stage, device, self._choice, self._tiling, on_note=self._note
            )
            self._device = device
        return self._predictor

    def _note(self, text: str) -> None:
        """Tell what is not done as planned, once."""
        if text not in self._notes:
            self._notes.append(text)
            self._run.warn("E504", f"{self._name}: {text}")

    def _on_rung(self, rung: Rung) -> None:
        self._rung = rung
        self._run.warn("E502", f"memory is short in {self._name}: {_RUNGS[rung]}")

    def _decoding(self, native: Geometry, allocate: Allocate, axes: Shape) -> Decoding:
        return Decoding(
            self._stage.decode,
            self._working.masks,
            self._working.geometry,
            native,
            axes,
            allocate=_spilling(allocate),
            probabilities_of=self._run.probabilities_of,
            uncertainty=self._tells_doubt,
            has_variance=self._choice.with_variance,
        )

    def _record(self, seconds: float) -> AppliedStep:
        """How the volume was cut, as the job's quality made it, and who computed it in which way."""
        shape_kji, predictor = self._working.geometry.shape_kji, self._predictor
        found = {"shape_kji": list(shape_kji), "tiles": tile_count(shape_kji, self._tiling)}
        if predictor is not None:
            found |= {"backend": predictor.backend, "precision": predictor.precision, "device": predictor.device}
        found |= {"members": len(_members(self._stage, self._run)), "mirrored_axes": list(self._mirrored)}
        found |= {"rung": self._rung} | ({"notes": self._notes} if self._notes else {})
        return AppliedStep(self._name, {"kind": PREDICT, **to_json(self._tiling)}, found, seconds)


def _members(stage: NetworkStage, run: Run) -> tuple[Weights, ...]:
    return stage.members[: run.choice.members or None]


def _spilling(allocate: Allocate) -> Allocate:
    """The same, but on the disk as soon as arrays would take more than ``MOST_IN_MEMORY`` together."""
    given = 0

    def allocated(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        nonlocal given
        given += math.prod(shape) * dtype.itemsize
        return (on_disk if given > MOST_IN_MEMORY else allocate)(shape, dtype)

    return allocated


def _side_input(name: str, grid: Geometry) -> Floats:
    if name != "spacing_ijk_mm":
        raise MedDLError("E401", "side input not known", name[:40])
    require_millimetres(grid)
    return np.asarray([grid.spacing_ijk_mm], dtype=np.float32)


def _stacked(images: list[Image]) -> Image:
    first = images[0]
    if len(images) == 1:
        return first
    voxels = np.concatenate([np.asarray(image.voxels, dtype=np.float32) for image in images])
    names = tuple(f"{n}-{name}" for n, image in enumerate(images) for name in image.channel_names)
    return Image(voxels, first.geometry, names, first.modality, first.units, first.frame_of_reference)


def _within(image: Image, masks: Mapping[str, Mask], mask: str) -> Image:
    if not mask:
        return image
    if mask not in masks:
        raise MedDLError("E401", "no earlier stage makes the mask", mask[:40])
    return image.with_voxels(np.where(masks[mask], image.voxels, image.voxels.dtype.type(0)))


def _require_roles(card: ModelCard, images: Mapping[str, Image]) -> None:
    missing = [role for role in card.roles if role not in images]
    unknown = [role for role in images if role not in card.roles]
    if missing or unknown:
        why = f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        raise MedDLError("E331", f"{card.name} needs {', '.join(card.roles)}", why[:80])

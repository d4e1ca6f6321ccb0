"""A card's stages, one after the other: images on one grid in, named masks on the same grid out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..events import Reporter
from ..geometry import Geometry, require_millimetres
from ..image import Image
from ..inference.decode import Decoded, Mask, decode
from ..inference.patches import tile_count, tiling_for
from ..inference.warm import Networks
from ..job import Quality
from ..models.card import ModelCard, NetworkStage, Tiling
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


@dataclass
class Run:
    """What all stages of one run share, and what they leave for its record.

    ``probabilities_of`` names the segments whose probability volumes are kept.
    """

    device: str
    reporter: Reporter
    probabilities_of: frozenset[str] = frozenset()
    quality: Quality = "standard"
    networks: Networks = field(default_factory=Networks)
    steps: list[AppliedStep] = field(default_factory=list)
    weights_sha256: dict[str, str] = field(default_factory=dict)
    probabilities: dict[str, NDArray[np.float32]] = field(default_factory=dict)


def run_card(found: FoundCard, images: Mapping[str, Image], run: Run, prefix: str = "") -> dict[str, Mask]:
    """The masks of the card's segments, (k, j, i), on the images' grid.

    Raises
    ------
    MedDLError : E331 when a role has no image or an image no role, E403 when weights are not here, and all that
        preparing, predicting and decoding raise.
    """
    _require_roles(found.card, images)
    masks: dict[str, Mask] = {}
    for stage in found.card.stages:
        if isinstance(stage, NetworkStage):
            masks |= _run_network(found, stage, images, masks, run, prefix)
        else:
            inner = {role: _within(images[use.role], masks, use.within) for role, use in stage.inputs.items()}
            made = run_card(used_card(found, stage.card), inner, run, f"{prefix}{stage.name}: ")
            masks |= _confined(made, [masks[use.within] for use in stage.inputs.values() if use.within])
    missing = [segment.id for segment in found.card.segments if segment.id not in masks]
    if missing:
        raise MedDLError("E401", "no stage makes a segment that the card promises", ", ".join(missing)[:80])
    return {segment.id: masks[segment.id] for segment in found.card.segments}


def _run_network(
    found: FoundCard, stage: NetworkStage, images: Mapping[str, Image], masks: Mapping[str, Mask], run: Run, prefix: str
) -> dict[str, Mask]:
    name = prefix + stage.name
    with run.reporter.stage(name):
        image = _stacked([images[role] for role in stage.inputs])
        with run.reporter.part("prepare", 0.0, PREPARED):
            # Every step that changes the grid takes all masks along, so those of no use here stay behind.
            needed = {mask: masks[mask] for mask in stage.masks_used if mask in masks}
            working, steps = apply_recipe(stage.recipe, Working(image, needed), run.reporter, name)
        run.steps.extend(steps)
        decoded = _predict(found, stage, working, image.geometry, run, name)
        cleaned = apply_postprocess(stage.postprocess, decoded.masks, image.geometry)
        run.weights_sha256[name] = stage.weights.sha256
        run.probabilities |= decoded.probabilities
        return cleaned


def _predict(
    found: FoundCard, stage: NetworkStage, working: Working, native: Geometry, run: Run, full_name: str
) -> Decoded:
    tiling = tiling_for(stage.tiling, run.quality)
    with run.reporter.part(LOAD, PREPARED, PREPARED):
        from ..inference.tiles import load_tiling, predict_volume

        load_tiling(tiling)
        predictor = run.networks.ready(found, stage, run.device)
    grid = working.image.geometry
    side: dict[str, NDArray[np.float32]] = {name: _side_input(name, grid) for name in stage.network.side_inputs}
    voxels = np.asarray(working.image.voxels, dtype=np.float32)
    started_s = time.perf_counter()
    with run.reporter.part(NETWORK, PREPARED, PREDICTED):
        activations = predict_volume(predictor, voxels, side, tiling, run.reporter.update)
    run.steps.append(_prediction(full_name, grid, tiling, round(time.perf_counter() - started_s, 3)))
    return decode(activations, stage.decode, working.masks, grid, native, probabilities_of=run.probabilities_of)


def _prediction(stage: str, grid: Geometry, tiling: Tiling, seconds: float) -> AppliedStep:
    """The record of one network: how its volume was cut, as the job's quality made it."""
    found = {"shape_kji": list(grid.shape_kji), "tiles": tile_count(grid.shape_kji, tiling)}
    return AppliedStep(stage, {"kind": PREDICT, **to_json(tiling)}, found, seconds)


def _side_input(name: str, grid: Geometry) -> NDArray[np.float32]:
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


def _confined(made: dict[str, Mask], areas: list[Mask]) -> dict[str, Mask]:
    """What a card found in an image that was cut out of another lies within the cut, to the voxel."""
    for area in areas:
        made = {name: mask & area for name, mask in made.items()}
    return made


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

"""What a run will take, told before it runs: working grids, tiles, seconds and memory.

Grids follow from the recipe by geometry alone; what only voxels can tell, and all times, from past runs of
the same model on this machine. Nothing is read but cards and the history, so Slicer's process may ask.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from ..errors import MedDLError
from ..geometry import Geometry
from ..inference.patches import Shape, tile_count, tile_shape, tiling_for
from ..job import Box, BoxPrompt, Computing
from ..models.card import NetworkStage
from ..models.registry import FoundCard, used_card, with_used_cards
from ..preprocess.new_grid import new_grid
from ..recipe import CropToBox, CropToMask, ResampleToShape
from .box_places import placed
from .forecast import forecast, kept_share
from .history import LOAD, WRITE, PastRun, recall
from .memory import StageSizes, estimated_bytes
from .region import grid_inside

MAX_NETWORKS = 256
"""A card may run others many times over, and those others again: a hostile one would keep a panel waiting for ever."""

UNKNOWN_WIDTH = 8
"""Channels of a network's first layers, to compare two sizes of one whose card does not say."""

_WIDTHS = frozenset({"channels", "base_channels", "features", "feature_size", "init_filters", "filters"})


@dataclass(frozen=True)
class PlannedStage:
    """One network of a run.

    Parameters
    ----------
    name : of the stage, with those of the cards it lies in.
    shape_kji : working grid.
    tile_kji : what goes through the network at once; the whole working grid without patches.
    overlap : of neighbouring tiles, 0 up to 1.
    tiles : how many patches the working grid is cut into.
    predictions : how often each of them is computed: mirrored, and by each network of an ensemble.
    inputs, channels, width : volumes that go in, that come out, and those of the first layers, None where the card
        does not say: what its memory hangs on.
    is_upper_bound : the recipe crops to what only voxels can tell, and no past run says how far.
    """

    name: str
    shape_kji: Shape
    tile_kji: Shape
    overlap: float
    tiles: int
    predictions: int
    inputs: int
    channels: int
    width: int | None
    is_upper_bound: bool = False

    @property
    def work(self) -> int:
        """Voxels of all tiles together, as often as each is computed."""
        return self.tiles * self.predictions * math.prod(self.tile_kji)


@dataclass(frozen=True)
class Plan:
    """What a run will take.

    Parameters
    ----------
    shape_kji : the grid that is searched: the image's, or its part inside the region of interest.
    seconds : from the image to the result, everything loaded; None where the model never ran here.
    load_seconds : what loading libraries and weights adds in a process that has not run the model yet; None if not
        known.
    write_seconds : what writing files adds where that is asked for; None if not known.
    memory_bytes : most memory that the process will hold, or, where a graphics card computes, what will lie there;
        None where the model never ran here and its card does not say enough of the network.
    is_learned : seconds and memory come from past runs on this machine; else memory is a rough estimate.
    """

    shape_kji: Shape
    stages: tuple[PlannedStage, ...]
    seconds: float | None
    load_seconds: float | None
    write_seconds: float | None
    memory_bytes: int | None
    is_learned: bool

    @property
    def tiles(self) -> int:
        """How often networks are called, all stages together."""
        return sum(stage.tiles * stage.predictions for stage in self.stages)

    @property
    def is_upper_bound(self) -> bool:
        """Whether a stage may turn out smaller than planned."""
        return any(stage.is_upper_bound for stage in self.stages)


def plan_run(
    found: FoundCard,
    grid: Geometry,
    computing: Computing = Computing(),  # noqa: B008 - frozen
    *,
    roi: Box | None = None,
    prompts: tuple[BoxPrompt, ...] = (),
) -> Plan:
    """What the model will take on an image of that grid; the weights need not be here.

    Parameters
    ----------
    grid : of the model's first image, in the world where it lies under a linear transform.
    computing, roi, prompts : as in ``Job``; the device ``"auto"`` stands for the one that it came to last.

    Raises
    ------
    MedDLError : E102 for a region outside the image, E330 where millimetres are needed and not known, E303 for a
        grid too large, E401 for cards that run each other in a circle.
    """
    searched = grid_inside(grid, roi)
    past = recall(found.sha256, computing)
    stages = planned_stages(found, searched, computing, past, prompts)
    foretold = forecast(past, is_cold=True, voxels=math.prod(searched.shape_kji), work=work_of(stages))
    writing = foretold.pop(WRITE, None)
    load_s = sum(parts.get(LOAD, 0.0) for parts in foretold.values())
    return Plan(
        searched.shape_kji,
        stages,
        seconds=sum(sum(parts.values()) for parts in foretold.values()) - load_s if past else None,
        load_seconds=load_s if any(run.is_cold for run in past) else None,
        write_seconds=None if writing is None else sum(writing.values()),
        memory_bytes=_memory_bytes(stages, rough_bytes(searched, stages, computing.device), past),
        is_learned=bool(past),
    )


def predictions(stage: NetworkStage, computing: Computing) -> int:
    """How often each patch of the stage goes through a network."""
    members = len(stage.members[: computing.members or None])
    return members * (2 ** len(stage.tiling.mirror_axes) if computing.mirroring else 1)


def can_mirror(found: FoundCard) -> bool:
    """Whether a network of the model may be given mirrored patches."""
    return any(stage.tiling.mirror_axes for owner in with_used_cards(found) for stage in owner.card.network_stages)


def quality_has_effect(found: FoundCard) -> bool:
    """Whether fast and fine differ from standard: not where every network takes its whole volume or plane at once."""
    stages = (stage for owner in with_used_cards(found) for stage in owner.card.network_stages)
    return any(stage.tiling.patch_kji is not None and stage.prompts is None for stage in stages)


def network_stages(found: FoundCard, prefix: str = "") -> Iterator[tuple[str, NetworkStage]]:
    """Every network that a run of the card calls, in order, with the name that its stage goes by."""
    for stage in found.card.stages:
        if isinstance(stage, NetworkStage):
            yield prefix + stage.name, stage
        else:
            yield from network_stages(used_card(found, stage.card), f"{prefix}{stage.name}: ")


def planned_stages(
    found: FoundCard,
    grid: Geometry,
    computing: Computing,
    past: Sequence[PastRun] = (),
    prompts: tuple[BoxPrompt, ...] = (),
) -> tuple[PlannedStage, ...]:
    """The networks of a run on that grid, with what past runs teach of crops; E401 for more than ``MAX_NETWORKS``."""
    if found.card.prompted_stage is not None:
        return (_drawn(found.card.prompted_stage, grid, prompts),)
    networks = tuple(islice(network_stages(found), MAX_NETWORKS + 1))
    if len(networks) > MAX_NETWORKS:
        raise MedDLError("E401", "card runs too many networks", f"over {MAX_NETWORKS}")
    return tuple(_planned(name, stage, grid, computing, past) for name, stage in networks)


def work_of(stages: Sequence[PlannedStage]) -> dict[str, int]:
    """Stage name -> voxels of all its tiles."""
    return {stage.name: stage.work for stage in stages}


def rough_bytes(grid: Geometry, stages: Sequence[PlannedStage], device: str) -> int:
    """Memory in bytes by formula alone."""
    sizes = [StageSizes(s.inputs, s.channels, s.shape_kji, s.tile_kji, s.width or UNKNOWN_WIDTH) for s in stages]
    images = max(stage.inputs for stage in stages)
    return estimated_bytes(math.prod(grid.shape_kji), images, sizes, on_gpu=device.startswith("cuda"))


def _planned(
    name: str, stage: NetworkStage, grid: Geometry, computing: Computing, past: Sequence[PastRun]
) -> PlannedStage:
    kept = kept_share(past, name)
    working = _working_grid(stage, grid, kept).shape_kji
    tiling = tiling_for(stage.tiling, computing.quality)
    return PlannedStage(
        name,
        working,
        tile_shape(working, tiling),
        tiling.overlap if tiling.patch_kji else 0.0,
        tile_count(working, tiling),
        predictions(stage, computing),
        inputs=len(stage.inputs),
        channels=len(stage.decode.channels),
        width=_width(stage),
        is_upper_bound=not kept and _depends_on_voxels(stage),
    )


def _drawn(stage: NetworkStage, grid: Geometry, prompts: tuple[BoxPrompt, ...]) -> PlannedStage:
    """A tile for each slice that has a box; one while there are no boxes yet."""
    slices = {box.where for box in placed(prompts, grid)}
    k, j, i = stage.tiling.patch_kji or grid.shape_kji
    return PlannedStage(stage.name, (k, j, i), (k, j, i), 0.0, len(slices) or 1, 1, inputs=1, channels=1, width=None)


def _working_grid(stage: NetworkStage, grid: Geometry, kept: Sequence[tuple[float, float, float]]) -> Geometry:
    crops = iter(kept)
    for step in stage.recipe:
        share = next(crops, None) if isinstance(step, CropToMask) else None
        if share is None:
            grid = new_grid(step, grid)
        else:
            k, j, i = (max(1, round(size * part)) for size, part in zip(grid.shape_kji, share, strict=True))
            grid = grid.cropped((0, 0, 0), (k, j, i))
    return grid


def _depends_on_voxels(stage: NetworkStage) -> bool:
    """Whether a crop to a mask still shows in the size of the working grid."""
    depends = False
    for step in stage.recipe:
        depends = (depends or isinstance(step, CropToMask)) and not isinstance(step, (ResampleToShape, CropToBox))
    return depends


def _width(stage: NetworkStage) -> int | None:
    """Channels of the first layers, by the parameters that networks call so; None where the card does not say."""
    for name, value in stage.network.parameters.items():
        first = value[0] if isinstance(value, tuple) and value else value
        if name in _WIDTHS and isinstance(first, (int, float)):
            return int(first)
    return None


def _memory_bytes(stages: Sequence[PlannedStage], rough: int, past: Sequence[PastRun]) -> int | None:
    """What past runs took, moved by what the formula says of other sizes; the formula where it has all that it needs."""
    measured = [_moved(run.peak_bytes, run.estimated_bytes, rough) for run in past if run.peak_bytes]
    if measured:
        return round(median(measured))
    return None if any(stage.width is None for stage in stages) else rough


def _moved(measured: int, rough_then: int, rough_now: int) -> float:
    """By the difference where it grows, by the ratio where it shrinks: neither falls below 0."""
    if rough_now >= rough_then:
        return measured + rough_now - rough_then
    return measured * rough_now / rough_then

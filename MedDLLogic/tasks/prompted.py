"""What boxes hold: each on its slice, drawn by a network of planes, put together to segments on the image's grid."""

from __future__ import annotations

import colorsys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from ..errors import MedDLError
from ..geometry import Geometry
from ..image import Image
from ..inference.activation import entropy_of_each
from ..inference.backend import Floats, OnProgress
from ..inference.decode import ENTROPY
from ..inference.embedded import embedded
from ..job import BoxPrompt
from ..labels import LabelTable, Segment
from ..masks import LabelVolume, Mask, Masks
from ..models.card import BoxPrompts, ModelCard, NetworkStage
from ..models.registry import FoundCard
from ..preprocess.grid import regrid
from ..preprocess.run import apply_recipe
from ..preprocess.working import Found, Working
from ..records import to_json
from ..result import AppliedStep
from .box_places import PlacedBox, Slice, placed
from .history import LOAD, NETWORK

if TYPE_CHECKING:
    from .stages import Run

ENCODING = 0.9
"""Share of a slice's time that goes into seeing it; the rest into drawing its boxes."""

DRAW = "draw"
"""Kind of the step in a run's record that stands for the network."""

_GOLDEN = 0.618034  # of the circle of hues: the next color is never close to one of the last
_PREPARED = 0.1


@dataclass(frozen=True, eq=False)
class Drawn:
    """Segments on the image's grid.

    Parameters
    ----------
    table : one segment for each id that the boxes name, in the order of the boxes; those that overlap lie in different
        layers.
    masks : of these segments, by their ids.
    """

    table: LabelTable
    masks: Masks


def require_prompts(card: ModelCard, prompts: tuple[BoxPrompt, ...]) -> None:
    """Raise E102 unless the job has boxes just where the model draws what boxes hold."""
    if card.prompted_stage is None and prompts:
        raise MedDLError("E102", "this model takes no boxes", card.name)
    if card.prompted_stage is not None and not prompts:
        raise MedDLError("E102", "this model needs a box", "it draws what a box on a slice holds", "give --box")


def draw_boxes(found: FoundCard, images: Mapping[str, Image], prompts: tuple[BoxPrompt, ...], run: Run) -> Drawn:
    """What the boxes hold, on the grid of the images; slices without a box hold nothing, and are sure of it.

    Raises
    ------
    MedDLError : E102 for boxes that do not lie on the image, E401 for a card whose steps do not fit its network, and
        all that preparing and predicting raise.
    """
    stage = found.card.prompted_stage
    if stage is None or stage.prompts is None:
        raise MedDLError("E401", "card takes no boxes", found.card.name)
    image = images[stage.inputs[0]]
    boxes = placed(prompts, image.geometry)
    with run.reporter.stage(stage.name):
        with run.reporter.part("prepare", 0.0, _PREPARED):
            shown, steps = apply_recipe(stage.recipe, Working(image), run.reporter, stage.name)
        _require_same_grid(shown.geometry, image.geometry, stage)
        run.steps.extend(steps)
        with run.reporter.part(LOAD, _PREPARED, _PREPARED):
            pen = _Pen(found, stage, stage.prompts, run)
        run.weights_sha256[stage.name] = stage.weights.sha256
        with run.reporter.part(NETWORK, _PREPARED, 1.0):
            made = pen.draw(shown, boxes, run.reporter.update)
        run.steps.extend(pen.steps)
    _keep_volumes(image.geometry, boxes, made, run)
    _warn_of_empty(made, stage.decode.threshold, run)
    return _put_together(found.card.segments[0], image.geometry, boxes, [p > stage.decode.threshold for p in made])


class _Pen:
    """The two halves of the network, and what they did."""

    def __init__(self, found: FoundCard, stage: NetworkStage, prompts: BoxPrompts, run: Run) -> None:
        self._stage, self._prompts = stage, prompts
        drawing = replace(stage, network=prompts.decoder, prompts=None)
        self._encoder, self._decoder = (
            run.networks.ready(found, half, run.device, run.choice, stage.tiling) for half in (stage, drawing)
        )
        self.steps: list[AppliedStep] = []

    def draw(self, shown: Working, boxes: tuple[PlacedBox, ...], on_progress: OnProgress) -> list[Floats]:
        """For each box the probability at each voxel of its slice, shaped as the slice is in the image."""
        started_s, computed = time.perf_counter(), 0
        slices = list(dict.fromkeys(box.where for box in boxes))
        made: dict[int, Floats] = {}
        for number, where in enumerate(slices):
            here = [n for n, box in enumerate(boxes) if box.where == where]
            plane = self._plane(shown, where)
            report = _part(on_progress, number / len(slices), ENCODING / len(slices))
            features, is_new = embedded(self._encoder, plane.voxels, report)
            computed += is_new
            report(1.0)
            for n in here:
                logits = self._logits(features, boxes[n].on_plane(shown.geometry, plane.geometry))
                made[n] = _restored(logits, plane.geometry, where, shown.geometry)
            on_progress((number + 1) / len(slices))
        self._record(len(slices), len(boxes), computed, round(time.perf_counter() - started_s, 3))
        return [made[n] for n in range(len(boxes))]

    def _record(self, slices: int, boxes: int, computed: int, seconds: float) -> None:
        encoder = self._encoder
        found: Found = {"slices": slices, "boxes": boxes, "slices_seen_before": slices - computed}
        found |= {"backend": encoder.backend, "precision": encoder.precision, "device": encoder.device}
        self.steps.append(AppliedStep(self._stage.name, {"kind": DRAW, **to_json(self._prompts)}, found, seconds))

    def _plane(self, shown: Working, where: Slice) -> Working:
        grid = where.upright(shown.geometry)
        upright = shown.image.with_voxels(regrid(shown.voxels, shown.geometry, grid), grid)
        plane, _ = apply_recipe(self._prompts.plane, Working(upright), None, self._stage.name)
        if plane.geometry.shape_kji != self._stage.tiling.patch_kji:
            why = f"they end at {plane.geometry.shape_kji}, not at the patch"
            raise MedDLError("E401", f"steps on a plane of stage {self._stage.name}", why)
        return plane

    def _logits(self, features: Floats, box_ijij: tuple[float, float, float, float]) -> Floats:
        side = {"box_ijij": np.asarray([box_ijij], dtype=np.float32)}
        answer = self._decoder.predict(features, side, lambda part: None)
        if answer.shape[-1] != 1:
            raise MedDLError("E406", "network and card differ", f"{answer.shape[-1]} channels, not 1")
        return answer[..., 0]


def _part(on_progress: OnProgress, start: float, length: float) -> OnProgress:
    return lambda part: on_progress(start + length * part)


def _restored(logits: Floats, working: Geometry, where: Slice, grid: Geometry) -> Floats:
    """Probabilities on the slice as the image has it, of (1, j, i) logits on the working grid.

    Between pixels it is the logits that are interpolated, and none that stand for padding.
    """
    upright = where.upright(grid)
    filled = _filled(working, upright)
    _, rows, columns = filled.shape_kji
    on_slice = regrid(np.ascontiguousarray(logits[:, :rows, :columns]), filled, upright)
    return np.asarray(expit(regrid(on_slice, upright, where.native(grid))), dtype=np.float32)


def _filled(working: Geometry, upright: Geometry) -> Geometry:
    """The part of the working grid, from its first pixel on, whose pixels' centers lie in the image."""
    end = working.ijk_of(upright.lps_of([[n - 0.5 for n in upright.shape_kji[::-1]]]))[0]
    _, rows, columns = working.shape_kji
    return working.cropped((0, 0, 0), (1, min(rows, round(end[1] + 0.5)), min(columns, round(end[0] + 0.5))))


def _require_same_grid(shown: Geometry, image: Geometry, stage: NetworkStage) -> None:
    if not shown.is_same_grid(image):
        raise MedDLError("E401", f"recipe of stage {stage.name}", "may not change the grid: planes are cut from it")


def _put_together(pattern: Segment, grid: Geometry, boxes: tuple[PlacedBox, ...], masks: list[Mask]) -> Drawn:
    pieces: dict[str, list[tuple[Slice, Mask]]] = {}
    for box, mask in zip(boxes, masks, strict=True):
        pieces.setdefault(box.segment, []).append((box.where, mask))
    layers = _Layers(grid.shape_kji, np.dtype(np.uint8 if len(pieces) < 256 else np.uint16))
    places = {name: (layers.add(pieces[name], value), value) for value, name in enumerate(pieces, start=1)}
    segments = tuple(_segment(pattern, name, value, layer) for name, (layer, value) in places.items())
    return Drawn(LabelTable(segments), Masks(grid.shape_kji, layers.volumes, places))


class _Layers:
    """Label volumes, no more than overlapping segments need."""

    def __init__(self, shape_kji: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self._shape_kji, self._dtype = shape_kji, dtype
        self.volumes: tuple[LabelVolume, ...] = ()

    def add(self, pieces: list[tuple[Slice, Mask]], value: int) -> int:
        """Number of the volume in which the segment of these pieces of slices now lies."""
        number = next((n for n, volume in enumerate(self.volumes) if _is_free(volume, pieces)), len(self.volumes))
        if number == len(self.volumes):
            self.volumes = (*self.volumes, np.zeros(self._shape_kji, dtype=self._dtype))
        for where, mask in pieces:
            self.volumes[number][where.voxels()][mask] = value
        return number


def _is_free(volume: LabelVolume, pieces: list[tuple[Slice, Mask]]) -> bool:
    return not any(volume[where.voxels()][mask].any() for where, mask in pieces)


def _keep_volumes(grid: Geometry, boxes: tuple[PlacedBox, ...], made: list[Floats], run: Run) -> None:
    if run.probabilities_of:
        for name in dict.fromkeys(box.segment for box in boxes):
            run.probabilities[name] = _volume(
                grid, ((b, p) for b, p in zip(boxes, made, strict=True) if b.segment == name)
            )
    if run.uncertainty_of:
        doubts = (entropy_of_each(probability[..., None]) for probability in made)
        run.uncertainty[ENTROPY] = _volume(grid, zip(boxes, doubts, strict=True))


def _volume(grid: Geometry, pieces: Iterable[tuple[PlacedBox, Floats]]) -> Floats:
    """The largest number at each voxel of what lies on slices, 0 elsewhere."""
    whole: Floats = np.zeros(grid.shape_kji, dtype=np.float32)
    for box, numbers in pieces:
        on_slice = whole[box.where.voxels()]
        np.maximum(on_slice, numbers, out=on_slice)
    return whole


def _warn_of_empty(made: list[Floats], threshold: float, run: Run) -> None:
    for number, probability in enumerate(made, start=1):
        if not (probability > threshold).any():
            run.warn("E607", f"nothing found in box {number}")


def _segment(pattern: Segment, name: str, value: int, layer: int) -> Segment:
    shown = name.replace("-", " ").replace("_", " ").strip() or name
    return Segment(name, shown[0].upper() + shown[1:], value, _color(pattern.color, value), pattern.terminology, layer)


def _color(first: tuple[int, int, int], number: int) -> tuple[int, int, int]:
    hue, saturation, brightness = colorsys.rgb_to_hsv(*(part / 255 for part in first))
    red, green, blue = colorsys.hsv_to_rgb((hue + (number - 1) * _GOLDEN) % 1.0, saturation, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)

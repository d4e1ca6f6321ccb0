"""Activations on the working grid to masks on the input's grid, plane by plane as the engine finishes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import MedDLError
from ..geometry import Geometry
from ..masks import LabelVolume, Mask, Masks
from ..models.card import Decode, NoBackgroundIn
from . import activation
from .backend import Allocate, Floats
from .cells import Codes, Rule
from .collect import CollectedLabels, CollectedNumbers, Turn
from .restore import Axes, StreamedLabels, StreamedNumbers, route_between

if TYPE_CHECKING:
    from .device_engine import TensorFinishing

ENTROPY, VARIANCE = "entropy", "variance"

_BLOCK_PLANES = 8
"""Planes of which a copy is held at once, where one is needed."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Masks on the input's grid, and volumes (k, j, i) float32 there where they were asked for.

    Parameters
    ----------
    probabilities : mask id -> the activated channel.
    uncertainty : ``"entropy"`` of the probabilities, ``"variance"`` where the engine gives it.
    """

    masks: Masks
    probabilities: Mapping[str, Floats] = field(default_factory=dict)
    uncertainty: Mapping[str, Floats] = field(default_factory=dict)


class Decoding:
    """Takes planes as ``backend.Sink`` and makes of them the masks that the card names, on the ``native`` grid.

    Outside the working grid there is none. Neither all channels of the working grid are held, nor any of the native
    one, unless the axes of the two grids cross: then planes are kept until the last one is there.

    Parameters
    ----------
    working_masks : id -> (k, j, i) bool on the ``working`` grid.
    axes : the axes k, j, i (0, 1, 2) of the working grid in the order of the planes.
    allocate : makes the volumes of numbers, which may lie on a disk: they are written plane by plane.
    probabilities_of : ids of masks whose probability is given too.
    uncertainty : whether the entropy is given too, and the variance where there is one. Both are found on the working
        grid and interpolated, since what lies between two voxels that are sure is not unsure.
    has_variance : the last channel is the variance of several predictions, of no class.

    Raises
    ------
    MedDLError : E401 when a rule names a mask that is not there; ``take`` raises E406 when the network gives another
        number of channels than the card names.
    """

    def __init__(
        self,
        rule: Decode,
        working_masks: Mapping[str, Mask],
        working: Geometry,
        native: Geometry,
        axes: Axes,
        *,
        allocate: Allocate,
        probabilities_of: Collection[str] = (),
        uncertainty: bool = False,
        has_variance: bool = False,
    ) -> None:
        self._decode, self._channels, self._has_variance = rule, len(rule.channels), has_variance
        self._no_background = _no_background(rule.no_background_in, working_masks, axes)
        self._named = [(n, name) for n, name in enumerate(rule.channels) if name in probabilities_of]
        kinds = [ENTROPY, *([VARIANCE] if has_variance else [])] if uncertainty else []
        volumes = [allocate(native.shape_kji, np.dtype(np.float32)) for _ in (*self._named, *kinds)]
        self._probabilities = {name: volume for (_, name), volume in zip(self._named, volumes, strict=False)}
        self._uncertainty = dict(zip(kinds, volumes[len(self._named) :], strict=True))
        self._are_logits: bool | None = None
        self._come = 0
        self._last: Floats = np.zeros(0, dtype=np.float32)
        labels, route = label_rule(rule), route_between(working, native, axes, rule.restore, rule.apart_above)
        self._values, self._route, self._shape_kji = labels.values, route, native.shape_kji
        self._labels: StreamedLabels | CollectedLabels
        self._numbers: StreamedNumbers | CollectedNumbers
        if route is not None:
            height, width = (working.shape_kji[axis] for axis in axes[1:])
            self._labels = StreamedLabels(labels, route, native.shape_kji)
            self._numbers = StreamedNumbers(route, tuple(volumes), (height, width))
        else:
            turn = Turn(working, native, axes, rule.restore)
            self._labels = CollectedLabels(labels, turn, allocate)
            self._numbers = CollectedNumbers(turn, tuple(volumes), allocate)

    def take(self, planes: Floats, first: int) -> None:
        """Activate the planes in place, all but the one that came before, and decode what they complete."""
        given = planes.shape[3] - self._has_variance
        if given != self._channels:
            raise MedDLError("E406", "network and card differ", f"{given} channels, not {self._channels}")
        if planes.flags.c_contiguous and planes.flags.writeable:
            self._take(planes, first)
            return
        for block in _blocks(self._come - first, len(planes)):
            copied = np.concatenate([self._last, planes[block]]) if self._come else np.array(planes[block], order="C")
            self._take(copied, max(0, self._come - 1))
            self._last = copied[-1:].copy()

    def finish(self) -> Decoded:
        """What was asked for; the last plane must have come."""
        volumes = self._labels.finish()
        if isinstance(self._numbers, CollectedNumbers):
            self._numbers.finish()
        return self._decoded(volumes)

    def on_device(self, device: str) -> TensorFinishing[Decoded]:
        """The same for planes that lie on a device; where the axes of the two grids cross, they are copied from there."""
        from .device_decode import DeviceDecoding, Wanted
        from .device_engine import ArraySink

        if self._route is None:
            return ArraySink(self)
        wanted = Wanted(
            self._decode,
            self._values,
            self._route,
            self._shape_kji,
            no_background=self._no_background,
            probabilities={n: self._probabilities[name] for n, name in self._named},
            entropy=self._uncertainty.get(ENTROPY),
            variance=self._uncertainty.get(VARIANCE),
            has_variance=self._has_variance,
        )
        return DeviceDecoding(wanted, device, self._decoded)

    def _decoded(self, volumes: tuple[LabelVolume, ...]) -> Decoded:
        return Decoded(_masks(self._decode, volumes), self._probabilities, self._uncertainty)

    def _take(self, planes: Floats, first: int) -> None:
        new = self._come - first  # of two calls that begin with plane 0 the second one brings it again
        self._come = first + len(planes)
        for number, plane in enumerate(planes[new:], first + new):
            self._activate(plane[..., : self._channels])
            if self._no_background is not None:
                plane[..., 0][self._no_background[number]] = 0.0
        self._labels.take(planes, first)
        if self._probabilities or self._uncertainty:
            for block in _blocks(new, len(planes)):
                begin = max(0, block.start - 1)
                numbers = np.stack([self._numbers_of(plane) for plane in planes[begin : block.stop]])
                self._numbers.take(numbers, first + begin)

    def _activate(self, plane: Floats) -> None:
        """In place, since the activations of a large volume with many classes do not fit twice."""
        if self._decode.activation == "sigmoid":
            activation.sigmoid(plane)
        if self._decode.activation == "softmax":
            if plane.flags.c_contiguous:
                activation.softmax(plane)
            else:  # the variance lies between the voxels
                classes = np.ascontiguousarray(plane)
                activation.softmax(classes)
                plane[...] = classes

    def _numbers_of(self, plane: Floats) -> Floats:
        """(h, w, volume) numbers of one plane: probabilities, entropy, variance, as far as they are wanted."""
        classes = self._as_probabilities(plane[..., : self._channels])
        found = [classes[..., n] for n, _ in self._named]
        if ENTROPY in self._uncertainty:
            by_class = self._decode.rule == "argmax"
            found.append(activation.entropy_of_classes(classes) if by_class else activation.entropy_of_each(classes))
        if VARIANCE in self._uncertainty:
            found.append(plane[..., self._channels])
        return np.stack(found, axis=-1)

    def _as_probabilities(self, classes: Floats) -> Floats:
        """Classes of a card that takes the strongest channel as it comes may be logits: they are if no sum is 1."""
        if self._decode.thresholds_logits:
            each = np.array(classes, order="C")
            activation.sigmoid(each)
            return each
        if self._decode.activation != "none" or self._decode.rule != "argmax":
            return classes
        if self._are_logits is None:
            self._are_logits = not activation.is_distribution(classes)
        if not self._are_logits:
            return classes
        made = np.array(classes, order="C")
        activation.softmax(made)
        return made


def label_rule(rule: Decode) -> Rule:
    """The card's rule as codes: of the strongest channel its number, of thresholds one volume of 0 and 1 each."""
    named = [n for n, name in enumerate(rule.channels) if name]
    if rule.rule == "threshold":

        def above(activations: Floats) -> Codes:
            return np.stack([activations[..., n] > rule.threshold for n in named]).astype(np.uint8)

        return Rule(above, np.array([0, 1], dtype=np.uint8), len(named))
    count = len(rule.channels)
    code_type = np.uint8 if count <= 256 else np.uint16

    def strongest(activations: Floats) -> Codes:
        return np.asarray(activations[..., :count].argmax(axis=-1)[None], dtype=code_type)

    values = np.zeros(count, dtype=np.uint8 if len(named) < 255 else np.uint16)
    values[named] = np.arange(1, len(named) + 1)
    return Rule(strongest, values)


def _masks(rule: Decode, volumes: tuple[LabelVolume, ...]) -> Masks:
    names = [name for name in rule.channels if name]
    is_one = rule.rule == "argmax"
    places = {name: (0, n + 1) if is_one else (n, 1) for n, name in enumerate(names)}
    return Masks(volumes[0].shape, volumes, places)


def _blocks(begin: int, end: int) -> Iterator[slice]:
    return (slice(start, min(end, start + _BLOCK_PLANES)) for start in range(begin, end, _BLOCK_PLANES))


def _no_background(rule: NoBackgroundIn | None, masks: Mapping[str, Mask], axes: Axes) -> NDArray[np.bool_] | None:
    if rule is None:
        return None
    if rule.mask not in masks:
        raise MedDLError("E401", "no step or stage makes the mask", rule.mask[:40])
    mask = masks[rule.mask]
    if rule.eroded_voxels:
        mask = np.asarray(ndimage.binary_erosion(mask, iterations=rule.eroded_voxels), dtype=bool)
    return mask.transpose(axes)

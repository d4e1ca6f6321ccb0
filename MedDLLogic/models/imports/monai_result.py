"""MONAI's inferers and postprocessing transforms: how a volume is cut, and how a network's channels become segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...errors import MedDLError
from ...recipe import FillHoles, LargestComponent, PostStep
from ..card import Blend, Decode, Tiling
from .arguments import Arguments
from .monai_config import Component
from .monai_steps import Axes, base_name, without_counterpart

_ABOUT_MEMORY = (
    "sw_batch_size", "sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh", "buffer_steps",
    "buffer_dim",
)  # fmt: skip
"""Arguments of an inferer that change where and how fast it computes."""

_SIGMA = 0.125
_ALL_DIRECTIONS = 3


# -- inferer ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """The tiling, which of MONAI's axes stand for k, j, i, and what to tell the user."""

    tiling: Tiling
    axes: Axes = field(default_factory=Axes)
    notes: tuple[str, ...] = ()


def cut_of(inferer: Component | None, dimensions: int) -> Cut:
    """How a bundle's ``inferer`` cuts a volume; MONAI's own default, the whole of it, where none is given.

    Raises
    ------
    MedDLError : E407 for an inferer or an argument that has no counterpart.
    """
    if inferer is None or inferer.target == "SimpleInferer":
        if dimensions != 3:
            raise MedDLError("E407", "network of planes without a SliceInferer has no counterpart here")
        return Cut(Tiling())
    if inferer.target == "SliceInferer" and dimensions == 2:
        return _planes(Arguments(inferer))
    if inferer.target in ("SlidingWindowInferer", "SlidingWindowInfererAdapt") and dimensions == 3:
        arguments = Arguments(inferer)
        patch = _patch(arguments)
        tiling, notes = _tiling(arguments, patch)
        return Cut(tiling, notes=notes)
    raise MedDLError("E407", "inferer has no counterpart here", f"{inferer.target[:40]} for {dimensions} dimensions")


def _planes(arguments: Arguments) -> Cut:
    across = arguments.value("spatial_dim", 0)
    size = arguments.value("roi_size")
    if across not in (0, 1, 2) or not isinstance(size, (list, tuple)) or len(size) != 2:
        raise arguments.refusal("roi_size or spatial_dim")
    tiling, notes = _tiling(arguments, (1, *_sizes(arguments, size)))
    return Cut(tiling, Axes.of_planes(across), notes)


def _patch(arguments: Arguments) -> tuple[int, ...] | None:
    """Sizes of a patch; None for the whole volume."""
    size = arguments.value("roi_size")
    three = [size] * 3 if isinstance(size, int) else size
    if not isinstance(three, (list, tuple)) or len(three) != 3:
        raise arguments.refusal("roi_size")
    if all(n is None or (isinstance(n, int) and n <= 0) for n in three):
        return None
    return _sizes(arguments, three)


def _sizes(arguments: Arguments, sizes: Iterable[object]) -> tuple[int, ...]:
    found = tuple(size for size in sizes if isinstance(size, int) and not isinstance(size, bool) and size > 0)
    if len(found) != len(list(sizes)):
        raise arguments.refusal("roi_size")
    return found


def _tiling(arguments: Arguments, patch: tuple[int, ...] | None) -> tuple[Tiling, tuple[str, ...]]:
    arguments.ignore(*_ABOUT_MEMORY)
    arguments.require("sigma_scale", _SIGMA)
    arguments.require("with_coord", False)
    arguments.require("cval", 0, 0.0)
    blend = arguments.text("mode", "constant").lower()
    overlap = arguments.value("overlap", 0.25)
    shares = list(overlap) if isinstance(overlap, (list, tuple)) else [overlap]
    padding = arguments.text("padding_mode", "constant")
    arguments.require_no_others()
    if blend not in ("gaussian", "constant"):
        raise arguments.refusal("mode")
    share = shares[0] if shares and all(other == shares[0] for other in shares) else None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise arguments.refusal("overlap")
    kji = None if patch is None else (patch[0], patch[1], patch[2])
    note = f"An image smaller than a patch is padded with 0 here, with MONAI's mode {padding[:20]} there."
    kind: Blend = "gaussian_floored" if blend == "gaussian" else "constant"
    return Tiling(kji, float(share), kind), () if padding == "constant" else (note,)


# -- postprocessing --------------------------------------------------------------------------------


@dataclass
class Reading:
    """What ``postprocessing`` says, gathered transform by transform."""

    activation: Literal["none", "softmax", "sigmoid"] = "none"
    rule: Literal["argmax", "threshold"] | None = None
    threshold: float = 0.5
    restore: Literal["nearest", "linear"] | None = None
    cleaning: list[tuple[type[LargestComponent | FillHoles], tuple[int, ...]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def decode(self, channels: tuple[str, ...]) -> Decode:
        """How channels, each with its mask's id or none, become masks."""
        if self.rule is None:
            raise MedDLError("E407", "bundle does not say how its network's output becomes labels", "no AsDiscreted")
        return Decode(self.rule, channels, self.activation, self.threshold, restore=self.restore or "nearest")

    def cleaned(self, channels: tuple[str, ...]) -> tuple[PostStep, ...]:
        """What is done to the finished masks, by their ids."""
        return tuple(step(self._named(labels, channels)) for step, labels in self.cleaning)

    def _named(self, labels: tuple[int, ...], channels: tuple[str, ...]) -> tuple[str, ...]:
        if any(not 0 <= label < len(channels) for label in labels):
            raise MedDLError("E401", "bundle's postprocessing", f"it names labels beyond {len(channels) - 1}")
        return tuple(channels[label] for label in labels if channels[label])


def reading_of(transforms: Iterable[Component]) -> Reading:
    """What a bundle's ``postprocessing`` does to the entry that its first transform works on.

    Raises
    ------
    MedDLError : E407 with the names of all transforms that have no counterpart, or with the argument that has none.
    """
    made, unknown, key = Reading(), [], ""
    for component in transforms:
        keys = Arguments(component).keys()
        key = key or next(iter(keys), "")
        name = base_name(component.target, {**_TRANSFORMS, **dict.fromkeys(_NO_TRANSFORMS)})
        if keys and key not in keys:
            continue
        if name in _TRANSFORMS:
            arguments = Arguments(component, key)
            _TRANSFORMS[name](arguments, made)
            arguments.require_no_others()
        elif not name:
            unknown.append(component.target)
    if unknown:
        raise without_counterpart(unknown)
    if made.restore is None:
        made.notes.append("It leaves its result on the grid it computes on; here it goes back to the image's own.")
    return made


def _activations(arguments: Arguments, made: Reading) -> None:
    arguments.require("other", None)
    softmax, sigmoid = arguments.flag("softmax"), arguments.flag("sigmoid")
    if (softmax and sigmoid) or made.rule or made.restore or made.activation != "none":
        raise arguments.refusal("place or combination")
    made.activation = "softmax" if softmax else "sigmoid" if sigmoid else "none"


def _as_discrete(arguments: Arguments, made: Reading) -> None:
    arguments.require("rounding", None)
    arguments.ignore("to_onehot", "dim", "keepdim")
    is_argmax, threshold = arguments.flag("argmax"), arguments.number("threshold")
    if is_argmax == (threshold is not None) or made.rule:
        raise arguments.refusal("argmax and threshold")
    made.rule = "argmax" if is_argmax else "threshold"
    made.threshold = made.threshold if threshold is None else threshold


def _invert(arguments: Arguments, made: Reading) -> None:
    arguments.ignore("transform", "orig_keys", "post_func", "num_workers")
    is_nearest = arguments.flag("nearest_interp", default=True)
    if made.rule and not is_nearest:
        made.notes.append("It interpolates label values; here the nearest label is taken.")
    made.restore = "nearest" if is_nearest or made.rule else "linear"


def _largest(arguments: Arguments, made: Reading) -> None:
    arguments.require("independent", True)
    arguments.require("num_components", 1)
    arguments.ignore("is_onehot")
    _cleaning(LargestComponent, arguments, made)


def _fill_holes(arguments: Arguments, made: Reading) -> None:
    _cleaning(FillHoles, arguments, made)


def _cleaning(step: type[LargestComponent | FillHoles], arguments: Arguments, made: Reading) -> None:
    arguments.require("connectivity", None, _ALL_DIRECTIONS)
    labels = arguments.value("applied_labels", ())
    found = (labels,) if isinstance(labels, int) else tuple(labels)
    if not all(isinstance(label, int) for label in found) or not made.rule:
        raise arguments.refusal("applied_labels")
    if made.restore is None:
        made.notes.append(f"{arguments.target[:40]} works on the image's own grid here, on the network's there.")
    made.cleaning.append((step, found))


def _lambda(arguments: Arguments, made: Reading) -> None:
    """Code after the channels were judged one by one only recodes them for a file, as far as that can be told."""
    if made.rule != "threshold":
        raise MedDLError("E405", "bundle's postprocessing is a program", arguments.target[:40])
    arguments.ignore("func", "inv_func", "overwrite")
    made.notes.append(
        f"Its {arguments.target[:40]}, code that recodes the finished channels, was left out:"
        " each channel stays a segment as the metadata names it."
    )


_TRANSFORMS: Mapping[str, Callable[[Arguments, Reading], None]] = {
    "Activations": _activations,
    "AsDiscrete": _as_discrete,
    "Invert": _invert,
    "KeepLargestConnectedComponent": _largest,
    "FillHoles": _fill_holes,
    "Lambda": _lambda,
}
_NO_TRANSFORMS = frozenset({
    "CastToType", "CopyItems", "DeleteItems", "EnsureType", "Identity", "SaveImage", "SelectItems", "ToDevice",
    "ToTensor",
})  # fmt: skip
"""Transforms that keep or write what was found, which MedDL does in its own way."""

"""MONAI's preprocessing transforms to a recipe's steps.

MONAI's arrays run along the axes of the file in their order, ours along k, j, i. ``Axes`` says which of MONAI's axes
(0, 1, 2) stands in place of k, j and i, so that a network sees the same array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import MedDLError
from ...recipe import (
    CropToMask,
    Foreground,
    Linear,
    MinMax,
    Orient,
    Pad,
    Percentile,
    ResampleFromFirst,
    ResampleToShape,
    Step,
    Transpose,
    Window,
    ZScore,
    ZScoreNonzero,
)
from .arguments import Arguments
from .monai_config import Component

CROPPED_TO = "above-zero"
"""Mask that ``CropForeground`` crops to."""

_SUFFIXES = ("Dict", "D", "d")
_TOLERANCE_DECIMALS = 6
_READERS = ("itkreader", "nibabelreader", "nrrdreader")
"""Readers that keep a file's axes as they are."""


@dataclass(frozen=True)
class Axes:
    """Which of MONAI's axes stands in place of k, j and i."""

    order: tuple[int, int, int] = (0, 1, 2)

    @classmethod
    def of_planes(cls, across: int) -> Axes:
        """For a network of planes: k runs across them."""
        first, second = (axis for axis in range(3) if axis != across)
        return cls((across, first, second))

    def kji(self, values: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """One value for each of MONAI's axes, in the order k, j, i."""
        k, j, i = (values[axis] for axis in self.order)
        return k, j, i

    def ijk(self, values: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """The same in the order i, j, k."""
        k, j, i = self.kji(values)
        return i, j, k

    @property
    def as_stored(self) -> Transpose:
        """The step that brings an image as it is stored, whose axes MONAI counts i, j, k, into this order."""
        i, j, k = self.ijk(("i", "j", "k"))
        return Transpose((i, j, k))


@dataclass
class Preparation:
    """The steps, and what to tell the user of them."""

    axes: Axes
    channels: int
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_ordered: bool = False

    def order_axes(self) -> None:
        """Put the axes into the network's order before the first step that looks at them."""
        if not self.is_ordered:
            self.steps.append(self.axes.as_stored)
            self.is_ordered = True
            self.notes.append(
                "It does not say how the head lies in its images: they go in as their files store them,"
                " so give it images stored like those it was trained on."
            )


def prepared(transforms: Iterable[Component], axes: Axes, channels: int) -> Preparation:
    """The recipe of a bundle's ``preprocessing``.

    Parameters
    ----------
    channels : of the network's input.

    Raises
    ------
    MedDLError : E407 with the names of all transforms that have no counterpart, or with the argument that has none.
    """
    made = Preparation(axes, channels)
    known: list[tuple[str, Component]] = []
    unknown: list[tuple[str, Component]] = []
    image = ""
    for component in transforms:
        name = base_name(component.target, {**_STEPS, **dict.fromkeys(_NO_STEPS)})
        keys = Arguments(component).keys()
        image = image or next(iter(keys), "")
        if keys and image not in keys:  # it prepares labels to train on
            continue
        (known if name else unknown).append((name or component.target, component))
    if unknown:
        raise without_counterpart(target for target, _ in unknown)
    for name, component in known:
        arguments = Arguments(component, image)
        if name in _STEPS:
            _STEPS[name](arguments, made)
            arguments.require_no_others()
        elif name == "LoadImage":
            _check_reader(arguments)
    made.order_axes()
    return made


def base_name(target: str, known: Mapping[str, Any]) -> str:
    """The transform's name without the ending of its form for dictionaries, empty when it is not among ``known``."""
    for suffix in ("", *_SUFFIXES):
        if target.endswith(suffix) and target[: len(target) - len(suffix)] in known:
            return target[: len(target) - len(suffix)]
    return ""


def without_counterpart(targets: Iterable[str]) -> MedDLError:
    """The refusal of transforms, by their names."""
    names = ", ".join(dict.fromkeys(targets))
    return MedDLError("E407", "transforms of the bundle have no counterpart here", names[:120])


def _check_reader(arguments: Arguments) -> None:
    reader = arguments.value("reader", "ITKReader")
    if not isinstance(reader, str) or reader.lower() not in _READERS:
        raise arguments.refusal("reader")


# -- grid ------------------------------------------------------------------------------------------


def _orientation(arguments: Arguments, made: Preparation) -> None:
    arguments.ignore("labels")  # the letters are the patient's in every case
    codes = arguments.text("axcodes", "RAS" if arguments.flag("as_closest_canonical") else "")
    if len(codes) != 3:
        raise arguments.refusal("axcodes")
    i, j, k = made.axes.ijk((codes[0], codes[1], codes[2]))
    made.steps.append(Orient(f"{i}{j}{k}"))
    made.is_ordered = True


def _spacing(arguments: Arguments, made: Preparation) -> None:
    arguments.require("diagonal", False)
    arguments.require("padding_mode", "border")
    arguments.require("scale_extent", False)
    arguments.require("recompute_affine", False)
    arguments.ignore("align_corners", "ensure_same_shape")
    made.order_axes()
    wanted = arguments.three("pixdim")
    i, j, k = made.axes.ijk(tuple(max(float(mm), 0.0) for mm in wanted))  # type: ignore[arg-type]
    made.steps.append(ResampleFromFirst((i, j, k), _tolerance(arguments, wanted), _interpolation(arguments)))


def _interpolation(arguments: Arguments) -> Literal["nearest", "linear"]:
    known: Mapping[Any, Literal["nearest", "linear"]] = {"bilinear": "linear", "nearest": "nearest", 0: "nearest"}
    mode = arguments.value("mode", "bilinear")
    if not isinstance(mode, (str, int)) or mode not in known:
        raise arguments.refusal("mode")
    return known[mode]


def _tolerance(arguments: Arguments, wanted: tuple[float, float, float]) -> float:
    """The share by which a spacing may differ and stay, where the limits are the same share on both sides."""
    if arguments.value("min_pixdim") is None and arguments.value("max_pixdim") is None:
        return 0.0
    below = [1 - low / mm for low, mm in zip(arguments.three("min_pixdim"), wanted, strict=True) if mm > 0]
    above = [high / mm - 1 for high, mm in zip(arguments.three("max_pixdim"), wanted, strict=True) if mm > 0]
    shares = {round(share, _TOLERANCE_DECIMALS) for share in (*below, *above)}
    if len(shares) != 1:
        raise arguments.refusal("min_pixdim and max_pixdim")
    return shares.pop()


def _resize(arguments: Arguments, made: Preparation) -> None:
    arguments.require("size_mode", "all")
    arguments.require("anti_aliasing", False)
    arguments.require("align_corners", None, False)
    arguments.ignore("anti_aliasing_sigma")
    if arguments.value("mode", "area") not in ("trilinear", "bilinear", "linear"):
        raise arguments.refusal("mode")
    made.order_axes()
    k, j, i = made.axes.kji(_sizes(arguments, "spatial_size"))
    made.steps.append(ResampleToShape((k, j, i)))


def _spatial_pad(arguments: Arguments, made: Preparation) -> None:
    made.order_axes()
    sizes = _sizes(arguments, "spatial_size", least=-1)
    k, j, i = made.axes.kji(tuple(max(size, 1) for size in sizes))  # type: ignore[arg-type]
    made.steps.append(Pad((k, j, i), fill=_fill(arguments)))


def _divisible_pad(arguments: Arguments, made: Preparation) -> None:
    made.order_axes()
    multiples = set(_sizes(arguments, "k"))
    if len(multiples) != 1:
        raise arguments.refusal("k")
    made.steps.append(Pad(multiple=multiples.pop(), fill=_fill(arguments)))


def _fill(arguments: Arguments) -> float:
    arguments.require("method", "symmetric")
    arguments.require("mode", "constant")
    return float(arguments.number("value", 0.0) or arguments.number("constant_values", 0.0) or 0.0)


def _sizes(arguments: Arguments, name: str, least: int = 1) -> tuple[int, int, int]:
    sizes = arguments.three(name)
    if any(not isinstance(size, int) or size < least for size in sizes):
        raise arguments.refusal(name)
    return sizes  # type: ignore[return-value]


def _crop_foreground(arguments: Arguments, made: Preparation) -> None:
    arguments.require("channel_indices", None)
    arguments.require("k_divisible", 1)
    arguments.require("source_key", arguments.key, None)
    arguments.ignore("mode", "start_coord_key", "end_coord_key", "return_coords")
    margin = arguments.value("margin", 0)
    if isinstance(margin, bool) or not isinstance(margin, int):
        raise arguments.refusal("margin")
    if not arguments.flag("allow_smaller") and margin:
        raise arguments.refusal("margin beyond the image")
    made.order_axes()
    made.steps += [Foreground(0.0, CROPPED_TO), CropToMask(CROPPED_TO, margin_voxels=margin)]


# -- intensities -----------------------------------------------------------------------------------


def _scale_range(arguments: Arguments, made: Preparation) -> None:
    low, high = arguments.needed("a_min"), arguments.needed("a_max")
    new_low, new_high = arguments.number("b_min"), arguments.number("b_max")
    if (new_low is None) != (new_high is None) or not low < high:
        raise arguments.refusal("b_min or a_min")
    is_clipped = arguments.flag("clip")
    if is_clipped and new_low is None:
        raise arguments.refusal("clip")
    first, last = (0.0, 1.0) if new_low is None or new_high is None else (new_low, new_high)
    if is_clipped:
        made.steps += [Window(low, high), *_stretched(first, last)]
    else:
        scale = (last - first) / (high - low)
        made.steps.append(Linear(scale, first - low * scale))


def _scale(arguments: Arguments, made: Preparation) -> None:
    arguments.require("factor", None)
    _require_channels_alone(arguments, made)
    low, high = arguments.number("minv", 0.0), arguments.number("maxv", 1.0)
    if low is None or high is None:
        raise arguments.refusal("minv")
    made.steps += [MinMax(), *_stretched(low, high)]


def _scale_percentiles(arguments: Arguments, made: Preparation) -> None:
    arguments.require("relative", False)
    _require_channels_alone(arguments, made)
    if not arguments.flag("clip"):
        raise arguments.refusal("clip")
    made.steps.append(Percentile(arguments.needed("lower"), arguments.needed("upper")))
    made.steps += _stretched(arguments.needed("b_min"), arguments.needed("b_max"))


def _normalize(arguments: Arguments, made: Preparation) -> None:
    given = arguments.value("subtrahend"), arguments.value("divisor")
    is_nonzero = arguments.flag("nonzero")
    if given == (None, None):
        _require_channels_alone(arguments, made)
        made.steps.append(ZScoreNonzero() if is_nonzero else ZScore())
        return
    subtrahend, divisor = arguments.number("subtrahend"), arguments.number("divisor")
    arguments.value("channel_wise")
    if subtrahend is None or not divisor or is_nonzero:
        raise arguments.refusal("subtrahend and divisor")
    made.steps.append(Linear(1.0 / divisor, -subtrahend / divisor))


def _require_channels_alone(arguments: Arguments, made: Preparation) -> None:
    """Each channel is measured by itself here; with one channel that makes no difference."""
    if not arguments.flag("channel_wise") and made.channels > 1:
        raise arguments.refusal("measure over all channels")


def _stretched(low: float, high: float) -> list[Step]:
    return [] if (low, high) == (0.0, 1.0) else [Linear(high - low, low)]


_STEPS: Mapping[str, Callable[[Arguments, Preparation], None]] = {
    "Orientation": _orientation,
    "Spacing": _spacing,
    "Resize": _resize,
    "SpatialPad": _spatial_pad,
    "DivisiblePad": _divisible_pad,
    "CropForeground": _crop_foreground,
    "ScaleIntensityRange": _scale_range,
    "ScaleIntensity": _scale,
    "ScaleIntensityRangePercentiles": _scale_percentiles,
    "NormalizeIntensity": _normalize,
}
_NO_STEPS = frozenset({
    "AddChannel", "CastToType", "DeleteItems", "EnsureChannelFirst", "EnsureType", "Identity", "LoadImage",
    "SelectItems", "ToDevice", "ToTensor",
})  # fmt: skip
"""Transforms that bring an image into MONAI's hands, which reading it here does."""

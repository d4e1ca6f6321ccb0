"""bioimage.io's pre- and postprocessing as steps of a recipe and a rule for the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ...errors import MedDLError
from ...recipe import ApplyMask, Clip, Foreground, Linear, MinMax, Percentile, Sigmoid, Step, ZScore
from ..card import Decode
from .bioimageio_tensors import Processing, Tensor

Activation = Literal["none", "softmax", "sigmoid"]

MAX_EPSILON = 1e-3
"""What the description adds to a divisor may not matter."""

_BACKGROUND = ("background", "bg")
_NAMES = {"batch": "b", "channel": "c"}


def recipe_of(given: Tensor) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The steps, and what they do otherwise than the description, as sentences; E407 for one that cannot be."""
    steps: list[Step] = []
    notes: list[str] = []
    for processing in given.steps:
        made = _maker(processing, "preprocessing")(processing.arguments, given)
        steps += made
        notes += [_CLIPPED for step in made if isinstance(step, Percentile)]
        if len(given.shape) == 2 and any(isinstance(step, (ZScore, MinMax, Percentile)) for step in made):
            notes.append(f"{processing.name} measures the whole volume here, where its tools measure each plane.")
    if given.voxel:
        notes.append(f"Made for voxels of {given.voxel}; images are not resampled to that. Edit recipe.")
    return tuple(steps), tuple(dict.fromkeys(notes))


_CLIPPED = "scale_range clips to its percentiles here, where its tools leave what lies beyond."


def decode_of(made: Tensor) -> tuple[Decode, tuple[str, ...], tuple[str, ...]]:
    """The rule, the names of the segments, and what was assumed; E407 for postprocessing that cannot be."""
    activation, threshold = _activation(made.steps)
    names = tuple(made.channel_name(n) for n in range(made.channels))
    is_background = bool(made.channel_names) and names[0].lower() in _BACKGROUND
    if made.channels > 1 and (activation == "softmax" or is_background) and threshold is None:
        said = () if is_background else ("Assumed: channel 0 is background. Edit decode.",)
        return Decode("argmax", ("", *_ids(names[1:])), activation), names[1:], said
    assumed = ("Assumed: a segment is where its channel exceeds 0.5. Edit decode.",) if threshold is None else ()
    limit = 0.5 if threshold is None else threshold
    return Decode("threshold", _ids(names), activation, limit), names, assumed


def _activation(steps: tuple[Processing, ...]) -> tuple[Activation, float | None]:
    activation: Activation = "none"
    threshold = None
    for step in steps:
        if step.name == "sigmoid" and activation == "none" and threshold is None:
            activation = "sigmoid"
        elif step.name == "softmax" and activation == "none" and threshold is None:
            _require_channel_axis(step)
            activation = "softmax"
        elif step.name == "binarize" and threshold is None:
            threshold = _number(step.arguments, "threshold")
        elif step.name != "ensure_dtype":
            raise _unknown(step.name, "postprocessing")
    return activation, threshold


def _require_channel_axis(step: Processing) -> None:
    if step.arguments.get("axis", "channel") not in ("channel", "c"):
        raise _unknown("softmax along another axis", "postprocessing")


def _maker(step: Processing, where: str) -> Callable[[Mapping[str, Any], Tensor], list[Step]]:
    if step.name not in _MAKERS:
        raise _unknown(step.name, where)
    return _MAKERS[step.name]


def _zero_mean(arguments: Mapping[str, Any], given: Tensor) -> list[Step]:
    mode = arguments.get("mode", "per_sample")
    if mode == "fixed":
        return _fixed_zero_mean(arguments, given)
    if mode != "per_sample":
        raise _unknown(f"zero_mean_unit_variance {str(mode)[:20]}", "preprocessing")
    _require_own_statistics("zero_mean_unit_variance", arguments, given)
    return [ZScore()]


def _fixed_zero_mean(arguments: Mapping[str, Any], given: Tensor) -> list[Step]:
    means, deviations = _each(arguments, "mean", given), _each(arguments, "std", given)
    if min(deviations) <= 0:
        raise MedDLError("E401", "bioimage.io description", "std must be above 0")
    pairs = [(1 / std, -mean / std) for mean, std in zip(means, deviations, strict=True)]
    return _linear(pairs)


def _scale_linear(arguments: Mapping[str, Any], given: Tensor) -> list[Step]:
    gains, offsets = _each(arguments, "gain", given, 1.0), _each(arguments, "offset", given, 0.0)
    return _linear(list(zip(gains, offsets, strict=True)))


def _linear(pairs: list[tuple[float, float]]) -> list[Step]:
    if len(set(pairs)) == 1:
        return [Linear(*pairs[0])]
    return [Linear(scale, shift, channels=(n,)) for n, (scale, shift) in enumerate(pairs)]


def _scale_range(arguments: Mapping[str, Any], given: Tensor) -> list[Step]:
    if arguments.get("reference_tensor"):
        raise _unknown("scale_range by another tensor", "preprocessing")
    _require_own_statistics("scale_range", arguments, given)
    low, high = _number(arguments, "min_percentile", 0.0), _number(arguments, "max_percentile", 100.0)
    return [MinMax()] if (low, high) == (0.0, 100.0) else [Percentile(low, high)]


def _clip(arguments: Mapping[str, Any], _given: Tensor) -> list[Step]:
    if {"min_percentile", "max_percentile"} & set(arguments):
        raise _unknown("clip to percentiles", "preprocessing")
    return [Clip(_number(arguments, "min"), _number(arguments, "max"))]


def _binarize(arguments: Mapping[str, Any], given: Tensor) -> list[Step]:
    if given.channels > 1:
        raise _unknown("binarize of several channels", "preprocessing")
    mask = "above-threshold"
    return [Foreground(_number(arguments, "threshold"), mask), Linear(0.0, 1.0), ApplyMask(mask)]


def _sigmoid(_arguments: Mapping[str, Any], _given: Tensor) -> list[Step]:
    return [Sigmoid()]


def _ensure_dtype(arguments: Mapping[str, Any], _given: Tensor) -> list[Step]:
    """Everything is float32 here."""
    if arguments.get("dtype") not in ("float32", "float64"):
        raise _unknown(f"ensure_dtype {str(arguments.get('dtype'))[:20]}", "preprocessing")
    return []


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Tensor], list[Step]]] = {
    "zero_mean_unit_variance": _zero_mean,
    "fixed_zero_mean_unit_variance": _fixed_zero_mean,
    "scale_linear": _scale_linear,
    "scale_range": _scale_range,
    "clip": _clip,
    "binarize": _binarize,
    "sigmoid": _sigmoid,
    "ensure_dtype": _ensure_dtype,
}


def _require_own_statistics(name: str, arguments: Mapping[str, Any], given: Tensor) -> None:
    """What is measured over all voxels of a channel, or over all channels where there is one."""
    if _number(arguments, "eps", 1e-6) > MAX_EPSILON:
        raise _unknown(f"{name} with eps above {MAX_EPSILON:g}", "preprocessing")
    axes = arguments.get("axes")
    spatial = set("zyx"[-len(given.shape) :])
    over = spatial | {"c"} if axes is None else {_NAMES.get(str(axis), str(axis)) for axis in axes} - {"b"}
    is_each = over == spatial or (given.channels == 1 and over == spatial | {"c"})
    if not is_each:
        raise _unknown(f"{name} over axes {', '.join(sorted(over))}"[:60], "preprocessing")


def _each(arguments: Mapping[str, Any], key: str, given: Tensor, default: float | None = None) -> list[float]:
    """One number for each channel; a single one is for all."""
    raw = arguments.get(key, default)
    values = raw if isinstance(raw, list) else [raw] * given.channels
    if len(values) == 1:
        values = values * given.channels
    if len(values) != given.channels:
        raise _unknown(f"{key} along another axis than channel", "preprocessing")
    return [_number({key: value}, key) for value in values]


def _number(arguments: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = arguments.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MedDLError("E401", "bioimage.io description not valid", f"{key}: a number is needed")
    return float(value)


def _ids(names: tuple[str, ...]) -> tuple[str, ...]:
    ids: list[str] = []
    for number, name in enumerate(names):
        kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
        ids.append(kept if kept and kept not in ids else f"{kept or 'channel'}-{number + 1}")
    return tuple(ids)


def _unknown(name: str, where: str) -> MedDLError:
    return MedDLError("E407", f"{where} that MedDL does not do", name, "edit the description, or the images beforehand")

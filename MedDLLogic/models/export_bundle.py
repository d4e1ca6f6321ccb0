"""A card as a MONAI bundle, where MONAI's transforms can say what its recipe does; the step that they cannot is named.

MONAI's arrays run along i, j, k and ours along k, j, i, so orientation and spacing are written the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import MedDLError
from ..recipe import (
    CropToMask,
    FillHoles,
    Foreground,
    LargestComponent,
    Linear,
    MinMax,
    Orient,
    Pad,
    Percentile,
    PostStep,
    ResampleFromFirst,
    ResampleToShape,
    Step,
    Transpose,
    Window,
    ZScore,
    ZScoreNonzero,
)
from ..records import to_json
from .card import ModelCard, NetworkStage, Tiling
from .export import Files, weights_content
from .imports.tensors import read_state, torch_bytes
from .loaders import WRAPPERS
from .registry import FoundCard

Transform = dict[str, Any]

MONAI_VERSION = "1.6.1"
_PREFIX = "monai."
_IMAGE, _PRED = "image", "pred"
_AS_STORED = ("k", "j", "i")
_ALL_DIRECTIONS = 3


def bundle_files(found: FoundCard) -> Files:
    """``configs/inference.json``, ``configs/metadata.json`` and ``models/model.pt``, by their names.

    Raises
    ------
    MedDLError : E407 with the part of the card that a bundle cannot say, E403 and E404 for its weights.
    """
    stage = _only_stage(found.card)
    config = _inference(found.card, stage)
    state = read_state(weights_content(found, stage.weights), *WRAPPERS)
    return {
        "configs/inference.json": _json(config),
        "configs/metadata.json": _json(_metadata(found.card, stage)),
        "models/model.pt": torch_bytes(state),
    }


def bundle_notes(found: FoundCard) -> tuple[str, ...]:
    """What MONAI does a little otherwise with the bundle than MedDL with the card, as sentences."""
    blends = {stage.tiling.blend for stage in found.card.network_stages if stage.tiling.patch_kji is not None}
    floored = "MONAI lifts the smallest weights of its Gaussian, so labels where patches overlap may differ a little."
    return (floored,) if "gaussian" in blends else ()


def _only_stage(card: ModelCard) -> NetworkStage:
    if len(card.stages) != 1 or not isinstance(card.stages[0], NetworkStage):
        raise _unsayable("several stages")
    stage = card.stages[0]
    network = stage.network
    refused = {
        "a network that is not MONAI's": not network.architecture.startswith(_PREFIX),
        "a network of planes": network.dimensions == 2,
        "side inputs": bool(network.side_inputs),
        "an ensemble": bool(stage.ensemble),
        "background that cannot win inside a mask": stage.decode.no_background_in is not None,
        "patches spread evenly": stage.tiling.placement == "even",
        "mirroring": bool(stage.tiling.mirror_axes),
        "images that are channels of their own": len(stage.inputs) != 1,
    }
    for what, is_so in refused.items():
        if is_so:
            raise _unsayable(what)
    return stage


def _inference(card: ModelCard, stage: NetworkStage) -> dict[str, Any]:
    """A configuration that MONAI runs as it stands on the images of a folder."""
    return {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "dataset_dir": "./images",
        "output_dir": "$@bundle_root + '/results'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {"_target_": stage.network.architecture.removeprefix(_PREFIX)} | to_json(stage.network.parameters),
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _preprocessing(stage)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path} for path in sorted(glob.glob(@dataset_dir + '/*.nii.gz'))]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": False},
        "inferer": _inferer(stage.tiling),
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(card, stage)},
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator", "device": "@device", "val_data_loader": "@dataloader",
            "network": "@network", "inferer": "@inferer", "postprocessing": "@postprocessing",
            "val_handlers": ["@checkpointloader"],
        },
        "run": ["$@evaluator.run()"],
    }  # fmt: skip


# -- preprocessing ---------------------------------------------------------------------------------


def _preprocessing(stage: NetworkStage) -> list[Transform]:
    steps = list(stage.recipe)
    transforms = [_of_image("LoadImaged"), _of_image("EnsureChannelFirstd")]
    if not steps or not isinstance(steps[0], (Orient, Transpose)):
        raise _unsayable("a recipe that does not begin with orient")
    while steps:
        step = steps.pop(0)
        if isinstance(step, Foreground) and steps and isinstance(steps[0], CropToMask):
            transforms.append(_crop(step, steps.pop(0)))
        elif type(step) in _STEPS:
            transforms += _STEPS[type(step)](step)
        else:
            raise _unsayable(f"step {step.kind}")
    return [*transforms, _of_image("EnsureTyped")]


def _orient(step: Orient) -> list[Transform]:
    return [_of_image("Orientationd", axcodes=step.codes[::-1])]


def _transpose(step: Transpose) -> list[Transform]:
    """MONAI reads i, j, k from a file, which is k, j, i to us after this one exchange."""
    if step.axes != _AS_STORED:
        raise _unsayable(f"step {step.kind} of other axes")
    return []


def _spacing(step: ResampleFromFirst) -> list[Transform]:
    pixdim = step.spacing_ijk_mm[::-1]
    limits = {
        "min_pixdim": [mm * (1 - step.tolerance) for mm in pixdim],
        "max_pixdim": [mm * (1 + step.tolerance) for mm in pixdim],
    }
    mode = "bilinear" if step.interpolation == "linear" else "nearest"
    return [_of_image("Spacingd", pixdim=list(pixdim), mode=mode, **(limits if step.tolerance else {}))]


def _resize(step: ResampleToShape) -> list[Transform]:
    _require(step.interpolation == "linear", step)
    return [_of_image("Resized", spatial_size=list(step.shape_kji), mode="trilinear")]


def _pad(step: Pad) -> list[Transform]:
    is_size, is_multiple = max(step.min_shape_kji) > 1, step.multiple > 1
    _require(step == Pad(step.min_shape_kji, step.multiple, step.fill) and not (is_size and is_multiple), step)
    more = {"value": step.fill} if step.fill else {}
    if is_multiple:
        return [_of_image("DivisiblePadd", k=step.multiple, **more)]
    return [_of_image("SpatialPadd", spatial_size=list(step.min_shape_kji), **more)]


def _crop(foreground: Foreground, crop: Step) -> Transform:
    plain = CropToMask(foreground.name, margin_voxels=getattr(crop, "margin_voxels", 0))
    _require(foreground.above == 0.0, foreground)
    _require(crop == plain, crop)
    allows = {"allow_smaller": True} if plain.margin_voxels else {}
    return _of_image("CropForegroundd", source_key=_IMAGE, margin=plain.margin_voxels, **allows)


def _window(step: Window) -> list[Transform]:
    return [_of_image("ScaleIntensityRanged", a_min=step.low, a_max=step.high, b_min=0.0, b_max=1.0, clip=True)]


def _percentile(step: Percentile) -> list[Transform]:
    _require(step == Percentile(step.low, step.high), step)
    ends = {"lower": step.low, "upper": step.high, "b_min": 0.0, "b_max": 1.0}
    return [_of_image("ScaleIntensityRangePercentilesd", **ends, clip=True, channel_wise=True)]


def _zscore(step: ZScore) -> list[Transform]:
    _require(step == ZScore(), step)
    return [_of_image("NormalizeIntensityd", channel_wise=True)]


def _zscore_nonzero(_step: ZScoreNonzero) -> list[Transform]:
    return [_of_image("NormalizeIntensityd", nonzero=True, channel_wise=True)]


def _minmax(step: MinMax) -> list[Transform]:
    _require(step == MinMax(), step)
    return [_of_image("ScaleIntensityd", minv=0.0, maxv=1.0, channel_wise=True)]


def _linear(step: Linear) -> list[Transform]:
    _require(step == Linear(step.scale, step.shift) and step.scale != 0, step)
    return [_of_image("ScaleIntensityRanged", a_min=0.0, a_max=1.0, b_min=step.shift, b_max=step.shift + step.scale)]


_STEPS: Mapping[type, Callable[[Any], list[Transform]]] = {
    Orient: _orient,
    Transpose: _transpose,
    ResampleFromFirst: _spacing,
    ResampleToShape: _resize,
    Pad: _pad,
    Window: _window,
    Percentile: _percentile,
    ZScore: _zscore,
    ZScoreNonzero: _zscore_nonzero,
    MinMax: _minmax,
    Linear: _linear,
}


# -- inferer, postprocessing -----------------------------------------------------------------------


def _inferer(tiling: Tiling) -> Transform:
    if tiling.patch_kji is None:
        return {"_target_": "SimpleInferer"}
    return {
        "_target_": "SlidingWindowInferer", "roi_size": list(tiling.patch_kji), "sw_batch_size": 1,
        "overlap": tiling.overlap, "mode": "constant" if tiling.blend == "constant" else "gaussian",
    }  # fmt: skip


def _postprocessing(card: ModelCard, stage: NetworkStage) -> list[Transform]:
    decode = stage.decode
    is_argmax = decode.rule == "argmax"
    values = {"argmax": True} if is_argmax else {"threshold": decode.threshold}
    discrete = _of_pred("AsDiscreted", **values)
    invert = _of_pred(
        "Invertd", transform="@preprocessing", orig_keys=_IMAGE, nearest_interp=decode.restore == "nearest"
    )
    activation = [] if decode.activation == "none" else [_of_pred("Activationsd", **{decode.activation: True})]
    labels = {channel: n for n, channel in enumerate(decode.channels)}
    cleaning = [_cleaning(step, labels, card) for step in stage.postprocess]
    save = _of_pred("SaveImaged", output_dir="@output_dir")
    return [*activation, invert, discrete, *cleaning, save]


def _cleaning(step: PostStep, labels: Mapping[str, int], card: ModelCard) -> Transform:
    targets = {LargestComponent: "KeepLargestConnectedComponentd", FillHoles: "FillHolesd"}
    if type(step) not in targets:
        raise _unsayable(f"step {step.kind}")
    named = step.segments or tuple(segment.id for segment in card.segments)
    applied = [labels[segment] for segment in named]
    return _of_pred(targets[type(step)], applied_labels=applied, connectivity=_ALL_DIRECTIONS)


def _of_image(target: str, **arguments: Any) -> Transform:
    return {"_target_": target, "keys": _IMAGE} | arguments


def _of_pred(target: str, **arguments: Any) -> Transform:
    return {"_target_": target, "keys": _PRED} | arguments


# -- metadata --------------------------------------------------------------------------------------


def _metadata(card: ModelCard, stage: NetworkStage) -> dict[str, Any]:
    spec = card.inputs[0]
    patch = list(stage.tiling.patch_kji or ("*", "*", "*"))
    names = {segment.id: segment.name for segment in card.segments}
    channels = {str(n): names.get(channel, channel) or "background" for n, channel in enumerate(stage.decode.channels)}
    given = {
        "type": "image", "modality": spec.modality, "num_channels": 1, "spatial_shape": patch, "dtype": "float32",
        "is_patch_data": stage.tiling.patch_kji is not None, "channel_def": {"0": spec.role},
    }  # fmt: skip
    made = {
        "type": "image", "format": "segmentation", "num_channels": len(channels), "spatial_shape": patch,
        "dtype": "float32", "is_patch_data": stage.tiling.patch_kji is not None, "channel_def": channels,
    }  # fmt: skip
    return {
        "version": card.version,
        "monai_version": MONAI_VERSION,
        "name": card.title,
        "task": card.title,
        "description": card.description,
        "copyright": f"{card.license.expression}: {card.license.covers}",
        "references": list(card.citation),
        "intended_use": card.intended_use,
        "network_data_format": {"inputs": {_IMAGE: given}, "outputs": {_PRED: made}},
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=4, ensure_ascii=False) + "\n").encode()


def _require(condition: bool, step: Step) -> None:
    if not condition:
        raise _unsayable(f"step {step.kind} with these values")


def _unsayable(what: str) -> MedDLError:
    return MedDLError("E407", "a MONAI bundle cannot say this card", what, "export it as a card")

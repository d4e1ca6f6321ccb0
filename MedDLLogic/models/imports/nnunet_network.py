"""nnU-Net's networks: what plans and checkpoints say of them, as a network that MedDL makes and fills itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import MedDLError
from ..card import Network, Parameter
from ..loaders import fill
from .json_fields import Fields
from .nnunet_plans import Configuration
from .tensors import safetensors_bytes

if TYPE_CHECKING:
    from torch import Tensor

Sizes = tuple[int, ...]

_ARCHITECTURES = {
    "PlainConvUNet": ("plain-conv-unet", "n_conv_per_stage", "convolutions"),
    "ResidualEncoderUNet": ("residual-encoder-unet", "n_blocks_per_stage", "blocks"),
}
"""Name of nnU-Net's class -> ours, and what each calls the depth of the encoder's levels."""

_PACKAGE = "dynamic_network_architectures.architectures."
_NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}
_ACTIVATIONS = {"LeakyReLU": "leaky_relu", "ReLU": "relu"}
_UNUSED = {"dropout_op", "dropout_op_kwargs", "deep_supervision"}
"""They matter in training alone."""

_OLD_ACTIVATION, _SLOPE, _EPS = "torch.nn.LeakyReLU", 0.01, 1e-5
_PREFIXES = ("_orig_mod.", "module.")
_SECOND_ENCODER, _SECOND_NAME = "decoder.encoder.", ".all_modules."


def network_of(configuration: Configuration, channels_in: int, channels_out: int) -> Network:
    """The network that the plans describe, in the way of any nnU-Net v2.

    Raises
    ------
    MedDLError : E401 for a description that is not whole, E407 for a network, or a part of one, that MedDL has not.
    """
    fields = configuration.network
    architecture = fields.fields("architecture") if "architecture" in fields else _modern(fields)
    path = architecture.text("network_class_name")
    name = path.rpartition(".")[2]
    if name not in _ARCHITECTURES or not path.startswith(_PACKAGE):
        raise MedDLError("E407", "network of the nnU-Net model not known", path[:60])
    own_name, depth, own_depth = _ARCHITECTURES[name]
    options = architecture.fields("arch_kwargs")
    _require_known(options, {depth} | ({"nonlin_first"} if name == "PlainConvUNet" else {"stem_channels"}))
    stages, dimensions = options.whole("n_stages"), configuration.dimensions
    parameters: dict[str, Parameter] = {
        "dimensions": dimensions,
        "in_channels": channels_in,
        "out_channels": channels_out,
        "features": _each(options, "features_per_stage", stages),
        "kernels": _each_axis(options, "kernel_sizes", stages, dimensions),
        "strides": _each_axis(options, "strides", stages, dimensions),
        own_depth: _each(options, depth, stages),
        "decoder_convolutions": _each(options, "n_conv_per_stage_decoder", stages - 1),
        "bias": options.flag("conv_bias") if "conv_bias" in options else False,
        **_style(options, dimensions),
    }
    if "stem_channels" in options:
        parameters["stem_features"] = options.whole("stem_channels")
    if "nonlin_first" in options:
        parameters["activation_first"] = options.flag("nonlin_first")
    return Network("safetensors", own_name, parameters, dimensions=2 if dimensions == 2 else 3)


def weights_for(network: Network, state: Mapping[str, Tensor]) -> bytes:
    """A checkpoint's table of weights as the safetensors file that fills the network.

    nnU-Net's own modules reach some layers by two ways and save them twice; both must hold the same.

    Raises
    ------
    MedDLError : E406 when the weights do not fit the network.
    """
    plain = {_without_prefixes(name): tensor for name, tensor in state.items()}
    kept = {name: tensor for name, tensor in plain.items() if _first_name(name) == name}
    for name, tensor in plain.items():
        first = kept.get(_first_name(name))
        if first is None or first.shape != tensor.shape or not bool((first == tensor).all()):
            raise MedDLError("E406", "weights damaged", f"two copies of a layer differ: {name[:60]}")
    fill(network, kept)
    return safetensors_bytes(kept)


def _modern(fields: Fields) -> Fields:
    """The description that the first plans of nnU-Net v2 spread over the configuration."""
    name = fields.text("UNet_class_name")
    depths = fields.wholes("n_conv_per_stage_encoder")
    base, most = fields.whole("UNet_base_num_features"), fields.whole("unet_max_num_features")
    dimensions = len(fields.wholes("patch_size"))
    depth = _ARCHITECTURES.get(name, ("", "n_conv_per_stage", ""))[1]
    options: dict[str, Any] = {
        "n_stages": len(depths),
        "features_per_stage": [min(base * 2**stage, most) for stage in range(len(depths))],
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": fields.raw("conv_kernel_sizes"),
        "strides": fields.raw("pool_op_kernel_sizes"),
        depth: list(depths),
        "n_conv_per_stage_decoder": fields.raw("n_conv_per_stage_decoder"),
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": _EPS, "affine": True},
        "nonlin": _OLD_ACTIVATION,
        "nonlin_kwargs": {"inplace": True},
    }
    return Fields({"network_class_name": f"{_PACKAGE}unet.{name}", "arch_kwargs": options}, "plans.json")


def _require_known(options: Fields, more: set[str]) -> None:
    known = {
        "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage_decoder",
        "conv_bias", "norm_op", "norm_op_kwargs", "nonlin", "nonlin_kwargs",
    }  # fmt: skip
    unknown = [name for name in options if name in options and name not in known | more | _UNUSED]
    if unknown:
        raise MedDLError("E407", "network of the nnU-Net model not known", f"it has {', '.join(unknown)[:60]}")


def _style(options: Fields, dimensions: int) -> dict[str, Parameter]:
    if options.text("conv_op") != f"torch.nn.modules.conv.Conv{dimensions}d":
        raise options.refused("conv_op", f"a convolution of {dimensions} dimensions is needed")
    activation = _named(options, "nonlin", "torch.nn.", _ACTIVATIONS)
    found: dict[str, Parameter] = {"norm": "none", "activation": activation}
    settings = options.fields("nonlin_kwargs") if "nonlin_kwargs" in options else Fields({}, "nonlin_kwargs")
    _require_only(settings, {"inplace", *(("negative_slope",) if activation == "leaky_relu" else ())})
    if activation == "leaky_relu":
        found["slope"] = settings.number("negative_slope") if "negative_slope" in settings else _SLOPE
    if "norm_op" in options:
        norm = _named(options, "norm_op", "torch.nn.", {f"{name}{dimensions}d": own for name, own in _NORMS.items()})
        settings = options.fields("norm_op_kwargs") if "norm_op_kwargs" in options else Fields({}, "norm_op_kwargs")
        _require_only(settings, {"eps", "affine", *(("momentum",) if norm == "batch" else ())})
        # torch's own defaults: an instance norm has no weights unless it is told to, a batch norm has
        affine = settings.flag("affine") if "affine" in settings else norm == "batch"
        eps = settings.number("eps") if "eps" in settings else _EPS
        found |= {"norm": norm, "norm_eps": eps, "norm_affine": affine}
    return found


def _named(options: Fields, key: str, package: str, known: Mapping[str, str]) -> str:
    path = options.text(key)
    name = path.rpartition(".")[2]
    if name not in known or not path.startswith(package):
        raise MedDLError("E407", "network of the nnU-Net model not known", f"{key} is {path[:60]}")
    return known[name]


def _require_only(settings: Fields, known: set[str]) -> None:
    for name in settings:
        if name not in known:
            raise settings.refused(name, "not known")


def _each(options: Fields, name: str, count: int) -> Sizes:
    """One number a level; a single one stands for all."""
    values = options.raw(name)
    sizes = options.wholes(name) if isinstance(values, list) else (options.whole(name),) * count
    if len(sizes) != count:
        raise options.refused(name, f"{count} entries are needed")
    return sizes


def _each_axis(options: Fields, name: str, count: int, dimensions: int) -> tuple[Sizes, ...]:
    """One number an axis for each level."""
    values = options.raw(name)
    levels = values if isinstance(values, list) else [values] * count
    sizes = tuple(_each(Fields({name: level}, "plans.json"), name, dimensions) for level in levels)
    if len(sizes) != count:
        raise options.refused(name, f"{count} entries are needed")
    return sizes


def _without_prefixes(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _first_name(name: str) -> str:
    """``decoder.encoder.x.all_modules.0.weight`` is ``encoder.x.conv.weight`` once more."""
    if name.startswith(_SECOND_ENCODER):
        name = name.removeprefix("decoder.")
    before, second, after = name.rpartition(_SECOND_NAME)
    if not second:
        return name
    number, _, rest = after.partition(".")
    return f"{before}.{'conv' if number == '0' else 'norm'}.{rest}"

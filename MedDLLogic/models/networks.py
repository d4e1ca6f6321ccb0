"""Networks that a card may name, and how each is made: the allow-list."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import MedDLError
from .card import Parameter
from .plugins import PREFIX, installed_plugins, plugin_class

if TYPE_CHECKING:
    from torch import nn

MAX_NUMBER, MAX_ENTRIES = 8192, 64
"""Largest whole number and longest list that a card may give a network."""

_MONAI = {
    f"monai.{name}": name
    for name in (
        "UNet",
        "BasicUNet",
        "DynUNet",
        "SegResNet",
        "SegResNetDS",
        "VNet",
        "AttentionUnet",
        "UNETR",
        "SwinUNETR",
    )
}
_OWN = {
    "vnet-film": "vnet_film.VNetFilm",
    "plain-conv-unet": "nets.plain_conv_unet.PlainConvUNet",
    "residual-encoder-unet": "nets.residual_encoder_unet.ResidualEncoderUNet",
    "sam-tinyvit-image": "nets.lite_medsam.PlaneEmbedding",
    "sam-tinyvit-box": "nets.lite_medsam.BoxMask",
}


def architectures() -> tuple[str, ...]:
    """Names that a card may use: MedDL's own, then those of installed packages."""
    plugins = dict.fromkeys(plugin.architecture for plugin in installed_plugins())
    return (*sorted(_MONAI | _OWN), *plugins)


def build_network(architecture: str, parameters: Mapping[str, Parameter]) -> nn.Module:
    """The network, with fresh weights.

    Raises
    ------
    MedDLError : E401 for a name not in the allow-list or parameters it does not take.
    """
    maker = maker_of(architecture)
    unknown = set(parameters) - set(inspect.signature(maker).parameters)
    if unknown:
        raise MedDLError("E401", f"network {architecture}", f"has no parameter {', '.join(sorted(unknown))[:60]}")
    _require_modest(parameters.values())
    try:
        return maker(**parameters)  # type: ignore[no-any-return]
    except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError, AttributeError, AssertionError) as exc:
        raise MedDLError("E401", f"network {architecture}", "parameters do not fit", detail=str(exc)) from exc


def _require_modest(values: Iterable[Any]) -> None:
    """A hostile card must not take all memory by a network that its weights could never fill."""
    for value in values:
        if isinstance(value, (tuple, Mapping)):
            _require_modest(value.values() if isinstance(value, Mapping) else value)
        too_long = isinstance(value, (tuple, str)) and len(value) > MAX_ENTRIES
        if too_long or (isinstance(value, int) and abs(value) > MAX_NUMBER):
            raise MedDLError("E401", "parameters of the network", f"numbers to {MAX_NUMBER}, {MAX_ENTRIES} entries")


def maker_of(architecture: str) -> Callable[..., Any]:
    """The class or function that makes the network; E401 for a name not in the allow-list."""
    if architecture.startswith(PREFIX):
        return plugin_class(architecture)
    if architecture in _MONAI:
        return getattr(importlib.import_module("monai.networks.nets"), _MONAI[architecture])  # type: ignore[no-any-return]
    if architecture in _OWN:
        module, _, name = _OWN[architecture].rpartition(".")
        return getattr(importlib.import_module(f".{module}", __package__), name)  # type: ignore[no-any-return]
    raise MedDLError("E401", "network not known", architecture[:40], f"known: {', '.join(architectures())}")

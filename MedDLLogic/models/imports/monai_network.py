"""A MONAI network by name and arguments, as a card says it: from the allow-list, with plain parameters."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ...errors import MedDLError
from ..card import Network
from ..networks import architectures, maker_of
from .monai_config import Component

_PREFIX = "monai."
_NO_LONGER = {"monai.SwinUNETR": {"img_size"}}
"""Arguments of older MONAI that changed nothing in the network."""

_FUSED, _PLAIN = "INSTANCE_NVFUSER", "INSTANCE"


def network_of(component: Component) -> Network:
    """The network, to be filled from safetensors.

    Raises
    ------
    MedDLError : E407 for a network that is not in the allow-list, E405 for arguments that would be run, E401 for those
        that it does not take.
    """
    architecture = _architecture(component.target)
    given = component.arguments()
    defaults = inspect.signature(maker_of(architecture)).parameters
    parameters = {}
    for name, value in given.items():
        if name in _NO_LONGER.get(architecture, ()):
            continue
        if name not in defaults:
            raise MedDLError("E401", f"network {component.target}", f"has no parameter {name[:40]}")
        if value is None:
            _require_default_none(component.target, name, defaults[name])
        else:
            parameters[name] = _parameter(name, value)
    dimensions = given.get("spatial_dims", 3)
    if dimensions not in (2, 3):
        raise MedDLError("E407", f"network {component.target}", f"of {str(dimensions)[:10]} dimensions")
    return Network("safetensors", architecture, parameters, dimensions=dimensions)


def channels_of(network: Network, which: str) -> int:
    """``"in_channels"`` or ``"out_channels"`` of the network, as given or as its class has it."""
    found = network.parameters.get(which)
    if found is None:
        found = inspect.signature(maker_of(network.architecture)).parameters[which].default
    if not isinstance(found, int) or not 1 <= found <= 1024:
        raise MedDLError("E401", f"network {network.architecture}", f"{which} is no number from 1 to 1024")
    return found


def _architecture(target: str) -> str:
    """MONAI gives some networks several spellings, which differ in case alone."""
    known = {name.lower(): name for name in architectures() if name.startswith(_PREFIX)}
    found = known.get(f"{_PREFIX}{target}".lower())
    if found is None:
        names = ", ".join(name.removeprefix(_PREFIX) for name in known.values())
        raise MedDLError("E407", "network has no counterpart here", target[:40], f"known: {names}")
    return found


def _require_default_none(target: str, name: str, parameter: inspect.Parameter) -> None:
    if parameter.default is not None:
        raise MedDLError("E407", f"network {target}", f"{name[:40]} is null, which a card cannot say")


def _parameter(name: str, value: Any) -> Any:
    if isinstance(value, (str, bool, int, float)):
        return _with_affine({}) if str(value).upper() == _FUSED else value
    if not isinstance(value, (list, tuple)):
        raise MedDLError("E407", "parameter of the network", f"{name[:40]} is of a kind that a card cannot hold")
    if value and isinstance(value[0], str):
        return _layer(name, list(value))
    if any(isinstance(item, (list, tuple)) for item in value):
        return _rows(name, list(value))
    return tuple(_number(name, item) for item in value)


def _layer(name: str, value: list[Any]) -> Any:
    """A layer by name, perhaps with parameters of its own."""
    options = value[1] if len(value) > 1 else {}
    plain = isinstance(options, Mapping) and all(isinstance(item, (str, bool, int, float)) for item in options.values())
    if len(value) > 2 or not plain:
        raise MedDLError("E407", "parameter of the network", f"{name[:40]} is of a kind that a card cannot hold")
    if value[0].upper() == _FUSED:
        return _with_affine(options)
    return (value[0], dict(options)) if options else value[0]


def _with_affine(options: Mapping[str, Any]) -> Any:
    """A faster layer for one maker's GPUs computes what the plain one with its own weights does."""
    return (_PLAIN, {"affine": True, **options})


def _rows(name: str, value: list[Any]) -> tuple[tuple[int, ...], ...]:
    """Sizes for each level; a single number stands for all axes."""
    axes = max(len(item) for item in value if isinstance(item, (list, tuple)))
    rows = [list(item) if isinstance(item, (list, tuple)) else [item] * axes for item in value]
    return tuple(tuple(_whole(name, item) for item in row) for row in rows)


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MedDLError("E407", "parameter of the network", f"{name[:40]} holds something that is no number")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MedDLError("E407", "parameter of the network", f"{name[:40]} holds something that is no whole number")
    return value

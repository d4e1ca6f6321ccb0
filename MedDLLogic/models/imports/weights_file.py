"""Weights alone, with the network they are for named by the user; that they fit is tried on the spot."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ...errors import MedDLError
from ..card import Network
from ..content import content_of, in_words
from ..loaders import WRAPPERS, fill
from ..networks import architectures, maker_of
from .draft import Draft, drafted
from .foreign import Foreign
from .tensors import read_state, safetensors_bytes
from .tree import ModelTree

FORMAT = "weights"
_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_FILE_NAME = "weights.safetensors"
_IN, _OUT = ("in_channels", "input_channels"), ("out_channels", "num_classes")


def read_weights(tree: ModelTree, name: str, network: Network) -> Foreign:
    """The weights as safetensors, with a card for the network that they fill.

    Raises
    ------
    MedDLError : E401 for a network or parameters not known, E405 for a program, E406 when the weights do not fit,
        E407 when there is no file of weights.
    """
    file_name = tree.only(*_ENDINGS)
    if not file_name:
        raise MedDLError("E407", "several files", "", "name the one file of weights")
    content = tree.content(file_name)
    if content_of(content) == "torchscript":
        raise MedDLError("E405", "weights file is a program", "TorchScript", "add it without --network")
    state, prefix = _unwrapped(read_state(content, *WRAPPERS), network)
    fill(network, state)
    numbers = _numbers(network)
    draft = Draft(
        network, _FILE_NAME, safetensors_bytes(state),
        channels_in=_first(numbers, _IN, 1), channels_out=_first(numbers, _OUT, 2),
    )  # fmt: skip
    foreign = drafted(draft, name, f"weights of {network.architecture}")
    said = (f"The names of the weights began with {prefix!r}, which was taken off.",) if prefix else ()
    return Foreign(foreign.card, foreign.files, (*said, *foreign.notes))


def found_weights(tree: ModelTree) -> MedDLError | None:
    """What to say of a file of weights whose network nobody named; None when there is no such file."""
    name = tree.only(*_ENDINGS)
    content = tree.content(name) if name else b""
    if content_of(content) not in ("safetensors", "state_dict"):
        return None
    hint = "name its network: --network monai.UNet --parameters JSON"
    return MedDLError("E407", "weights alone", f"{in_words(content)}, no network", hint)


def network_named(architecture: str, parameters: Mapping[str, Any]) -> Network:
    """The network by name with parameters as JSON has them; E401."""
    from ...records import from_json

    if architecture not in architectures():
        raise MedDLError("E401", "network not known", architecture[:40], f"known: {', '.join(architectures())}")
    dimensions = 2 if parameters.get("spatial_dims") == 2 else 3
    described = {"format": "safetensors", "architecture": architecture, "dimensions": dimensions}
    return from_json(Network, described | {"parameters": dict(parameters)}, code="E401")


def _unwrapped(state: Mapping[str, Any], network: Network) -> tuple[Mapping[str, Any], str]:
    """The weights without a name that training programs put before all of them, and that name."""
    from ..networks import build_network

    expected = build_network(network.architecture, network.parameters).state_dict()
    first = next(iter(state), "")
    prefix = f"{first.partition('.')[0]}."
    all_have_it = all(key.startswith(prefix) for key in state)
    if all_have_it and not any(key.startswith(prefix) for key in expected):
        return {key.removeprefix(prefix): tensor for key, tensor in state.items()}, prefix
    return state, ""


def _numbers(network: Network) -> Mapping[str, Any]:
    """The network's parameters with the defaults of those that were not given."""
    bound = inspect.signature(maker_of(network.architecture)).bind_partial(**network.parameters)
    bound.apply_defaults()
    return bound.arguments


def _first(numbers: Mapping[str, Any], names: tuple[str, ...], default: int) -> int:
    return next((int(numbers[name]) for name in names if isinstance(numbers.get(name), int)), default)

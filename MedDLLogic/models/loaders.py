"""Weights files to networks: read as data, checked by hash, filled strictly.

The bytes that are hashed are the bytes that are loaded. A file's content decides what it is, not
its name. TorchScript is a program: it runs only where the card's hash is trusted.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MedDLError
from .card import Network, NetworkStage, Weights
from .content import content_of, in_words
from .imports.tensors import read_state, require_safe_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network_weights")
"""Keys under which training programs keep the table of weights."""


def load_network(stage: NetworkStage, path: Path, *, model: str, is_trusted: bool) -> nn.Module:
    """The stage's network in evaluation mode, on the CPU.

    Parameters
    ----------
    path : the weights file.
    model : the card's name, for the hints of errors.
    is_trusted : somebody said yes to code in the file of that hash; needed for TorchScript only.

    Raises
    ------
    MedDLError : E404 for another hash, E405 for code without a yes, E406 when weights do not fit,
        E407 for a format that is not what the card says, E408 for an archive that would grow when read.
    """
    require_safe_torch()
    content = read_verified(path, stage.weights, model)
    found = content_of(content)
    if stage.network.format == "torchscript":
        if found != "torchscript":
            raise MedDLError("E407", "weights file is not TorchScript", f"it is {in_words(content)}")
        require_trust(stage, model=model, is_trusted=is_trusted)
        return _load_torchscript(content)
    if stage.network.format == "onnx":
        raise MedDLError("E407", "torch does not run ONNX graphs", "", "choose another precision or backend")
    return fill(stage.network, read_state(content, *WRAPPERS))


def load_graph(stage: NetworkStage, path: Path, *, model: str) -> bytes:
    """The stage's ONNX graph, all in one file, of no operators but ONNX's own.

    Raises
    ------
    MedDLError : E404 for another hash, E406 when damaged, E407 when it is no ONNX file or one that cannot be run, E408
        for one that keeps weights in other files.
    """
    from .imports.onnx_file import describe

    content = read_verified(path, stage.weights, model)
    if content_of(content) != "onnx":
        raise MedDLError("E407", "weights file is not an ONNX graph", f"it is {in_words(content)}")
    describe(content)
    return content


def require_trust(stage: NetworkStage, *, model: str, is_trusted: bool) -> None:
    """Raise E405 for a program that nobody said yes to."""
    if stage.network.format == "torchscript" and not is_trusted:
        raise MedDLError("E405", "this model is a program", "TorchScript", f"say yes with: meddl models trust {model}")


def read_verified(path: Path, weights: Weights, model: str) -> bytes:
    """The file's bytes, with the SHA-256 that the card called ``model`` names; E403, E404."""
    try:
        with path.open("rb") as file:
            content = file.read(weights.size_bytes + 1)
    except OSError as exc:
        raise MedDLError("E403", "weights not readable", type(exc).__name__, f"meddl models get {model}") from exc
    found = hashlib.sha256(content).hexdigest()
    if found != weights.sha256:
        why = "another size" if len(content) != weights.size_bytes else f"SHA-256 {found[:12]}…"
        raise MedDLError("E404", f"weights of {model} differ from the card", why, f"meddl models get {model}")
    return content


def fill(described: Network, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network in evaluation mode with these weights, each tensor used and none missing; E401, E406."""
    from .networks import build_network

    network = build_network(described.architecture, described.parameters)
    expected = network.state_dict()
    missing, unknown = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    misshapen = [key for key in expected if key in tensors and expected[key].shape != tensors[key].shape]
    if missing or unknown or misshapen:
        first = (missing + unknown + misshapen)[0]
        why = f"{len(missing)} missing, {len(unknown)} unknown, {len(misshapen)} of other shape, first {first[:40]}"
        raise MedDLError("E406", "weights do not fit the network", why)
    network.load_state_dict(tensors, strict=True)
    return network.eval()


def _load_torchscript(content: bytes) -> nn.Module:
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=FutureWarning)
        try:
            return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()  # type: ignore[no-untyped-call, no-any-return]
        except RuntimeError as exc:
            raise MedDLError("E406", "TorchScript file damaged", detail=str(exc)) from exc

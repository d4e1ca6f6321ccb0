"""Weights files to networks: read as data, checked by hash, filled strictly.

The bytes that are hashed are the bytes that are loaded. A file's content decides what it is, not
its name. TorchScript is a program: it runs only where the card's hash is trusted.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MedDLError
from .card import NetworkStage, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn

MIN_TORCH = (2, 10)
"""Older releases have known code-execution holes in ``torch.load`` (CVE-2026-24747)."""

SLACK_BYTES = 64 << 20
"""Weights are stored uncompressed: what an archive may grow beyond its size, for programs and tables."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network_weights")


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
    _require_safe_torch()
    content = _read_verified(path, stage.weights, model)
    found = _format_of(content)
    if stage.network.format == "torchscript":
        if found != "torchscript":
            raise MedDLError("E407", "weights file is not TorchScript", f"it is {found}")
        if not is_trusted:
            raise MedDLError(
                "E405", "this model is a program", "TorchScript", f"say yes with: meddl models trust {model}"
            )
        return _load_torchscript(content)
    return _fill(stage, _read_tensors(content, found))


def _require_safe_torch() -> None:
    import torch

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < MIN_TORCH:
        raise MedDLError(
            "E407", "torch is too old to read weights safely", torch.__version__, "install torch 2.10 or newer"
        )


def _read_verified(path: Path, weights: Weights, model: str) -> bytes:
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


def _format_of(content: bytes) -> str:
    if len(content) > 8 and content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return "safetensors"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # no archive, or one of a kind that no weights are
        return "of an unknown format"
    if sum(member.file_size for member in members) > len(content) + SLACK_BYTES:
        raise MedDLError("E408", "weights file would grow far beyond its size when read")
    is_program = any(member.filename.endswith("/constants.pkl") for member in members)
    return "torchscript" if is_program else "state_dict"


def _read_tensors(content: bytes, found: str) -> Mapping[str, Tensor]:
    if found == "safetensors":
        return _read_safetensors(content)
    if found == "state_dict":
        return _read_state_dict(content)
    raise MedDLError("E407", "weights file not usable here", f"it is {found}")


def _read_safetensors(content: bytes) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as exc:
        raise MedDLError("E406", "safetensors file damaged", detail=str(exc)) from exc


def _read_state_dict(content: bytes) -> Mapping[str, Tensor]:
    import pickle

    import torch

    try:
        found: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as exc:
        raise MedDLError(
            "E405", "weights file holds more than weights", "", "convert to safetensors", detail=str(exc)
        ) from exc
    for name in _WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items()
    ):
        raise MedDLError("E406", "no table of weights in the file")
    return found


def _fill(stage: NetworkStage, tensors: Mapping[str, Tensor]) -> nn.Module:
    from .networks import build_network

    network = build_network(stage.network.architecture, stage.network.parameters)
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

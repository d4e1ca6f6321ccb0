"""Model files that want more than to be read: each tries to leave a trace, or to use up the machine."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .files import UNET, onnx_bytes, script_bytes, torch_bytes, unet, with_turned_bit
from .nnunet_files import write_results

SLIPS = (
    "../x.json",
    "a/../../x.json",
    "/x.json",  # the root of any disk: no place of one machine
    "C:\\x.json",
    "..\\x.json",
    "\\\\host\\x",
    "a/b/../../../x",
    "~|x",
)
FLIPS = 10


class _Runs:
    """Unpickled, it runs a command that leaves the canary."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self._canary}",))


class _Execs(_Runs):
    def __reduce__(self):
        return (exec, (f"open({str(self._canary)!r}, 'w').close()",))


@dataclass(frozen=True)
class Hostile:
    """One file or folder with the further options of ``meddl models add``."""

    name: str
    path: Path
    options: tuple[str, ...] = ()


def make_all(folder: Path, canary: Path, only: str = "") -> tuple[Hostile, ...]:
    """All of them or the one of that name, each in a folder of its own; ``canary`` is what their code would make."""
    made = []
    makers: list[tuple[str, Callable[[Path, Path], tuple[Path, tuple[str, ...]]]]] = [
        *_PICKLES.items(), *_PROGRAMS.items(), *_slips(), *_ARCHIVES.items(), *_flips(), *_WRONG.items(),
    ]  # fmt: skip
    for name, maker in makers:
        if only not in ("", name):
            continue
        place = folder / f"{len(made):02d}"
        place.mkdir(parents=True)
        path, options = maker(place, canary)
        made.append(Hostile(name, path, options))
    return tuple(made)


def _network() -> tuple[str, ...]:
    return ("--network", "monai.UNet", "--parameters", json.dumps(UNET))


def _file(place: Path, name: str, content: bytes, options: tuple[str, ...] = ()) -> tuple[Path, tuple[str, ...]]:
    (place / name).write_bytes(content)
    return place / name, options


def _zip(members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# -- pickles ---------------------------------------------------------------------------------------


def _raw_pickle(place: Path, canary: Path):
    return _file(place, "model.pkl", pickle.dumps(_Runs(canary)), _network())


def _pickle_in_torch(place: Path, canary: Path):
    return _file(place, "model.pt", torch_bytes({"state_dict": _Runs(canary)}), _network())


def _pickle_in_old_torch(place: Path, canary: Path):
    content = torch_bytes({"a": _Execs(canary)}, _use_new_zipfile_serialization=False)
    return _file(place, "model.pth", content, _network())


def _pickle_as_safetensors(place: Path, canary: Path):
    return _file(place, "model.safetensors", pickle.dumps(_Execs(canary)), _network())


def _pickle_as_onnx(place: Path, canary: Path):
    return _file(place, "model.onnx", pickle.dumps(_Runs(canary)))


def _seven_zip(place: Path, canary: Path):
    """What slipped by scanners in 2025: the pickle first, the archive around it second."""
    return _file(place, "model.pt", b"7z\xbc\xaf'\x1c\x00\x04" + pickle.dumps(_Runs(canary)), _network())


def _array_of_objects(place: Path, canary: Path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Execs(canary)], dtype=object), allow_pickle=True)
    return _file(place, "weights.npy", buffer.getvalue(), _network())


def _object_in_checkpoint(place: Path, canary: Path):
    content = torch_bytes({"best": np.array([_Execs(canary)], dtype=object)})
    return _file(place, "model.pt", content, _network())


def _nnunet_pickle(place: Path, canary: Path):
    return write_results(place, network_weights=_Runs(canary)), ()


def _bundle_pickle(place: Path, canary: Path):
    bundle, options = _bundle(place, {})
    (bundle / "models" / "model.pt").write_bytes(torch_bytes({"model": _Execs(canary)}))
    return bundle, options


_PICKLES = {
    "pickle": _raw_pickle,
    "pickle in torch's archive": _pickle_in_torch,
    "pickle in torch's old format": _pickle_in_old_torch,
    "pickle called safetensors": _pickle_as_safetensors,
    "pickle called ONNX": _pickle_as_onnx,
    "pickle behind a 7z header": _seven_zip,
    "array of objects": _array_of_objects,
    "array of objects in a checkpoint": _object_in_checkpoint,
    "pickle as nnU-Net's checkpoint": _nnunet_pickle,
    "pickle as a bundle's weights": _bundle_pickle,
}


# -- programs --------------------------------------------------------------------------------------


def _torchscript(place: Path, canary: Path):
    """Given as weights; added as what it is, it would wait for trust."""
    return _file(place, "model.pt", script_bytes(unet()), _network())


def _bundle(place: Path, changes: dict, more: dict[str, str] | None = None):
    (place / "configs").mkdir()
    (place / "models").mkdir()
    network = {"_target_": "UNet", **UNET}
    compose = {"_target_": "Compose", "transforms": []}
    config = {"network_def": network, "inferer": {"_target_": "SimpleInferer"}, "preprocessing": compose}
    config |= {"postprocessing": {"_target_": "Compose", "transforms": [{"_target_": "AsDiscreted", "argmax": True}]}}
    (place / "configs" / "inference.json").write_text(json.dumps(config | changes))
    (place / "configs" / "metadata.json").write_text(json.dumps({"version": "1"}))
    (place / "models" / "model.pt").write_bytes(torch_bytes(unet().state_dict()))
    for name, text in (more or {}).items():
        (place / name).write_text(text)
    return place, ()


def _bundle_expression(place: Path, canary: Path):
    transform = {"_target_": "LoadImaged", "keys": f"$__import__('os').system('touch {canary}')"}
    return _bundle(place, {"preprocessing": {"_target_": "Compose", "transforms": [transform]}})


def _bundle_target(place: Path, canary: Path):
    return _bundle(place, {"network_def": {"_target_": "os.system", "command": f"touch {canary}"}})


def _bundle_logging(place: Path, canary: Path):
    """A configuration for logging names a class to be made, and so runs what it likes."""
    text = f"[handlers]\nkeys=x\n[handler_x]\nclass=__import__('os').system('touch {canary}')\nargs=()\n"
    changes = {"network_def": {"_target_": "logging.config.fileConfig", "fname": "configs/logging.conf"}}
    return _bundle(place, changes, {"configs/logging.conf": text})


def _yaml_object(place: Path, canary: Path):
    return _file(place, "rdf.yaml", f"!!python/object/apply:os.system ['touch {canary}']\n".encode())


def _python_network(place: Path, canary: Path):
    (place / "net.py").write_text(f"open({str(canary)!r}, 'w')")
    (place / "w.pt").write_bytes(torch_bytes({}))
    axes = "bczyx"
    table = {
        "format_version": "0.4.9", "type": "model",
        "inputs": [{"name": "a", "axes": axes, "shape": [1, 1, 8, 8, 8]}],
        "outputs": [{"name": "b", "axes": axes, "shape": [1, 1, 8, 8, 8]}],
        "weights": {"pytorch_state_dict": {"source": "w.pt", "architecture": "net.py:Net"}},
    }  # fmt: skip
    (place / "rdf.yaml").write_text(json.dumps(table))
    return place, ()


def _onnx_elsewhere(place: Path, _canary: Path):
    model = onnx_bytes()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"
    return _file(place, "model.onnx", model.SerializeToString())


_PROGRAMS = {
    "TorchScript given as weights": _torchscript,
    "expression in a bundle": _bundle_expression,
    "target in a bundle": _bundle_target,
    "logging.conf in a bundle": _bundle_logging,
    "object in YAML": _yaml_object,
    "network as Python code": _python_network,
    "ONNX that reads another file": _onnx_elsewhere,
}


# -- archives --------------------------------------------------------------------------------------


def _slips():
    for name in SLIPS:
        yield f"name {name} in a zip", lambda place, _, name=name: _file(place, "model.zip", _zip({name: b"{}"}))


def _link(place: Path, _canary: Path):
    info = zipfile.ZipInfo("plans.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return _file(place, "model.zip", buffer.getvalue())


def _link_in_folder(place: Path, _canary: Path):
    (place / "model").mkdir()
    (place / "model" / "net.onnx").symlink_to("/etc/passwd")
    return place / "model", ()


def _bomb(place: Path, _canary: Path):
    return _file(place, "model.zip", _zip({"net.onnx": bytes(64 << 20)}, zipfile.ZIP_DEFLATED))


def _torch_bomb(place: Path, _canary: Path):
    members = {"a/data.pkl": b"\x80\x02}.", "a/version": b"3", "a/data/0": bytes(96 << 20)}
    return _file(place, "model.pt", _zip(members, zipfile.ZIP_DEFLATED), _network())


def _cut(place: Path, _canary: Path):
    content = torch_bytes(unet().state_dict())
    return _file(place, "model.pt", content[: len(content) // 2], _network())


_ARCHIVES = {
    "link in a zip": _link,
    "link in a folder": _link_in_folder,
    "bomb": _bomb,
    "bomb in torch's archive": _torch_bomb,
    "archive cut short": _cut,
}


def _flips():
    """A bit of the weights turned, at places that a seed chose."""
    for seed in range(FLIPS):
        yield f"bit {seed + 1} turned", lambda place, _, seed=seed: _flipped(place, seed)


def _flipped(place: Path, seed: int):
    return _file(place, "model.pt", with_turned_bit(torch_bytes(unet().state_dict()), seed), _network())


# -- wrong -----------------------------------------------------------------------------------------


def _wrong_network(place: Path, _canary: Path):
    return _file(place, "model.pt", torch_bytes(unet(channels=[8, 16]).state_dict()), _network())


def _wrong_version(place: Path, _canary: Path):
    model = onnx_bytes()
    model.ir_version = 29
    return _file(place, "model.onnx", model.SerializeToString())


def _own_operator(place: Path, _canary: Path):
    model = onnx_bytes()
    model.graph.node[0].domain = "com.evil"
    return _file(place, "model.onnx", model.SerializeToString())


_WRONG = {
    "weights of another network": _wrong_network,
    "version not known": _wrong_version,
    "operator of its own": _own_operator,
}

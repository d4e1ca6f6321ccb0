"""The engine on a graphics card against MONAI's sliding window in eager torch: ``python -m Testing.benchmarks.gpu``.

Prints a table: what was timed, the median of its rounds, the peak of the card's memory, and what it is compared with.
Rivals take turns, A B A B. ``--small`` does all of it in tiny, on a CPU too (``--device cpu``), where times mean nothing.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.networks.nets import DynUNet

from MedDLLogic.geometry import Geometry
from MedDLLogic.inference.decode import Decoding
from MedDLLogic.inference.device_copies import Downloads, on_device
from MedDLLogic.inference.device_predictor import DevicePredictor, half_type
from MedDLLogic.inference.run import run_network
from MedDLLogic.models.card import Decode, Network, Tiling

from .phantom_network import CLASSES, PATCH, VOLUME, make_network, phantom, trained

PRECISIONS = ("reference", "exact", "fast")
WARM = 4
"""Calls before the clock starts: two choose algorithms, the third one is captured, the fourth runs as all others."""


@dataclass(frozen=True)
class Size:
    """How large everything is.

    Parameters
    ----------
    volume, patch : of the sliding window, k, j, i.
    working, native : of the restoring, which goes from the first one's voxels to the second one's.
    learned_for, learned_volume, learned_patch : a second network, which has learned for so many steps, and what it is
        run on: labels of random weights nearly tie, and say little of how far two devices agree.
    """

    filters: tuple[int, ...]
    classes: int
    volume: tuple[int, int, int]
    patch: tuple[int, int, int]
    working: tuple[int, int, int]
    native: tuple[int, int, int]
    restored_classes: int
    rounds: int
    learned_for: int
    learned_volume: tuple[int, int, int]
    learned_patch: tuple[int, int, int]


FULL = Size(
    (32, 64, 128, 256, 320, 320),
    24,
    (397, 287, 287),
    (128,) * 3,
    (270, 341, 341),
    (807, 512, 512),
    104,
    5,
    300,
    VOLUME,
    PATCH,
)
SMALL = Size((4, 8, 8), 3, (26, 20, 18), (16,) * 3, (9, 8, 7), (13, 12, 11), 5, 2, 0, (33, 32, 32), (32,) * 3)


@dataclass(frozen=True)
class Line:
    """One thing that was timed; ``peak`` in bytes, 0 where the device keeps no count."""

    what: str
    seconds: float
    peak: int
    note: str = ""


@dataclass(frozen=True)
class Found:
    """All lines, and what of them is a promise.

    Parameters
    ----------
    dice : precision -> lowest of a class, labels of the device against ``reference`` on the CPU, by a network that
        has learned something.
    speedup : of ``fast`` over MONAI's sliding window in eager float32.
    """

    lines: tuple[Line, ...]
    dice: Mapping[str, float]
    speedup: float


def measure(device: str, size: Size) -> Found:
    """Time everything on the device; torch.OutOfMemoryError and E502 where something does not fit."""
    torch.manual_seed(0)
    lines = [*_patches(device, size)]
    windows, speedup = _windows(device, size)
    lines += [*windows, *_restoring(device, size), *_copies(device, size)]
    return Found(tuple(lines), _agreement(device, size), speedup)


def _network(size: Size) -> torch.nn.Module:
    """A U-Net of nnU-Net's kind with random weights of one seed."""
    torch.manual_seed(1)
    strides = [1, *[2] * (len(size.filters) - 1)]
    kernels = [3] * len(size.filters)
    return DynUNet(3, 1, size.classes, kernels, strides, strides[1:], filters=size.filters).eval()


def _predictor(device: str, size: Size, precision: str) -> DevicePredictor:
    return DevicePredictor(_network(size), Network("torchscript"), device, precision)


def _patches(device: str, size: Size) -> list[Line]:
    """One patch that lies on the device already, at each precision, with and without what makes it fast."""
    patches = torch.rand((1, 1, *size.patch), device=device)
    ways: dict[str, Callable[[], object]] = {}
    notes = dict.fromkeys(PRECISIONS, "")
    for precision in PRECISIONS:
        predictor = _predictor(device, size, precision)
        ways[precision] = partial(_forward, predictor, patches)
        _repeat(WARM, ways[precision])
        notes[precision] = "; ".join(predictor.notes)
    timed = _predictor(device, size, "fast")
    ways["fast, algorithms chosen by timing"] = partial(_timed_by_cudnn, timed.running, timed.forward, patches)
    module = _network(size).to(device)
    ways["torch eager"] = partial(_eager, module, patches, half=False)
    ways["torch autocast"] = partial(_eager, module, patches, half=True)
    lines = _in_turns(device, size.rounds, ways)
    return [Line(f"patch, {line.what}", line.seconds, line.peak, notes.get(line.what, "")) for line in lines]


def _windows(device: str, size: Size) -> tuple[list[Line], float]:
    """A volume from the CPU's memory to its labels there."""
    voxels = np.random.default_rng(2).random((1, *size.volume), dtype=np.float32)
    tiling = Tiling(size.patch, 0.5)
    module = _network(size).to(device)
    ways: dict[str, Callable[[], object]] = {
        precision: partial(_ours, _predictor(device, size, precision), voxels, tiling, size.classes)
        for precision in PRECISIONS
    }
    ways["MONAI eager"] = partial(_monai, module, voxels, tiling, half=False)
    ways["MONAI autocast"] = partial(_monai, module, voxels, tiling, half=True)
    lines = {line.what: line for line in _in_turns(device, size.rounds, ways)}
    told = [Line(f"volume, {name}", line.seconds, line.peak) for name, line in lines.items()]
    return told, lines["MONAI eager"].seconds / lines["fast"].seconds


def _agreement(device: str, size: Size) -> dict[str, float]:
    """Labels at each precision against those of ``reference`` on the CPU; takes minutes, most of them to learn."""
    network = trained(size.learned_for) if size.learned_for else make_network().eval()
    voxels, tiling = phantom(size.learned_volume, np.random.default_rng(7))[0][None], Tiling(size.learned_patch, 0.5)

    def labels(where: str, precision: str) -> np.ndarray:
        predictor = DevicePredictor(copy.deepcopy(network), Network("torchscript"), where, precision)
        return _ours(predictor, voxels, tiling, CLASSES)

    expected = labels("cpu", "reference")
    return {precision: _lowest_dice(labels(device, precision), expected, CLASSES) for precision in PRECISIONS}


def _restoring(device: str, size: Size) -> list[Line]:
    """Activations that lie on the device to labels of a finer grid in the CPU's memory."""
    planes = torch.randn((size.working[0], *size.working[1:], 1), device=device)
    step = max(1, size.working[0] // 16)
    ways = {
        "ours": partial(_restored, planes, size, step, device),
        "torch interpolate": partial(_interpolated, planes, size, step),
    }
    return [Line(f"restore, {line.what}", line.seconds, line.peak) for line in _in_turns(device, size.rounds, ways)]


def _copies(device: str, size: Size) -> list[Line]:
    """A volume there, and its labels back."""
    voxels = np.zeros(size.native, dtype=np.float32)
    labels, received = torch.zeros(size.native, dtype=torch.uint8, device=device), np.zeros(size.native, np.uint8)

    def back() -> None:
        downloads = Downloads(device)
        for plane in range(0, size.native[0], 64):
            downloads.send(labels[plane : plane + 64], partial(received[plane : plane + 64].__setitem__, ...))
        downloads.finish()

    lines = _in_turns(device, size.rounds, {"volume there": lambda: on_device(voxels, device), "labels back": back})
    sizes = {"volume there": voxels.nbytes, "labels back": received.nbytes}
    return [Line(f"copy, {x.what}", x.seconds, x.peak, f"{sizes[x.what] / x.seconds / 1e9:.1f} GB/s") for x in lines]


# -- the ways ----------------------------------------------------------------------------------------


def _forward(predictor: DevicePredictor, patches: torch.Tensor) -> torch.Tensor:
    with predictor.running():
        return predictor.forward(patches, {})


def _timed_by_cudnn(running: Callable, forward: Callable, patches: torch.Tensor) -> torch.Tensor:
    with running(), torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
        return forward(patches, {})


def _autocast(device: str, half: bool) -> torch.autocast:
    return torch.autocast(device.split(":", maxsplit=1)[0], dtype=half_type(device), enabled=half)


def _eager(module: torch.nn.Module, patches: torch.Tensor, *, half: bool) -> torch.Tensor:
    with torch.inference_mode(), _autocast(str(patches.device), half):
        return module(patches)


def _ours(predictor: DevicePredictor, voxels: np.ndarray, tiling: Tiling, classes: int) -> np.ndarray:
    grid = Geometry(voxels.shape[1:], np.eye(4))
    rule = Decode("argmax", ("", *(f"class-{n}" for n in range(1, classes))))

    def decoding(allocate: Callable, axes: tuple[int, int, int]) -> Decoding:
        return Decoding(rule, {}, grid, grid, axes, allocate=allocate)

    def refuse(rung: str) -> None:
        raise MemoryError(f"too little memory: {rung}")

    def ready(device: str) -> DevicePredictor:
        return predictor

    made = run_network(ready, predictor.device, voxels, {}, tiling, decoding, lambda part: None, refuse)
    return made.masks.volumes[0]


def _monai(module: torch.nn.Module, voxels: np.ndarray, tiling: Tiling, *, half: bool) -> np.ndarray:
    device = str(next(module.parameters()).device)
    with torch.inference_mode(), _autocast(device, half):
        batch = torch.from_numpy(voxels[None]).to(device)
        found = sliding_window_inference(batch, tiling.patch_kji, 1, module, tiling.overlap, mode="gaussian")
        return found[0].argmax(dim=0).to(torch.uint8).cpu().numpy()


def _classes(planes: torch.Tensor, count: int) -> torch.Tensor:
    """(n, height, width, class) activations of one random plane each; made when needed, since all would not fit."""
    return planes * torch.linspace(-1, 1, count, device=planes.device) + torch.arange(count, device=planes.device) % 7


def _restored(planes: torch.Tensor, size: Size, step: int, device: str) -> None:
    working = Geometry(size.working, np.eye(4))
    rule = Decode("argmax", tuple(f"class-{n}" for n in range(size.restored_classes)))
    sink = Decoding(rule, {}, working, working.resized(size.native), (0, 1, 2), allocate=np.zeros).on_device(device)
    with torch.inference_mode():
        for start in range(0, len(planes), step):
            first = max(0, start - 1)
            sink.take(_classes(planes[first : start + step], size.restored_classes), first)
    sink.finish()


def _interpolated(planes: torch.Tensor, size: Size, step: int) -> None:
    """As much trilinear interpolation of all classes as that takes, block by block, with no care for their seams."""
    finer = size.native[0] / size.working[0]
    with torch.inference_mode():
        for start in range(0, len(planes), step):
            for pair in _classes(planes[start : start + step], size.restored_classes).split(2):
                shape = (max(1, round(len(pair) * finer)), *size.native[1:])
                found = torch.nn.functional.interpolate(pair.permute(3, 0, 1, 2)[None], shape, mode="trilinear")
                found.argmax(dim=1).to(torch.uint8).cpu()


# -- the clock ---------------------------------------------------------------------------------------


def _in_turns(device: str, rounds: int, ways: dict[str, Callable[[], object]]) -> list[Line]:
    """Each way once unmeasured, then in turns; medians, and the highest peak."""
    for work in ways.values():
        _repeat(1, work)
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(_timed(device, work))
    return [
        Line(name, statistics.median(seconds for seconds, _ in found), max(peak for _, peak in found))
        for name, found in taken.items()
    ]


def _timed(device: str, work: Callable[[], object]) -> tuple[float, int]:
    is_cuda = device.startswith("cuda")
    if is_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    _settle(device)
    started_s = time.perf_counter()
    work()
    _settle(device)
    return time.perf_counter() - started_s, torch.cuda.max_memory_allocated(device) if is_cuda else 0


def _settle(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    if device == "mps":
        torch.mps.synchronize()


def _repeat(count: int, work: Callable[[], object]) -> None:
    for _ in range(count):
        work()


def _lowest_dice(found: np.ndarray, expected: np.ndarray, classes: int) -> float:
    scores = []
    for label in range(1, classes):
        one, other = found == label, expected == label
        if one.any() or other.any():
            scores.append(2 * float((one & other).sum()) / float(one.sum() + other.sum()))
    return min(scores, default=1.0)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit status 1 where there is no such device."""
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--small", action="store_true", help="in tiny, to see that it works")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.stdout.write("not measured: no GPU\n")
        return 1
    found = measure(options.device, SMALL if options.small else FULL)
    sys.stdout.write(f"{_name_of(options.device)}, torch {torch.__version__}\n\n| what | ms | peak GB | |\n|-|-|-|-|\n")
    for line in found.lines:
        peak = f"{line.peak / 1e9:.2f}" if line.peak else "not counted"
        sys.stdout.write(f"| {line.what} | {line.seconds * 1e3:.2f} | {peak} | {line.note} |\n")
    sys.stdout.write(
        f"\nfast against MONAI eager: {found.speedup:.2f} times as fast; lowest Dice against the CPU's reference"
    )
    sys.stdout.write(f": {', '.join(f'{name} {dice:.5f}' for name, dice in found.dice.items())}\n")
    return 0


def _name_of(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


if __name__ == "__main__":
    sys.exit(main())

"""Engines on the CPU: how fast against torch, how much of the processor, the same each time, and without torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from Testing.acceptance.row import Outcome, Row

REPO = Path(__file__).resolve().parents[3]
MIN_SPEEDUP, MIN_DICE = 2.0, 0.995
MIN_SPEEDUP_SMALL = 1.2
MIN_SHARE = 0.65
ROUNDS, ROUNDS_SMALL = 3, 1
RUNS, RUNS_SMALL = 20, 3

_HEAD = """
import json, sys, time
import numpy as np
started, computed = time.perf_counter(), time.process_time()
import MedDLLogic
result = MedDLLogic.segment(sys.argv[1], model=sys.argv[2], precision=sys.argv[3], device="cpu")
seconds = [step.seconds for step in result.provenance.steps if step.step["kind"] == "predict"]
np.savez(sys.argv[4], *result.layers)
told = {"wall": time.perf_counter() - started, "cpu": time.process_time() - computed, "network": sum(seconds)}
print(json.dumps(told | {"heavy": sorted({"torch", "monai"} & set(sys.modules))}))
"""

_GENERATED = """
import sys
from Testing.small_models import ball
import MedDLLogic
MedDLLogic.segment({"first": ball()[0], "second": ball()[0]}, model=sys.argv[1], device="auto")
print(sorted({"torch", "monai"} & set(sys.modules)), end="")
"""


def _demo_speed(model: str, rounds: int, least: float) -> Outcome:
    """In turns, each run a process of its own, once the graphs are in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        head, labels = _head_file(model), {}
        times: dict[str, list[dict[str, Any]]] = {"reference": [], "auto": []}
        _segment_head(head, model, "auto", Path(folder))
        for _ in range(rounds):
            for precision, found in times.items():
                found.append(_segment_head(head, model, precision, Path(folder)))
        for precision in times:
            with np.load(Path(folder, f"{precision}.npz")) as arrays:
                labels[precision] = [arrays[name] for name in arrays]
    dice = min(_dice(a, b) for a, b in zip(labels["reference"], labels["auto"], strict=True))
    ratio = {
        what: median(a[what] / b[what] for a, b in zip(times["reference"], times["auto"], strict=True))
        for what in ("network", "wall", "cpu")
    }
    seconds = {name: median(one["wall"] for one in found) for name, found in times.items()}
    figure = (
        f"networks {ratio['network']:.2f}, whole run {ratio['wall']:.2f} times as fast ({seconds['reference']:.0f} to "
        f"{seconds['auto']:.0f} s; processor time {ratio['cpu']:.2f}), lowest Dice {dice:.4f}"
    )
    return Outcome(figure, min(ratio["network"], ratio["wall"]) >= least and dice >= MIN_DICE)


def _share(*, small: bool) -> Outcome:
    """Of what one thread can do at most, in processor time: so other programs do not count."""
    from MedDLLogic.inference.precision import has_bf16

    if not has_bf16():
        return Outcome("not measured: no bfloat16 in this processor", passed=True)
    with tempfile.TemporaryDirectory() as folder:
        peak = _peak_program(Path(folder))
        if peak is None:
            return Outcome("not measured: no C compiler", passed=True)
        os.environ["MEDDL_THREADS"] = "1"
        try:
            return _measured_share(peak, small=small)
        finally:
            del os.environ["MEDDL_THREADS"]


def _measured_share(peak: Path, *, small: bool) -> Outcome:
    from MedDLLogic.inference.patches import tile_count
    from MedDLLogic.inference.sliding import slab_axes, slide
    from MedDLLogic.models.card import Tiling
    from Testing.benchmarks.phantom_network import VOLUME, make_network, phantom

    edge, shape = (32, (48, 48, 48)) if small else (96, VOLUME)
    tiling = Tiling((edge, edge, edge), 0.5, placement="even")
    module = make_network().eval()
    predictor = _predictor(module, (edge, edge, edge), "fast")
    voxels = phantom(shape, np.random.default_rng(7))[0][None]
    operations = tile_count(shape, tiling) * _operations(module, edge)
    slide(predictor, voxels, {}, tiling, slab_axes(shape, tiling), _Argmax(), lambda part: None)
    shares = []
    for _ in range(ROUNDS_SMALL if small else ROUNDS):
        most = _peak_gflops(peak)
        started = time.process_time()
        slide(predictor, voxels, {}, tiling, slab_axes(shape, tiling), _Argmax(), lambda part: None)
        shares.append(operations / (time.process_time() - started) / 1e9 / most)
    share = median(shares)
    figure = f"{share:.0%} of {most:.0f} GFLOP/s, one thread, {tile_count(shape, tiling)} windows of {edge}^3"
    return Outcome(figure, small or share >= MIN_SHARE)


def _deterministic(runs: int, *, small: bool) -> Outcome:
    """Bytes of all labels: every run makes its network anew."""
    from MedDLLogic.inference.precision import has_bf16
    from MedDLLogic.inference.sliding import slab_axes, slide
    from MedDLLogic.models.card import Tiling
    from Testing.benchmarks.phantom_network import make_network, phantom

    edge, shape = (32, (48, 40, 48)) if small else (96, (128, 96, 112))
    tiling = Tiling((edge, edge, edge), 0.5)
    voxels = phantom(shape, np.random.default_rng(7))[0][None]
    module, seen = make_network().eval(), {}
    graph = _graph(module, (edge, edge, edge))
    try:
        for precision in ("exact", "fast") if has_bf16() else ("exact",):
            seen[precision] = set()
            for threads in ("1", "2"):
                os.environ["MEDDL_THREADS"] = threads
                for _ in range(runs):
                    sink = _Argmax()
                    predictor = _on_graph(graph, precision)
                    slide(predictor, voxels, {}, tiling, slab_axes(shape, tiling), sink, lambda part: None)
                    seen[precision].add(b"".join(sink.planes))
    finally:
        os.environ.pop("MEDDL_THREADS", None)
    different = ", ".join(f"{precision} {len(found)}" for precision, found in seen.items())
    figure = f"{runs} runs with 1 and with 2 threads each; different results: {different}"
    return Outcome(figure, all(len(found) == 1 for found in seen.values()))


def _no_torch() -> Outcome:
    """What a process has loaded after a whole job, the first time and with the graph in the cache."""
    from Testing.small_models import make_unet_card

    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MEDDL_HOME": str(Path(folder, "home"))}
        command = [sys.executable, "-c", _GENERATED, str(make_unet_card(folder))]
        told = [
            subprocess.run(command, cwd=REPO, env=environment, check=True, capture_output=True, text=True).stdout
            for _ in range(2)
        ]
    return Outcome(f"first run {told[0]}, second run {told[1]}", told == ["['monai', 'torch']", "[]"])


class _Argmax:
    """Keeps the strongest channel of each voxel."""

    def __init__(self) -> None:
        self.planes: list[bytes] = []

    def take(self, planes: Any, first: int) -> None:
        new = planes if first == 0 and not self.planes else planes[1:]
        self.planes.append(new.argmax(axis=-1).astype(np.uint8).tobytes())


def _graph(module: Any, patch_kji: tuple[int, int, int]) -> bytes:
    from MedDLLogic.inference.graph_export import export_for
    from MedDLLogic.models.card import Network

    network = Network("torchscript")
    return export_for(module, network, 1, patch_kji, lambda graph: _on_graph(graph, "exact")).graph


def _on_graph(graph: bytes, precision: Any) -> Any:
    from MedDLLogic.inference.openvino_backend import OpenVinoPredictor
    from MedDLLogic.models.card import Network

    return OpenVinoPredictor(lambda shape: graph, Network("torchscript"), precision)


def _predictor(module: Any, patch_kji: tuple[int, int, int], precision: str) -> Any:
    return _on_graph(_graph(module, patch_kji), precision)


def _operations(module: Any, edge: int) -> int:
    """Multiplications and additions of one patch, as torch counts them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 1, edge, edge, edge))
    return int(counter.get_total_flops())


def _peak_program(folder: Path) -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, program = REPO / "Testing" / "benchmarks" / "peak.c", folder / "peak"
    subprocess.run([compiler, "-O3", "-march=native", "-pthread", str(source), "-o", str(program)], check=True)
    return program


def _peak_gflops(program: Path) -> float:
    told = subprocess.run([str(program), "1"], check=True, capture_output=True, text=True).stdout
    return float(told.split()[1])


def _head_file(model: str) -> str:
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.samples import find_sample, get_sample
    from MedDLLogic.models.store import get_weights, missing_weights

    get_weights(missing_weights(find_card(model)))
    return str(get_sample(find_sample("head-t1")))


def _segment_head(head: str, model: str, precision: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", _HEAD, head, model, precision, str(folder / f"{precision}.npz")]
    done = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _dice(one: Any, other: Any) -> float:
    """The lowest of all labels."""
    values = [value for value in np.unique(one) if value]
    return min(float(2 * ((one == v) & (other == v)).sum() / ((one == v).sum() + (other == v).sum())) for v in values)


ROWS = (
    Row(
        "demo-speed",
        "brain and tissue of the demo by default against torch's eager mode, as their own packages run them",
        "networks and whole run 2 times as fast, Dice >= 0.995 (small: brain alone, 1.2 times)",
        lambda: _demo_speed("brain-t1", ROUNDS_SMALL, MIN_SPEEDUP_SMALL),
        lambda: _demo_speed("brain-tissue-t1", ROUNDS, MIN_SPEEDUP),
        is_timed=True,
    ),
    Row(
        "bf16-share",
        "share of the processor's bfloat16 peak over a sliding window, PlainConvUNet 16 to 256, 192x192x160, 96^3",
        ">= 65 % where the processor has bfloat16 (small: measured)",
        lambda: _share(small=True),
        lambda: _share(small=False),
        is_timed=True,
    ),
    Row(
        "deterministic",
        "labels over runs and numbers of threads on the CPU, in float32 and bfloat16",
        "identical bytes",
        lambda: _deterministic(RUNS_SMALL, small=True),
        lambda: _deterministic(RUNS, small=False),
        is_in_suite=True,
    ),
    Row(
        "no-torch",
        "a whole job with the network's graph in the cache",
        "neither torch nor MONAI is imported",
        _no_torch,
        _no_torch,
        is_in_suite=True,
    ),
)

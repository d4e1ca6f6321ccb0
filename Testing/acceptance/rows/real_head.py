"""The demo head and the real models: time, memory, volumes, and the same brain however the head is stored."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from Testing.acceptance.row import Outcome, Row

MAX_DEMO_S, MAX_DEMO_GB = 240.0, 4.0
BRAIN_LITERS = (1.55, 1.70)
MIN_DICE = 0.97
MAX_TISSUE_CHANGE = 0.15
MIN_GRAY_DICE, MIN_WHITE_DICE = 0.92, 0.90
TEMPLATES = {
    "t1": (1617531, "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6"),
    "gm": (1965510, "97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed"),
    "wm": (1553010, "382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db"),
}
TEMPLATE_WHEEL_SHA256 = "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a"


def _demo() -> Outcome:
    """The demo as README.md has it, in a process and folder of its own, everything downloaded anew."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MEDDL_HOME": str(Path(folder, "home"))}
        command = [sys.executable, "-m", "MedDLLogic.cli", "demo"]
        started = time.monotonic()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        seconds = time.monotonic() - started
        # Linux counts in KiB, macOS in bytes; the demo is the largest child this process ever had.
        peak_gb = (
            resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        )
        names = sorted(path.name for path in Path(folder, "meddl-demo").iterdir())
    complete = {"demo-head.seg.nrrd", "measurements.csv", "overview.png", "run.json", "scene.mrb"} <= set(names)
    passed = complete and seconds < MAX_DEMO_S and peak_gb < MAX_DEMO_GB
    return Outcome(f"{seconds:.0f} s with downloads, peak {peak_gb:.2f} GB, {len(names)} files", passed)


def _brain_volume() -> Outcome:
    liters = _plain().sum() * _head().geometry.voxel_volume_mm3 / 1e6
    return Outcome(f"{liters:.3f} litres", BRAIN_LITERS[0] <= liters <= BRAIN_LITERS[1])


def _tissue() -> Outcome:
    import MedDLLogic

    templates = _templates()
    gray, white = (templates[kind].voxels[0] > 127 for kind in ("gm", "wm"))  # the maps go from 0 to 255
    _ready("tissue-t1")
    result = MedDLLogic.segment(templates["t1"], model="tissue-t1")
    gray_dice, white_dice = (
        _dice(result.mask_of(name), mask) for name, mask in (("gray-matter", gray), ("white-matter", white))
    )
    passed = gray_dice >= MIN_GRAY_DICE and white_dice >= MIN_WHITE_DICE
    return Outcome(f"Dice gray matter {gray_dice:.4f}, white matter {white_dice:.4f}", passed)


def _tissue_spacings(count: int) -> Outcome:
    """Gray and white matter of the demo head resampled to other spacings, against those of the head as it came."""
    import MedDLLogic
    from MedDLLogic.preprocess.grid import regrid

    _ready("brain-tissue-t1")

    def volumes(image):
        found = MedDLLogic.segment(image, model="brain-tissue-t1").measurements
        return {m.segment_id: m.value for m in found if m.quantity == "volume"}

    plain, worst = volumes(_head()), 0.0
    for spacing_ijk_mm in ((1.0, 1.0, 3.0), (2.0, 1.3, 1.3))[:count]:
        grid = _head().geometry.respaced(spacing_ijk_mm)
        coarse = volumes(_head().with_voxels(regrid(_head().voxels, _head().geometry, grid), grid))
        worst = max(worst, *(abs(coarse[name] / plain[name] - 1) for name in ("gray-matter", "white-matter")))
    return Outcome(f"{count} spacings, largest difference {worst:.1%}", worst <= MAX_TISSUE_CHANGE)


def _orders(step: int) -> Outcome:
    """The head stored in axis orders and flips: the mask must be the same to the voxel."""
    from Testing.geometries import AXIS_ORDERS, stored_as

    chosen = AXIS_ORDERS[1::step]
    different = 0
    for order, flips in chosen:
        voxels, geometry = stored_as(_head().voxels[0], _head().geometry, order, flips)
        expected, _ = stored_as(_plain(), _head().geometry, order, flips)
        found = _brain(_head().with_voxels(voxels[None], geometry))
        different += not np.array_equal(found, expected)
    return Outcome(f"{len(chosen)} axis orders and flips, {different} with another mask", different == 0)


def _grids(count: int) -> Outcome:
    """The head on oblique and coarse grids, as whole numbers and as floats, against the plain mask."""
    from MedDLLogic.preprocess.grid import regrid

    worst, on_grid = 1.0, True
    variants = list(_variants().values())[:count]
    for geometry, dtype in variants:
        voxels = regrid(_head().voxels, _head().geometry, geometry, "linear").astype(dtype)
        image = _head().with_voxels(voxels, geometry)
        found = _brain(image)
        back = regrid(found, geometry, _head().geometry, "nearest")
        worst = min(worst, _dice(back, _plain()))
        on_grid = on_grid and found.shape == geometry.shape_kji
    return Outcome(f"{len(variants)} grids, smallest Dice {worst:.4f}", worst >= MIN_DICE and on_grid)


def _variants():
    """Name -> grid and voxel type."""
    from scipy.spatial.transform import Rotation

    plain = _head().geometry
    tilted = np.eye(4)
    tilted[:3, :3] = Rotation.from_euler("xyz", (12, -17, 23), degrees=True).as_matrix()
    center = plain.center_lps_mm
    tilted[:3, 3] = center - tilted[:3, :3] @ center
    oblique = plain.transformed(tilted)
    return {
        "oblique float": (oblique, np.float32),
        "1 x 1 x 3 int16": (plain.respaced((1.0, 1.0, 3.0)), np.int16),
        "oblique 1 x 1 x 3 float": (oblique.respaced((1.0, 1.0, 3.0)), np.float32),
        "3 x 1 x 1 float": (plain.respaced((3.0, 1.0, 1.0)), np.float32),
        "float": (plain, np.float32),
    }


def _parent_transform() -> Outcome:
    """Nodes under parent transforms: the segmentation overlays the volume, and a head put right is found."""
    from Testing.acceptance.scene_head import away_from_volume_mm, brain_of_turned_head

    away_mm = away_from_volume_mm(_head())
    dice = _dice(brain_of_turned_head(_head(), _brain_of_node), _plain())
    return Outcome(
        f"overlay within {away_mm:.1e} mm, turned head Dice {dice:.4f}", away_mm <= 1e-3 and dice >= MIN_DICE
    )


def _brain_of_node(node):
    import MedDLLogic

    return MedDLLogic.segment(node, model="brain-t1").mask_of("brain")


def _brain(image):
    import MedDLLogic

    result = MedDLLogic.segment(image, model="brain-t1")
    if not result.geometry.is_same_grid(image.geometry):
        raise ValueError("the result does not lie on the input's grid")
    return result.mask_of("brain")


def _templates():
    """The skull-stripped MNI152 T1 and its own gray and white matter maps, out of the nilearn wheel."""
    from MedDLLogic.io.read import read_image
    from MedDLLogic.models.card import WheelMember
    from MedDLLogic.models.fetch import fetch_wheel, read_member

    def source(kind: str) -> WheelMember:
        member = f"nilearn/datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
        return WheelMember("nilearn", "0.14.1", TEMPLATE_WHEEL_SHA256, member, 11509444)

    wheel = fetch_wheel(source("t1"))
    images = {}
    for kind, (size_bytes, sha256) in TEMPLATES.items():
        path = wheel.parent / f"{kind}.nii.gz"
        path.write_bytes(read_member(wheel, source(kind), size_bytes, sha256).content)
        images[kind] = read_image(path).image
    shutil.rmtree(wheel.parent)
    return images


@lru_cache(maxsize=1)
def _head():
    from MedDLLogic.io.read import read_image
    from MedDLLogic.models.samples import find_sample, get_sample

    return read_image(get_sample(find_sample("head-t1"))).image


@lru_cache(maxsize=1)
def _plain():
    _ready("brain-t1")
    return _brain(_head())


def _ready(model: str) -> None:
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.store import get_weights, missing_weights

    get_weights(missing_weights(find_card(model)))


def _dice(one, other) -> float:
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


ROWS = (
    Row("demo", "demo on a CPU, downloads included", "under 4 minutes and 4 GB", _demo, _demo, is_timed=True),
    Row("brain-volume", "brain volume of the demo head", "1.55 to 1.70 litres", _brain_volume, _brain_volume),
    Row(
        "tissue",
        "tissue card on MNI152 against its own maps above one half",
        "Dice GM >= 0.92, WM >= 0.90",
        _tissue,
        _tissue,
    ),
    Row(
        "tissue-spacings",
        "gray and white matter of the demo head at 1 x 1 x 3 and 2 x 1.3 x 1.3 mm",
        "volumes within 15 %",
        lambda: _tissue_spacings(1),
        lambda: _tissue_spacings(2),
    ),
    Row(
        "axis-orders",
        "demo head in all axis orders and flips",
        "identical masks",
        lambda: _orders(24),
        lambda: _orders(1),
    ),
    Row(
        "grids", "demo head oblique, anisotropic, int16 and float", "Dice >= 0.97", lambda: _grids(1), lambda: _grids(5)
    ),
    Row(
        "parent-transform",
        "volume nodes under parent transforms",
        "overlay <= 1e-3 mm, Dice >= 0.97",
        _parent_transform,
        _parent_transform,
    ),
)

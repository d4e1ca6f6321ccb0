"""What boxes hold, on real CT and MR: against reference labels, and against the published package's own code."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from Testing.acceptance.row import Outcome, Row

MODEL = "lite-medsam"
PEER = "MEDDL_BOX_PEER_PYTHON"
"""Environment variable: a Python with torch and the package that the card's weights come from."""

MAX_DIFFERENCE = 1e-4
WIDER_PIXELS = 1  # at 3 mm about what 5 pixels are on a CT of 512 x 512
LEAST_PIXELS = 40

LABELS = {"liver": 5, "spleen": 1, "stomach": 6, "kidney": 2}
LEAST_DICE = {"liver": 0.88, "spleen": 0.94, "stomach": 0.88, "kidney": 0.88}
"""Mean over slices; the boxes come from the labels, so this is what a good box gives."""


@dataclass(frozen=True, eq=False)
class Case:
    """A box on a slice of the CT, and what the reference has there."""

    organ: str
    k: int
    mask: np.ndarray
    prompt: object


def _boxes(step: int) -> Outcome:
    """Every ``step``-th slice of a CT of 3 mm."""
    import MedDLLogic

    _ready()
    image, cases = _image(), list(_cases(step))
    result = MedDLLogic.segment(image, model=MODEL, prompts=[case.prompt for case in cases], device="cpu")
    found = {organ: result.mask_of(organ) for organ in {case.organ for case in cases}}
    dice = {
        organ: float(np.mean([_dice(found[organ][case.k], case.mask) for case in cases if case.organ == organ]))
        for organ in found
    }
    (step_record,) = (record for record in result.provenance.steps if record.step["kind"] == "draw")
    passed = all(value >= LEAST_DICE[organ] for organ, value in dice.items()) and result.geometry == image.geometry
    told = ", ".join(f"{organ} {value:.3f}" for organ, value in sorted(dice.items()))
    return Outcome(f"Dice {told}; {len(cases)} boxes on {step_record.found['slices']} slices", passed)


def _agreement(step: int) -> Outcome:
    """The same planes and boxes through the package's network and through MedDL's."""
    if not os.environ.get(PEER):
        return Outcome(f"not compared: {PEER} names no Python with the package", passed=True)
    _ready()
    planes, boxes = zip(*_as_seen(step), strict=True)
    ours = np.stack([_logits(plane, box) for plane, box in zip(planes, boxes, strict=True)])
    theirs = _peer(np.stack(planes), np.stack(boxes))
    away, differing = float(np.abs(ours - theirs).max()), int(np.count_nonzero((ours > 0) != (theirs > 0)))
    told = f"largest difference {away:.1e} of logits to {np.abs(theirs).max():.0f}, {differing} pixels of {ours.size}"
    return Outcome(f"{told}; {len(boxes)} boxes", away <= MAX_DIFFERENCE and differing == 0)


def _cases(step: int) -> Iterator[Case]:
    from MedDLLogic.io.read import read_image
    from MedDLLogic.tasks.box_places import box_of_voxels

    image = _image()
    labels = read_image(_data("example_seg.nii.gz")).image.voxels[0]
    for k in range(step // 4, len(labels), step):
        for organ, label in LABELS.items():
            mask = labels[k] == label
            if np.count_nonzero(mask) < LEAST_PIXELS:
                continue
            j, i = np.nonzero(mask)
            last = [size - 1 for size in mask.shape[::-1]]
            low = [max(0, int(axis.min()) - WIDER_PIXELS) for axis in (i, j)]
            high = [min(end, int(axis.max()) + WIDER_PIXELS) for axis, end in zip((i, j), last, strict=True)]
            yield Case(organ, k, mask, box_of_voxels(image.geometry, (*low, k), (*high, k), organ))


def _as_seen(step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each box's plane (256, 256) and indices there, as the network gets them."""
    from MedDLLogic.preprocess.grid import regrid
    from MedDLLogic.preprocess.run import apply_recipe
    from MedDLLogic.preprocess.working import Working
    from MedDLLogic.tasks.box_places import placed

    stage, image = _stage(), _image()
    shown, _ = apply_recipe(stage.recipe, Working(image))
    for box in placed(tuple(case.prompt for case in _cases(step)), image.geometry):
        grid = box.where.upright(image.geometry)
        upright = shown.image.with_voxels(regrid(shown.voxels, image.geometry, grid), grid)
        plane, _ = apply_recipe(stage.prompts.plane, Working(upright))
        yield plane.voxels[0, 0], np.asarray(box.on_plane(image.geometry, plane.geometry), dtype=np.float32)


def _logits(plane: np.ndarray, box: np.ndarray) -> np.ndarray:
    from MedDLLogic.inference.embedded import embedded

    encoder, decoder = _halves()
    seen, _ = embedded(encoder, plane[None, None], lambda part: None)
    return decoder.predict(seen, {"box_ijij": box[None]}, lambda part: None)[0, :, :, 0].copy()


@lru_cache(maxsize=1)
def _halves():
    from MedDLLogic.inference.warm import Networks
    from MedDLLogic.models.registry import find_card

    stage = _stage()
    halves = (stage, replace(stage, network=stage.prompts.decoder, prompts=None))
    return [Networks(1).ready(find_card(MODEL), half, "cpu", None, stage.tiling) for half in halves]


def _peer(planes: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        given, wanted = Path(folder, "planes.npz"), Path(folder, "logits.npy")
        np.savez(given, planes=planes, boxes=boxes)
        program = Path(__file__).parents[1] / "box_peer.py"
        command = [os.environ[PEER], "-W", "ignore", str(program), str(given), str(wanted)]
        subprocess.run(command, check=True, capture_output=True)
        return np.load(wanted)


def _stage():
    from MedDLLogic.models.registry import find_card

    return find_card(MODEL).card.prompted_stage


def _ready() -> None:
    from MedDLLogic.models.registry import find_card
    from MedDLLogic.models.store import get_weights, missing_weights

    get_weights(missing_weights(find_card(MODEL)))


def _image():
    from MedDLLogic.io.read import read_image

    return read_image(_data("example_ct_sm.nii.gz")).image


def _data(name: str) -> Path:
    return Path(os.environ["MEDDL_DATA"], "ct", "totalsegmentator", name)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


ROWS = (
    Row(
        "box",
        "boxes from reference labels on a CT of 3 mm (MEDDL_DATA)",
        "mean Dice liver, stomach, kidney 0.88, spleen 0.94",
        lambda: _boxes(40),
        lambda: _boxes(4),
    ),
    Row(
        "box-agreement",
        f"the same planes and boxes through the package's own code ({PEER})",
        "logits within 1e-4, same masks",
        lambda: _agreement(40),
        lambda: _agreement(8),
    ),
)

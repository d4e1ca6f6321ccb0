"""A bundle run by MedDL and by MONAI's own components on the same image, and how far the two agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MedDLLogic.image import Image
from MedDLLogic.io.read import read_image
from MedDLLogic.models.imports.foreign import Foreign
from MedDLLogic.models.imports.monai_bundle import READER
from MedDLLogic.models.imports.tree import open_tree
from MedDLLogic.preprocess.run import apply_recipe
from MedDLLogic.preprocess.working import Working
from MedDLLogic.records import to_json_text


@dataclass(frozen=True)
class Agreement:
    """Largest difference of what the two networks are given, and per segment Dice and the voxels that differ."""

    input_difference: float
    dice: dict[str, float]
    voxels: dict[str, int]
    differing: int

    @property
    def worst(self) -> float:
        """Smallest Dice of a segment."""
        return min(self.dice.values())


def added(foreign: Foreign, folder: Path) -> Path:
    """The card's file, with its weights beside it."""
    folder.mkdir()
    for name, content in foreign.files.items():
        (folder / name).write_bytes(content)
    card = folder / f"{foreign.card.name}.json"
    card.write_text(to_json_text(foreign.card), encoding="utf-8")
    return card


def bundle_card(bundle: Path) -> Foreign:
    """The bundle as MedDL reads it."""
    return READER.read(open_tree(bundle), "bundle")


def given_to_network(foreign: Foreign, files: list[Path]) -> np.ndarray:
    """The (channel, k, j, i) working volume that the card's recipe makes of the images."""
    images = [read_image(path).image for path in files]
    voxels = np.concatenate([np.asarray(image.voxels, dtype=np.float32) for image in images])
    names = tuple(f"image-{n}" for n in range(len(voxels)))
    stacked = Image(voxels, images[0].geometry, names, images[0].modality, images[0].units)
    return apply_recipe(foreign.card.network_stages[0].recipe, Working(stacked))[0].voxels


def agreement(foreign: Foreign, card: Path, files: list[Path], labels: np.ndarray, given: np.ndarray) -> Agreement:
    """How far MedDL's run of the card agrees with MONAI's (channel, k, j, i) labels and network input."""
    import MedDLLogic

    images = {role: read_image(path).image for role, path in zip(foreign.card.roles, files, strict=True)}
    result = MedDLLogic.segment(images, model=str(card), device="cpu", precision="exact")
    decode = foreign.card.network_stages[0].decode
    dice, voxels, differing = {}, {}, 0
    for channel, name in enumerate(decode.channels):
        if name:
            theirs = labels[0] == channel if decode.rule == "argmax" else labels[channel] > 0
            ours = result.mask_of(name)
            voxels[name] = int(np.count_nonzero(theirs))
            dice[name] = 2 * np.count_nonzero(ours & theirs) / max(1, np.count_nonzero(ours) + voxels[name])
            differing += int(np.count_nonzero(ours != theirs))
    ours_given = given_to_network(foreign, files)
    difference = float(np.abs(ours_given - given).max()) if ours_given.shape == given.shape else float("inf")
    return Agreement(difference, dice, voxels, differing)

"""The one network of a model and an image as it takes it, written where every contender reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..io.read import read_image
from ..models.card import LocalFile, Tiling
from ..models.registry import FoundCard
from ..models.store import weights_file
from ..preprocess.run import apply_recipe
from ..preprocess.working import Working
from ..records import to_json_text


def prepared(found: FoundCard, image: Path, folder: Path) -> tuple[Path, Path, Tiling]:
    """The card's file with weights by absolute path, the volume's ``.npy``, and the tiling the card has.

    Parameters
    ----------
    image : an image file, or a ``.npy`` of a volume (channel, k, j, i) that is prepared already.

    Raises
    ------
    MedDLError : E101 for a card of several networks or inputs, and what reading and preparing raise.
    """
    if len(found.card.stages) != 1 or len(found.card.network_stages) != 1:
        raise MedDLError("E101", "a model of one network is needed", found.card.name)
    (stage,) = found.card.network_stages
    weights = replace(stage.weights, source=LocalFile(str(weights_file(found, stage).resolve())))
    own = replace(found.card, stages=(replace(stage, weights=weights, recipe=(), ensemble=()),))
    card, voxels = folder / f"{own.name}.json", folder / "volume.npy"
    card.write_text(to_json_text(own), encoding="utf-8")
    np.save(voxels, _volume(found, image))
    return card, voxels, stage.tiling


def _volume(found: FoundCard, path: Path) -> NDArray[np.float32]:
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
    (stage,) = found.card.network_stages
    if len(stage.inputs) != 1:
        raise MedDLError("E101", "a model of one input is needed", "", "or give the prepared volume as .npy")
    working, _ = apply_recipe(stage.recipe, Working(read_image(path).image, {}))
    return np.asarray(working.image.voxels, dtype=np.float32)

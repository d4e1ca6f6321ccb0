"""A folder of results, or an exported zip, of nnU-Net v2 as a card: without nnU-Net, and without running its files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...errors import MedDLError
from ..card import Decode, License, LocalFile, ModelCard, Network, NetworkStage, Weights
from .foreign import Foreign
from .json_fields import Fields, read_fields
from .nnunet_labels import Labels, inputs_of, labels_of
from .nnunet_network import network_of, weights_for
from .nnunet_plans import CUBIC, Plans, Resampling, configurations_in, read_plans
from .nnunet_recipe import recipe_of, tiling_of
from .tensors import read_checkpoint, state_of
from .tree import ModelTree

_PLANS, _DATASET = "plans.json", "dataset.json"
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_PREFERRED = ("3d_fullres", "2d", "3d_lowres")
_POSTPROCESSING = ("postprocessing.pkl", "postprocessing.json")
_MAX_TEXT = 200


@dataclass(frozen=True)
class _Folder:
    """One trained configuration: its folder's name, and its checkpoints, one a fold."""

    path: str
    configuration: str
    checkpoints: tuple[str, ...]

    @property
    def title(self) -> str:
        """Dataset and trainer, as the folders' names have them."""
        return "/".join(PurePosixPath(self.path).parts[-2:])


class NnunetReader:
    """Knows nnU-Net v2."""

    format = "nnunet"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether some folder holds plans, a dataset and a checkpoint in a fold."""
        return bool(_folders(tree))

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The configuration that the name ends with, as ``-2d``, else the best there is; with all its folds.

        Raises
        ------
        MedDLError : E401 for files that nnU-Net did not write, E405 for a checkpoint that holds a program, E406 when
            weights do not fit, E407 for what MedDL cannot do: a cascade, several models at once, other networks.
        """
        folder = _chosen(_folders(tree), name)
        dataset = read_fields(tree.text(_join(folder.path, _DATASET)), _DATASET)
        inputs, labels = inputs_of(dataset), labels_of(dataset)
        made = _Members(tree, folder, len(inputs), len(labels.channels))
        stage = NetworkStage(
            name="network",
            inputs=tuple(spec.role for spec in inputs),
            recipe=recipe_of(made.plans, len(inputs)),
            network=made.network,
            weights=made.weights[0],
            ensemble=tuple(made.weights[1:]),
            decode=_decode(labels, made.plans.configuration.logits),
            tiling=tiling_of(made.plans, made.mirrored),
        )
        card = ModelCard(
            name=name,
            version="1",
            title=f"{made.plans.dataset} {made.plans.configuration.name}"[:_MAX_TEXT],
            description=_description(dataset, made, folder),
            task="segment",
            anatomy=(),
            inputs=inputs,
            stages=(stage,),
            segments=labels.segments,
            license=_license(dataset),
            citation=("Isensee et al. 2021, nnU-Net, Nature Methods 18, 203-211",),
            intended_use="Not stated. Research use only.",
            limits=("Never tried on an image by MedDL.",),
        )
        return Foreign(card, made.files, tuple(_notes(tree, folder, made.plans)))


class _Members:
    """The weights of all folds as files, and what the first checkpoint says of the network."""

    def __init__(self, tree: ModelTree, folder: _Folder, channels_in: int, channels_out: int) -> None:
        self.files: dict[str, bytes] = {}
        self.weights: list[Weights] = []
        text = tree.text(_join(folder.path, _PLANS))
        for number, path in enumerate(folder.checkpoints):
            checkpoint = _checkpoint(tree.content(path))
            if number == 0:
                self.plans: Plans = read_plans(text, _configuration_of(checkpoint, folder, text))
                self.network: Network = network_of(self.plans.configuration, channels_in, channels_out)
                self.mirrored = _mirrored(checkpoint)
                self.trainer = str(checkpoint.get("trainer_name", ""))[:60]
            self._add(PurePosixPath(path).parts[-2], weights_for(self.network, state_of(checkpoint, "network_weights")))

    def _add(self, fold: str, content: bytes) -> None:
        name = f"{fold}.safetensors"
        self.files[name] = content
        self.weights.append(Weights(LocalFile(name), hashlib.sha256(content).hexdigest(), len(content)))


def _folders(tree: ModelTree) -> list[_Folder]:
    names = set(tree.names)
    found = []
    for plans in tree.called(_PLANS):
        path = plans.rpartition("/")[0]
        checkpoints = tuple(_checkpoints(names, path))
        if checkpoints and _join(path, _DATASET) in names:
            parts = PurePosixPath(path).name.split("__")
            found.append(_Folder(path, parts[2] if len(parts) == 3 else "", checkpoints))
    return found


def _checkpoints(names: set[str], path: str) -> Iterator[str]:
    """One a fold; ``fold_all`` counts where there is no other."""
    prefix = _join(path, "fold_")
    inside = {name[len(prefix) :].split("/")[0] for name in names if name.startswith(prefix)}
    numbered = sorted(fold for fold in inside if fold.isdigit())
    for fold in numbered or sorted(inside & {"all"}):
        found = [f"{prefix}{fold}/{file}" for file in _CHECKPOINTS if f"{prefix}{fold}/{file}" in names]
        yield from found[:1]


def _chosen(folders: list[_Folder], name: str) -> _Folder:
    wanted = [f for f in folders if f.configuration and name.endswith("-" + f.configuration.replace("_", "-"))]
    ranked = sorted(wanted or folders, key=lambda folder: _rank(folder.configuration))
    best = [folder for folder in ranked if folder.configuration == ranked[0].configuration]
    if len(best) > 1:
        titles = ", ".join(folder.title for folder in best)
        raise MedDLError("E407", "several nnU-Net models here", titles[:80], "give the folder of one")
    return best[0]


def _rank(configuration: str) -> int:
    """Of those that nnU-Net plans by itself the finest; a cascade needs another's result."""
    if configuration in _PREFERRED:
        return _PREFERRED.index(configuration)
    return len(_PREFERRED) + ("cascade" in configuration)


def _checkpoint(content: bytes) -> dict[str, Any]:
    checkpoint = read_checkpoint(content)
    if not isinstance(checkpoint, dict) or "network_weights" not in checkpoint:
        raise MedDLError("E406", "no table of weights in the checkpoint")
    return checkpoint


def _configuration_of(checkpoint: dict[str, Any], folder: _Folder, plans: str) -> str:
    """What the checkpoint was trained with; nnU-Net goes by it too, whatever the folder is called."""
    begun_with = checkpoint.get("init_args")
    said = begun_with.get("configuration") if isinstance(begun_with, dict) else None
    found = said if isinstance(said, str) else folder.configuration
    if found not in configurations_in(plans):
        raise MedDLError("E401", "plans.json", f"no configuration {found[:40] or 'is named by folder or checkpoint'}")
    return found


def _mirrored(checkpoint: dict[str, Any]) -> tuple[int, ...]:
    axes = checkpoint.get("inference_allowed_mirroring_axes") or ()
    if not isinstance(axes, (list, tuple)) or not all(isinstance(axis, int) for axis in axes):
        raise MedDLError("E401", "mirroring axes of the checkpoint", "a list of whole numbers is needed")
    return tuple(axes)


def _decode(labels: Labels, logits: Resampling) -> Decode:
    """By the logits where they are interpolated: there 0 is what 0.5 is for a region's probability."""
    if logits.order == CUBIC:
        raise MedDLError(
            "E407", "nnU-Net model not usable here", "it resamples what its network gives by cubic splines"
        )
    return Decode(
        "threshold" if labels.are_regions else "argmax",
        labels.channels,
        threshold=0.0 if labels.are_regions else 0.5,
        restore="linear" if logits.order else "nearest",
        apart_above=logits.apart_above,
    )


def _description(dataset: Fields, made: _Members, folder: _Folder) -> str:
    said = dataset.text("description").strip() if isinstance(dataset.raw("description"), str) else ""
    folds = len(folder.checkpoints)
    own = f"nnU-Net v2, {made.plans.configuration.name}, {made.trainer}, {folds} fold{'s' if folds > 1 else ''}."
    return f"{said[:1000]} {own}".strip()


def _license(dataset: Fields) -> License:
    """dataset.json speaks of the data, if at all."""
    said = next((dataset.text(key) for key in ("licence", "license") if isinstance(dataset.raw(key), str)), "").strip()
    data = f"; its dataset.json says of the data: {said[:80]}" if said else ""
    return License("NOASSERTION", f"the model names none{data}")


def _notes(tree: ModelTree, folder: _Folder, plans: Plans) -> Iterator[str]:
    if not plans.orient:
        yield "nnU-Net takes a file's axes as they lie in it: images must be stored as those it was trained on."
    if any(path.endswith(_CHECKPOINTS[1]) for path in folder.checkpoints):
        yield "A fold has no final checkpoint: its best one is taken."
    if any(tree.below(folder.path).called(*_POSTPROCESSING)):
        yield "nnU-Net's own postprocessing was not taken over: it lies in a file that is a program, or beside it."
    yield "Not stated: what it was trained on, and by whom. Edit intended_use, limits and license."


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


READER = NnunetReader()

"""A MONAI bundle as a card: network, preprocessing, inferer and postprocessing read as data, nothing of it run.

Known are ``configs/inference.json`` (or ``.yaml``), ``configs/metadata.json`` and the weights in ``models``. Other
configurations, ``logging.conf`` and Python files in the bundle are never opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ...errors import MedDLError
from ..card import ModelCard, Network, NetworkStage
from ..content import content_of
from ..loaders import WRAPPERS, fill
from .arguments import Arguments
from .draft import segments_of, weights_of
from .foreign import Foreign
from .monai_config import BundleConfig, Component, components, read_config
from .monai_metadata import Metadata, inputs_of, license_of, segment_names, unique_ids
from .monai_network import channels_of, network_of
from .monai_result import Cut, cut_of, reading_of
from .monai_steps import prepared
from .tables import read_table
from .tensors import read_state, safetensors_bytes
from .tree import ModelTree

INFERENCE = ("inference.json", "inference.yaml", "inference.yml")
METADATA = "configs/metadata.json"
LARGE_FILES = ("large_files.yml", "large_files.yaml", "large_files.json")
WEIGHTS, PROGRAM = "models/model.pt", "models/model.ts"

_NETWORK = ("network_def", "network")
_PREPROCESSING = ("preprocessing", "dataset::transform")
_POSTPROCESSING = ("postprocessing", "evaluator::postprocessing")
_INFERER = ("inferer", "evaluator::inferer")
_EVALUATORS = ("SupervisedEvaluator", "Evaluator")


@dataclass(frozen=True)
class Elsewhere:
    """A file that a bundle leaves out: its path there, its address, and the checksum that the bundle has for it."""

    path: str
    url: str
    algorithm: str
    checksum: str


class BundleReader:
    """Knows MONAI bundles."""

    format = "monai-bundle"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether a folder ``configs`` holds an inference configuration."""
        return bool(_configuration(tree))

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The model, to be called ``name``.

        Raises
        ------
        MedDLError : E401 for a configuration that is not valid, E402 for labels that do not fit, E403 for weights that
            are not in the bundle, E405 for what would have to be run, E406 for weights that do not fit, E407 for parts
            that have no counterpart here, E408 for what is not safe to read.
        """
        place = _configuration(tree)
        bundle = tree.below(str(PurePosixPath(place).parent.parent).removeprefix("."))
        config = read_config(bundle, f"configs/{PurePosixPath(place).name}")
        try:
            return _read(bundle, config, name)
        except MedDLError as exc:
            if exc.code not in ("E102", "E103"):  # what the card's own parts say of values that they cannot hold
                raise
            raise MedDLError("E401", "bundle's configuration", f"{exc.what}: {exc.why}"[:120]) from exc


READER = BundleReader()


def left_out(tree: ModelTree) -> tuple[Elsewhere, ...]:
    """The files that the bundle names in ``large_files.yml`` and does not hold; E401 when that file is not valid."""
    place = _configuration(tree)
    bundle = tree.below(str(PurePosixPath(place).parent.parent).removeprefix(".")) if place else tree
    found = [name for name in LARGE_FILES if name in bundle.names]
    if not found:
        return ()
    rows = read_table(bundle, found[0]).get("large_files")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MedDLError("E401", "list of the bundle's large files", "no list of objects")
    wanted = (tuple(str(row.get(key, "")) for key in ("path", "url", "hash_type", "hash_val")) for row in rows)
    return tuple(Elsewhere(*row) for row in wanted if row[0] not in bundle.names)


def _configuration(tree: ModelTree) -> str:
    found = [name for name in tree.called(*INFERENCE) if PurePosixPath(name).parent.name == "configs"]
    return found[0] if found else ""


def _read(bundle: ModelTree, config: BundleConfig, name: str) -> Foreign:
    metadata = Metadata(read_table(bundle, METADATA) if METADATA in bundle.names else {})
    _require_plain_evaluator(config)
    network = network_of(config.component(_first_of(config, _NETWORK)))
    cut = _cut(config, network)
    channels_in, channels_out = channels_of(network, "in_channels"), channels_of(network, "out_channels")
    recipe = prepared(_transforms(config, _PREPROCESSING), cut.axes, channels_in)
    reading = reading_of(_transforms(config, _POSTPROCESSING))
    names, are_said = segment_names(metadata, channels_out, has_background=reading.rule == "argmax")
    channels = _channels(names)
    decode, postprocess = reading.decode(channels), reading.cleaned(channels)
    network, file_name, content, notes = _weights(bundle, config, network)
    inputs = inputs_of(metadata, channels_in)
    stage = NetworkStage(
        name="network",
        inputs=tuple(spec.role for spec in inputs),
        recipe=tuple(recipe.steps),
        network=network,
        weights=weights_of(file_name, content),
        decode=decode,
        tiling=cut.tiling,
        postprocess=postprocess,
    )
    card = ModelCard(
        name=name,
        version=metadata.text("version", "1"),
        title=metadata.text("name") or metadata.text("task") or name,
        description=metadata.text("description", "A MONAI bundle that does not describe itself."),
        task="segment",
        anatomy=(),
        inputs=inputs,
        stages=(stage,),
        segments=segments_of(
            [channel for channel in channels if channel],
            [text for text in names if text],
            each_its_layer=decode.rule == "threshold",
        ),
        license=license_of(bundle.text("LICENSE") if "LICENSE" in bundle.names else None),
        citation=metadata.citation,
        intended_use=metadata.text("intended_use", "Not stated. Research use only."),
        limits=("Never tried on an image by MedDL.", *_limits(bundle, metadata)),
        performance=metadata.performance,
    )
    said = () if are_said else ("Its metadata name no segments. Edit their names.",)
    about_modality = () if metadata.modality else ("Its metadata name no modality that is known. Edit inputs.",)
    return Foreign(
        card,
        {file_name: content},
        (*notes, *said, *about_modality, *recipe.notes, *cut.notes, *reading.notes, *_unused(bundle)),
    )


def _first_of(config: BundleConfig, places: tuple[str, ...]) -> str:
    found = next((place for place in places if place in config), None)
    if found is None:
        raise MedDLError("E401", "bundle's configuration", f"it has no {places[0]}")
    return found


def _transforms(config: BundleConfig, places: tuple[str, ...]) -> Iterator[Component]:
    place = _first_of(config, places)
    return components(config.value(place), place)


def _require_plain_evaluator(config: BundleConfig) -> None:
    """Another evaluator would do other things than to run the network once."""
    if "evaluator" in config:
        evaluator = config.component("evaluator")
        if evaluator.target not in _EVALUATORS:
            raise MedDLError("E407", "evaluator of the bundle has no counterpart here", evaluator.target[:40])


def _cut(config: BundleConfig, network: Network) -> Cut:
    place = next((place for place in _INFERER if place in config), None)
    return cut_of(config.component(place) if place else None, network.dimensions)


def _channels(names: tuple[str, ...]) -> tuple[str, ...]:
    """A mask's id for each channel, none for the background."""
    ids = iter(unique_ids(text for text in names if text))
    return tuple(next(ids) if text else "" for text in names)


# -- weights ---------------------------------------------------------------------------------------


def _weights(bundle: ModelTree, config: BundleConfig, network: Network) -> tuple[Network, str, bytes, list[str]]:
    """The network as it is to be made, its file's name and content, and what to tell the user."""
    path, notes = _checkpoint(config)
    if path not in bundle.names and PROGRAM in bundle.names and not any(path.endswith(end) for end in (".ts",)):
        notes.append(f"It has no {PurePosixPath(path).name}: its TorchScript program was taken instead.")
        path = PROGRAM
    if path not in bundle.names:
        raise _not_there(bundle, path)
    content = bundle.content(path)
    if content_of(content) == "torchscript":
        notes.append("It is a program, and runs only after a yes: meddl models trust.")
        return Network("torchscript", dimensions=network.dimensions), "network.ts", content, notes
    state = read_state(content, *WRAPPERS)
    fill(network, state)
    return network, "weights.safetensors", safetensors_bytes(state), notes


def _checkpoint(config: BundleConfig) -> tuple[str, list[str]]:
    """Path of the weights that the configuration loads; of the usual ones, and a note, where it cannot be told."""
    for loader in _loaders(config):
        try:
            path = Arguments(loader).text("load_path")
        except MedDLError:  # an expression that is more than the sum of texts
            continue
        inside = path.replace("\\", "/").rpartition("models/")[2]
        if inside and "/" not in inside:
            return f"models/{inside}", []
    return WEIGHTS, [f"Where its weights lie could not be told from its configuration: {WEIGHTS} was taken."]


def _loaders(config: BundleConfig) -> Iterator[Component]:
    for place in ("checkpointloader", "handlers"):
        try:
            found: Any = config.value(place) if place in config else []
        except MedDLError:
            continue
        for item in found if isinstance(found, list) else [found]:
            if isinstance(item, Component) and item.target == "CheckpointLoader":
                yield item


def _not_there(bundle: ModelTree, path: str) -> MedDLError:
    named = {item.path: item for item in left_out(bundle)}
    if path not in named:
        return MedDLError("E403", "weights are not in the bundle", PurePosixPath(path).name[:40])
    said = f"get {named[path].url[:100]} as {path}"
    return MedDLError("E403", "weights are not in the bundle", PurePosixPath(path).name[:40], said)


# -- what else there is ----------------------------------------------------------------------------


def _limits(bundle: ModelTree, metadata: Metadata) -> tuple[str, ...]:
    data = metadata.text("data_source")
    terms = "docs/data_license.txt" in bundle.names
    return (
        *((f"Trained on: {data}",) if data else ()),
        *(
            ("The data it was trained on have terms of their own: the bundle's docs/data_license.txt.",)
            if terms
            else ()
        ),
    )


def _unused(bundle: ModelTree) -> tuple[str, ...]:
    programs = [name for name in bundle.names if name.endswith(".py")]
    return (f"It brings {len(programs)} Python files, which MedDL never runs.",) if programs else ()

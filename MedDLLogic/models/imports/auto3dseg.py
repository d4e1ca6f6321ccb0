"""A zip of MONAIAuto3DSeg for Slicer as a card: ``model.pt`` with its own configuration, ``labels.csv`` with codes.

What is done to an image follows Auto3DSeg's own way for the network it calls segresnet: orient, crop to what is
above 0, resample, then bring the intensities into a range.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from ...errors import MedDLError
from ...labels import Code, Segment, Terminology
from ...recipe import (
    MAX_VALUE,
    CropToMask,
    DeviationsAboveMinimum,
    Foreground,
    Linear,
    Orient,
    ResampleFromFirst,
    Sigmoid,
    SoftLimit,
    Step,
    Transpose,
    ZScoreNonzero,
)
from ..card import Decode, InputSpec, License, ModelCard, NetworkStage, Tiling
from ..loaders import fill
from .draft import segments_of, weights_of
from .foreign import Foreign
from .monai_config import BundleConfig
from .monai_metadata import unique_ids
from .monai_network import channels_of, network_of
from .monai_steps import CROPPED_TO, Axes
from .tensors import read_checkpoint, safetensors_bytes, state_of
from .tree import ModelTree

LABELS, MODEL = "labels.csv", "model.pt"
FILE_NAME = "weights.safetensors"
MAX_LABELS_BYTES, MAX_ROWS = 4_000_000, 2000

OVERLAP = 0.625
"""Of the patches, with which Auto3DSeg infers."""

TOLERANCE = 0.25
"""Share of the trained spacing by which an image's may differ and stay as it is."""

MARGIN_VOXELS = 10
TANH_LIMIT = 3.0

NESTED = ((1, 2, 3), (1, 3), (3,))
"""Labels that the three channels of a BraTS model hold: the whole tumor, its core, and the part that enhances."""

_MODALITIES = {"ct": "CT", "mri": "MR", "pet": "PT"}
_ROWS = "MONAI Auto3DSeg"


@dataclass(frozen=True)
class Label:
    """A row of ``labels.csv``."""

    value: int
    name: str
    terminology: Terminology | None


class Auto3DSegReader:
    """Knows the archives of MONAIAuto3DSeg for Slicer."""

    format = "monai-auto3dseg"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether ``labels.csv`` and ``model.pt`` lie beside each other."""
        return bool(_folder(tree))

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The model, to be called ``name``.

        Raises
        ------
        MedDLError : E401 for a configuration or table that is not valid, E402 for labels that do not fit, E405 for
            what would have to be run, E406 for weights that do not fit, E407 for parts that have no counterpart.
        """
        folder = tree.below(_folder(tree).removeprefix("."))
        labels = read_labels(folder.content(LABELS, MAX_LABELS_BYTES))
        checkpoint = read_checkpoint(folder.content(MODEL))
        config = checkpoint.get("config") if isinstance(checkpoint, dict) else None
        if not isinstance(config, dict):
            raise MedDLError("E401", "weights file has no configuration", "", "train it with Auto3DSeg's segresnet")
        try:
            return _Model(config, labels, name).foreign(state_of(checkpoint, "state_dict"))
        except MedDLError as exc:
            if exc.code not in ("E102", "E103"):  # what the card's own parts say of values that they cannot hold
                raise
            raise MedDLError("E401", "model's configuration", f"{exc.what}: {exc.why}"[:120]) from exc


READER = Auto3DSegReader()


def _folder(tree: ModelTree) -> str:
    """Where labels and weights lie, ``"."`` for the top, empty when they do not."""
    names = set(tree.names)
    folders = (PurePosixPath(place).parent for place in tree.called(LABELS))
    return next((folder.as_posix() for folder in folders if (folder / MODEL).as_posix() in names), "")


# -- labels ----------------------------------------------------------------------------------------


def read_labels(content: bytes) -> dict[int, Label]:
    """Label value -> its row, with the codes that the columns named like DICOM's sequences hold.

    Raises
    ------
    MedDLError : E401 for a table that is not valid, E402 for label values that are not.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as exc:
        raise MedDLError("E401", "labels.csv is not a table", detail=str(exc)) from exc
    if not rows or len(rows) > MAX_ROWS or not {"LabelValue", "Name"} <= set(rows[0]):
        raise MedDLError("E401", "labels.csv", f"columns LabelValue and Name, 1 to {MAX_ROWS} rows")
    labels = [_label(row) for row in rows]
    found = {label.value: label for label in labels}
    if len(found) != len(labels):
        raise MedDLError("E402", "labels.csv", "a label value stands twice")
    return found


def _label(row: Mapping[str | None, Any]) -> Label:
    value = _cell(row, "LabelValue")
    name = _cell(row, "Name")
    if not value.isdecimal() or len(value) > 5 or not name:
        raise MedDLError("E402", "labels.csv", f"label value {value[:10]!r} or its name")
    category = _code(row, "SegmentedPropertyCategoryCodeSequence")
    kind = _code(row, "SegmentedPropertyTypeCodeSequence")
    if category is None or kind is None:
        return Label(int(value), name, None)
    terminology = Terminology(
        category,
        kind,
        _code(row, "SegmentedPropertyTypeModifierCodeSequence"),
        _code(row, "AnatomicRegionSequence"),
        _code(row, "AnatomicRegionModifierSequence"),
    )
    return Label(int(value), name, terminology)


def _code(row: Mapping[str | None, Any], sequence: str) -> Code | None:
    scheme, value, meaning = (_cell(row, f"{sequence}.{part}") for part in _CODE_PARTS)
    return Code(scheme, value, meaning) if scheme and value else None


_CODE_PARTS = ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")


def _cell(row: Mapping[str | None, Any], column: str) -> str:
    """A cell's text; a row may end early."""
    return " ".join(str(row.get(column) or "").split())[:100]


# -- model -----------------------------------------------------------------------------------------


class _Model:
    """One configuration and its labels, made into a card."""

    def __init__(self, config: Mapping[str, Any], labels: Mapping[int, Label], name: str) -> None:
        self._config, self._labels, self._name = config, labels, name
        component = BundleConfig({"network": config.get("network")}, _NO_FILES).component("network")
        self._network = network_of(component)
        self._channels_in = channels_of(self._network, "in_channels")
        self._channels_out = channels_of(self._network, "out_channels")
        self._modes = self._normalize_modes()
        self._notes: list[str] = []

    def foreign(self, state: Mapping[str, Any]) -> Foreign:
        """The card and its weights."""
        fill(self._network, state)
        content = safetensors_bytes(state)
        channels, segments = self._overlapping() if self._flag("sigmoid") else self._exclusive()
        rule: Literal["argmax", "threshold"] = "threshold" if self._flag("sigmoid") else "argmax"
        decode = Decode(rule, channels, "sigmoid" if rule == "threshold" else "softmax")
        inputs = self._inputs()
        stage = NetworkStage(
            name="network",
            inputs=tuple(spec.role for spec in inputs),
            recipe=tuple(self._steps()),
            network=self._network,
            weights=weights_of(FILE_NAME, content),
            decode=decode,
            tiling=Tiling(self._patch(), OVERLAP, "gaussian_floored"),
        )
        card = ModelCard(
            name=self._name,
            version="1",
            title=self._name,
            description=f"A model of {_ROWS}; its archive says nothing more.",
            task="segment",
            anatomy=(),
            inputs=inputs,
            stages=(stage,),
            segments=segments,
            license=License("NOASSERTION", "the archive holds none; the catalogue it came from names one"),
            citation=("MONAI Auto3DSeg: https://monai.io/apps/auto3dseg",),
            intended_use="Not stated. Research use only.",
            limits=("Never tried on an image by MedDL.",),
        )
        return Foreign(card, {FILE_NAME: content}, tuple(self._notes))

    def _flag(self, key: str, *, default: bool = False) -> bool:
        found = self._config.get(key, default)
        if not isinstance(found, bool):
            raise MedDLError("E401", "model's configuration", f"{key} is neither true nor false")
        return found

    def _numbers(self, key: str, count: int) -> tuple[float, ...]:
        found = self._config.get(key)
        numbers = tuple(found) if isinstance(found, (list, tuple)) else ()
        is_fine = all(isinstance(n, (int, float)) and abs(n) <= MAX_VALUE and not isinstance(n, bool) for n in numbers)
        if len(numbers) != count or not is_fine:
            raise MedDLError("E401", "model's configuration", f"{key} is not {count} numbers")
        return tuple(float(n) for n in numbers)

    def _patch(self) -> tuple[int, int, int]:
        k, j, i = self._numbers("roi_size", 3)
        return int(k), int(j), int(i)

    # -- images

    def _normalize_modes(self) -> tuple[str, ...]:
        """How each channel's intensities are treated: the first by the model's own mode, further ones by theirs."""
        more = self._config.get("extra_modalities") or {}
        modes = [self._config.get("normalize_mode"), *(more.values() if isinstance(more, dict) else ())]
        if not all(isinstance(mode, str) for mode in modes):
            raise MedDLError("E401", "model's configuration", "normalize_mode or extra_modalities")
        if len(modes) == 1:  # several channels of one image
            modes *= self._channels_in
        if len(modes) != self._channels_in:
            raise MedDLError("E401", "model's configuration", f"{len(modes)} images for {self._channels_in} channels")
        return tuple(str(mode).lower() for mode in modes)

    def _inputs(self) -> tuple[InputSpec, ...]:
        own = _MODALITIES.get(str(self._config.get("modality", "")).lower(), "")
        kinds = [own, *[""] * (self._channels_in - 1)]
        extra = self._config.get("extra_modalities")
        if isinstance(extra, dict):
            kinds[1:] = [_MODALITIES.get(str(mode).lower(), "") for mode in extra.values()]
        elif self._channels_in > 1:
            kinds = [own] * self._channels_in
        if self._channels_in == 1:
            return (InputSpec("image", kinds[0], "as the model's documentation says"),)
        self._notes.append("It does not name its images: give them in the order of its documentation, or edit inputs.")
        return tuple(InputSpec(f"image-{n + 1}", kind, f"image {n + 1}") for n, kind in enumerate(kinds))

    def _steps(self) -> Iterator[Step]:
        axes = Axes()
        if self._flag("orientation_ras"):
            yield Orient("SAR")
        else:
            yield Transpose(axes.as_stored.axes)
            self._notes.append("It was trained on images as they are stored: give it images stored like those.")
        if self._flag("crop_foreground", default=True):
            yield Foreground(0.0, CROPPED_TO)
            yield CropToMask(CROPPED_TO, margin_voxels=MARGIN_VOXELS)
        if self._config.get("resample_resolution") is not None:
            first, second, third = self._numbers("resample_resolution", 3)
            yield ResampleFromFirst(axes.ijk((first, second, third)), TOLERANCE)
        for mode in dict.fromkeys(self._modes):
            which = tuple(n for n, own in enumerate(self._modes) if own == mode)
            yield from self._normalized(mode, () if len(which) == self._channels_in else which)

    def _normalized(self, mode: str, channels: tuple[int, ...]) -> Iterator[Step]:
        if mode in ("range", "ct"):
            low, high = self._numbers("intensity_bounds", 2)
            if not low < high:
                raise MedDLError("E401", "model's configuration", "intensity_bounds")
            scale = 2.0 / (high - low)
            yield Linear(scale, -1.0 - low * scale, channels)
            yield Sigmoid(channels)
        elif mode in ("meanstd", "mri", "meanstdtanh"):
            yield ZScoreNonzero(channels)
            if mode == "meanstdtanh":
                yield SoftLimit(TANH_LIMIT, channels)
        elif mode == "pet":
            yield DeviationsAboveMinimum(channels)
            yield Sigmoid(channels)
        elif mode != "none":
            raise MedDLError("E407", "normalize_mode of the model has no counterpart here", mode[:40])

    # -- segments

    def _exclusive(self) -> tuple[tuple[str, ...], tuple[Segment, ...]]:
        """Channel n is label n, 0 the background."""
        beyond = [value for value in self._labels if value >= self._channels_out]
        if beyond:
            raise MedDLError(
                "E402", "labels.csv", f"label {max(beyond)}, the network has {self._channels_out} channels"
            )
        found = [self._labels[value] for value in sorted(self._labels) if value]
        ids = unique_ids(label.name for label in found)
        channels = [""] * self._channels_out
        for label, id_ in zip(found, ids, strict=True):
            channels[label.value] = id_
        made = segments_of(ids, [label.name for label in found], each_its_layer=False)
        segments = (
            replace(segment, value=label.value, terminology=label.terminology)
            for segment, label in zip(made, found, strict=True)
        )
        return tuple(channels), tuple(segments)

    def _overlapping(self) -> tuple[tuple[str, ...], tuple[Segment, ...]]:
        """Each channel is a structure, or several that lie in it."""
        groups = self._groups()
        names = [" and ".join(self._labels[value].name for value in group) for group in groups]
        ids = unique_ids(names)
        made = segments_of(ids, names, each_its_layer=True)
        segments = (
            replace(segment, terminology=self._labels[group[0]].terminology if len(group) == 1 else None)
            for segment, group in zip(made, groups, strict=True)
        )
        return ids, tuple(segments)

    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The labels that each channel holds."""
        said = self._config.get("class_index")
        values = tuple(value for value in sorted(self._labels) if value)
        groups: tuple[tuple[int, ...], ...]
        if isinstance(said, (list, tuple)):
            groups = tuple(tuple(group) if isinstance(group, (list, tuple)) else (group,) for group in said)
        elif self._channels_out == len(NESTED) and values == NESTED[0]:
            groups = NESTED
            self._notes.append(
                "Its three channels are taken for whole tumor, core and enhancing part, as BraTS has them."
            )
        else:
            groups = tuple((value,) for value in values)
        known = list(self._labels)  # values of any kind can be compared with a list's
        if len(groups) != self._channels_out or any(value not in known for group in groups for value in group):
            raise MedDLError("E402", "labels of the model", f"{len(groups)} for {self._channels_out} channels")
        return groups


_NO_FILES = ModelTree("", {})

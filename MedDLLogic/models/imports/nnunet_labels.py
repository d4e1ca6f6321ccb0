"""nnU-Net's dataset.json: channels to a card's inputs, labels and regions to its segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import MedDLError
from ...labels import Segment
from ..card import InputSpec
from .draft import segments_of
from .json_fields import Fields
from .terminology import terminology_of

_BACKGROUND, _IGNORED = "background", "ignore"
_CT = "ct"
_MAX_NAME = 64


@dataclass(frozen=True)
class Labels:
    """What a network's output channels mean.

    Parameters
    ----------
    segments : one a label, or one a region, each in a layer of its own.
    channels : id of the segment of each channel, empty for background.
    are_regions : channels are judged one by one, for they may overlap.
    """

    segments: tuple[Segment, ...]
    channels: tuple[str, ...]
    are_regions: bool


def inputs_of(dataset: Fields) -> tuple[InputSpec, ...]:
    """One input for each channel, in order."""
    key = "channel_names" if "channel_names" in dataset else "modality"
    channels = dataset.fields(key)
    if sorted(channels) != sorted(str(n) for n in range(len(channels.values))):
        raise dataset.refused(key, "channels must be numbered from 0")
    names = [channels.text(str(n)) for n in range(len(channels.values))]
    roles = ["image"] if len(names) == 1 else _ids(names, 28)
    return tuple(
        InputSpec(role, "CT" if name.lower() == _CT else "", name[:_MAX_NAME].strip() or role)
        for role, name in zip(roles, names, strict=True)
    )


def labels_of(dataset: Fields) -> Labels:
    """Segments and channels.

    Raises
    ------
    MedDLError : E401 when background is not 0, when labels leave numbers out, or when there is nothing but background.
    """
    values = _values(dataset.fields("labels"))
    if values.pop(_BACKGROUND, None) != (0,):
        raise dataset.refused("labels", "background must be 0")
    are_regions = any(len(numbers) > 1 for numbers in values.values())
    named = list(values) if are_regions else _by_number(dataset, values)
    if not named:
        raise dataset.refused("labels", "nothing but background")
    if are_regions and len(dataset.wholes("regions_class_order")) != len(named):
        raise dataset.refused("regions_class_order", "one entry a region is needed")
    ids = _ids(named, 60)
    drawn = segments_of(ids, [name[:_MAX_NAME].strip() or id_ for id_, name in zip(ids, named, strict=True)],
                        each_its_layer=are_regions)  # fmt: skip
    segments = tuple(
        replace(segment, terminology=terminology_of(name)) for segment, name in zip(drawn, named, strict=True)
    )
    return Labels(segments, tuple(ids) if are_regions else ("", *ids), are_regions)


def _values(labels: Fields) -> dict[str, tuple[int, ...]]:
    """Name -> the numbers that it stands for; ``ignore`` left out, for no voxel is predicted to be it."""
    found = {}
    for name in labels:
        if name != _IGNORED:
            is_list = isinstance(labels.raw(name), list)
            found[name] = tuple(dict.fromkeys(labels.wholes(name))) if is_list else (labels.whole(name),)
    return {name: numbers for name, numbers in found.items() if name == _BACKGROUND or set(numbers) != {0}}


def _by_number(dataset: Fields, values: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names of the labels 1, 2, 3 ... ."""
    name_of = {number: name for name, (number, *_) in values.items()}
    if sorted(name_of) != list(range(1, len(values) + 1)):
        raise dataset.refused("labels", "numbers from 0 on, each once")
    return [name_of[number] for number in sorted(name_of)]


def _ids(names: list[str], most: int) -> list[str]:
    """Ids made of letters, digits, ``-`` and ``_``, each once."""
    ids: list[str] = []
    for number, name in enumerate(names, start=1):
        kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)[:most].strip("-")
        ids.append(kept if kept and kept not in ids else f"{kept or 'label'}-{number}")
    if len(set(ids)) != len(ids):
        raise MedDLError("E401", "dataset.json", "names that differ in too little")
    return ids

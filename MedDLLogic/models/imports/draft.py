"""A card for a network about which its file says little: what is not said is assumed, and told."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import MedDLError
from ...labels import Segment
from ...recipe import Orient, Step, ZScore
from ..card import ANY, Decode, InputSpec, License, LocalFile, ModelCard, Network, NetworkStage, Tiling, Weights
from .foreign import Foreign

MAX_CHANNELS_IN, MAX_CHANNELS_OUT = 32, 1024
MAX_PATCH = 4096
PATCH_KJI, PATCH_OF_PLANE_KJI = (96, 96, 96), (1, 256, 256)
"""Where a network takes any size."""

ASSUMED_RECIPE: tuple[Step, ...] = (Orient("LPS"), ZScore())
_GOLDEN_ANGLE = 0.381966
_ROLE = "image"


@dataclass(frozen=True)
class Draft:
    """What is known of a network.

    Parameters
    ----------
    file_name, content : its file, as it is to lie beside the card.
    shape : patch size k, j, i (j, i for a network of planes), None where any will do.
    activated_by : what the graph itself ends with, so that it need not be applied again.
    """

    network: Network
    file_name: str
    content: bytes
    channels_in: int
    channels_out: int
    shape: tuple[int | None, ...] = ()
    activated_by: str = ""


def weights_of(file_name: str, content: bytes) -> Weights:
    """The content as weights that lie beside the card."""
    return Weights(LocalFile(file_name), hashlib.sha256(content).hexdigest(), len(content))


def segments_of(ids: Sequence[str], names: Sequence[str], *, each_its_layer: bool) -> tuple[Segment, ...]:
    """Segments in colors that differ, in one layer or each in its own."""
    return tuple(
        Segment(id_, name, 1 if each_its_layer else n + 1, _color(n), layer=n if each_its_layer else 0)
        for n, (id_, name) in enumerate(zip(ids, names, strict=True))
    )


def drafted(draft: Draft, name: str, format_name: str) -> Foreign:
    """The card, with what it assumes as notes.

    Raises
    ------
    MedDLError : E407 when the network has more channels or larger patches than MedDL takes.
    """
    _require_modest(draft)
    decode, classes = _decode(draft)
    each_its_layer = decode.rule == "threshold"
    roles = [_ROLE] if draft.channels_in == 1 else [f"{_ROLE}-{n + 1}" for n in range(draft.channels_in)]
    card = ModelCard(
        name=name,
        version="1",
        title=name,
        description=f"Made from a file of {format_name}, which says nothing about its purpose.",
        task="segment",
        anatomy=(),
        inputs=tuple(InputSpec(role, ANY, f"input channel {n + 1}", in_patient=False) for n, role in enumerate(roles)),
        stages=(
            NetworkStage(
                name="network",
                inputs=tuple(roles),
                recipe=ASSUMED_RECIPE,
                network=draft.network,
                weights=weights_of(draft.file_name, draft.content),
                decode=decode,
                tiling=Tiling(_patch(draft)),
            ),
        ),
        segments=segments_of(
            classes, [c.replace("-", " ").capitalize() for c in classes], each_its_layer=each_its_layer
        ),
        license=License("NOASSERTION", "the file names none; whoever made the model knows"),
        citation=(),
        intended_use="Not stated. Research use only.",
        limits=("Never tried on an image by MedDL.",),
    )
    return Foreign(card, {draft.file_name: draft.content}, _notes(draft, decode))


def _decode(draft: Draft) -> tuple[Decode, tuple[str, ...]]:
    """How channels become masks, and the ids of these."""
    if draft.channels_out == 1 or draft.activated_by == "sigmoid":
        classes = _classes(draft.channels_out)
        activation = "none" if draft.activated_by else "sigmoid"
        return Decode("threshold", classes, activation), classes  # type: ignore[arg-type]
    classes = _classes(draft.channels_out - 1)
    return Decode("argmax", ("", *classes), "none" if draft.activated_by else "softmax"), classes


def _classes(count: int) -> tuple[str, ...]:
    return tuple(f"class-{n + 1}" for n in range(count))


def _patch(draft: Draft) -> tuple[int, int, int]:
    any_size = PATCH_OF_PLANE_KJI if draft.network.dimensions == 2 else PATCH_KJI
    shape = draft.shape or (None,) * draft.network.dimensions
    k, j, i = (size or default for size, default in zip((None, None, *shape)[-3:], any_size, strict=True))
    return k, j, i


def _notes(draft: Draft, decode: Decode) -> tuple[str, ...]:
    rule = "each channel is a segment where it exceeds 0.5" if decode.rule == "threshold" else "channel 0 is background"
    takes_any = not draft.shape or None in draft.shape
    return (
        "Assumed: axes run as L, P, S, spacing stays, each channel gets mean 0 and deviation 1. Edit recipe.",
        f"Assumed: {rule}. Edit decode, and the names of the segments.",
        *((f"Assumed: patches of {_patch(draft)} voxels k, j, i. Edit tiling.",) if takes_any else ()),
        "Not known: what images it was trained on. Edit inputs, intended_use, limits and license.",
    )


def _require_modest(draft: Draft) -> None:
    if not 1 <= draft.channels_in <= MAX_CHANNELS_IN or not 1 <= draft.channels_out <= MAX_CHANNELS_OUT:
        why = f"{draft.channels_in} in, {draft.channels_out} out; up to {MAX_CHANNELS_IN} and {MAX_CHANNELS_OUT}"
        raise MedDLError("E407", "channels of the network", why)
    if any(size is not None and not 1 <= size <= MAX_PATCH for size in draft.shape):
        raise MedDLError("E407", "input size of the network", f"1 to {MAX_PATCH} along each axis")


def _color(number: int) -> tuple[int, int, int]:
    """Hues a golden angle apart, so that neighbours differ however many there are."""
    red, green, blue = colorsys.hsv_to_rgb((number * _GOLDEN_ANGLE) % 1.0, 0.75, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)

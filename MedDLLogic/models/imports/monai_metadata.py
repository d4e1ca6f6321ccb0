"""What a MONAI bundle's metadata say: images, segments, terms and figures, as a card has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import MedDLError
from ..card import InputSpec, License, Performance
from .importing import name_from

MAX_TEXT = 2000
MAX_ENTRIES = 50

_MODALITIES = {
    "CT": "CT", "MR": "MR", "MRI": "MR", "PT": "PT", "PET": "PT", "US": "US", "ULTRASOUND": "US", "XA": "XA", "CR": "CR",
    "DX": "DX", "MG": "MG", "NM": "NM", "SPECT": "NM",
}  # fmt: skip
_MAX_ROLE = 32
_LICENSES = {
    ("apache license", "version 2.0"): "Apache-2.0",
    ("mit license",): "MIT",
    ("bsd 3-clause",): "BSD-3-Clause",
    ("attribution-noncommercial-sharealike 4.0",): "CC-BY-NC-SA-4.0",
    ("attribution-noncommercial 4.0",): "CC-BY-NC-4.0",
    ("attribution-sharealike 4.0",): "CC-BY-SA-4.0",
    ("attribution 4.0",): "CC-BY-4.0",
}
"""Words near the start of a license's text -> its SPDX expression; the stricter ones come first."""

_LICENSE_HEAD = 3000


@dataclass(frozen=True)
class Metadata:
    """The file's content, read with care: whatever is of an unexpected kind counts as not said."""

    raw: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str, default: str = "") -> str:
        """A line of text."""
        found = self.raw.get(key)
        return _line(found) if isinstance(found, (str, int, float)) else default

    def lines(self, key: str) -> tuple[str, ...]:
        """Lines of text."""
        found = self.raw.get(key)
        items = found if isinstance(found, list) else [found]
        return tuple(_line(item) for item in items[:MAX_ENTRIES] if isinstance(item, str) and item.strip())

    @property
    def output_names(self) -> dict[int, str]:
        """Channel of the network's output -> what it is."""
        return _channels(_first(self._format("outputs")))

    @property
    def input_names(self) -> dict[int, str]:
        """Channel of the network's input -> what it is."""
        return _channels(_first(self._format("inputs")))

    @property
    def modality(self) -> str:
        """DICOM's code of the images' modality, empty when the metadata name none that is known."""
        found = _first(self._format("inputs")).get("modality", "")
        return _MODALITIES.get(str(found).strip().upper(), "")

    @property
    def performance(self) -> tuple[Performance, ...]:
        """Measured figures, as the bundle's maker gives them."""
        found = self.raw.get("eval_metrics")
        data = self.text("data_source", "not said")
        return tuple(
            Performance(_line(name)[:100], float(value), data, source="the bundle's metadata")
            for name, value in list(found.items())[:MAX_ENTRIES]
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        ) if isinstance(found, dict) else ()  # fmt: skip

    @property
    def citation(self) -> tuple[str, ...]:
        """References, then who made the model."""
        makers = tuple(line for line in (self.text("authors"), self.text("copyright")) if line)
        return (*self.lines("references"), *makers)

    def _format(self, which: str) -> Mapping[str, Any]:
        found = self.raw.get("network_data_format")
        inner = found.get(which) if isinstance(found, dict) else None
        return inner if isinstance(inner, dict) else {}


def inputs_of(metadata: Metadata, channels: int) -> tuple[InputSpec, ...]:
    """One image for each channel of the network, by the names that the metadata have for them."""
    names = metadata.input_names
    about = metadata.text("image_classes", "as the bundle's documentation says")
    if channels == 1:
        return (InputSpec("image", metadata.modality, about),)
    roles = unique_ids(names.get(n, f"image {n + 1}") for n in range(channels))
    return tuple(
        InputSpec(role[:_MAX_ROLE], metadata.modality, f"{names.get(n, f'channel {n + 1}')}; {about}")
        for n, role in enumerate(roles)
    )


def segment_names(metadata: Metadata, channels: int, *, has_background: bool) -> tuple[tuple[str, ...], bool]:
    """A name for each channel of the output, empty for the background, and whether the metadata gave them.

    Raises
    ------
    MedDLError : E402 when the metadata name more channels than there are.
    """
    named = metadata.output_names
    if not has_background and len(named) == channels + 1 and "background" in named.get(0, "").lower():
        named = {n - 1: name for n, name in named.items() if n}  # a single channel that is where, not what
    if named and max(named) >= channels:
        raise MedDLError("E402", "labels of the bundle", f"{max(named) + 1} channels named, the network has {channels}")
    names = [named.get(n, f"Class {n if has_background else n + 1}") for n in range(channels)]
    if has_background:
        names[0] = ""
    return tuple(names), bool(named)


def unique_ids(names: Iterable[str]) -> tuple[str, ...]:
    """An id for each name, with a number where several names give the same."""
    found: dict[str, None] = {}
    for name in names:
        base = name_from(name)
        number = 1
        candidate = base
        while candidate in found:
            number += 1
            candidate = f"{base[:24]}-{number}"
        found[candidate] = None
    return tuple(found)


def license_of(text: str | None) -> License:
    """The terms in a license's text, ``NOASSERTION`` where they are not recognized or there is none."""
    if text is None:
        return License("NOASSERTION", "the bundle holds no license; whoever made the model knows")
    head = " ".join(text[:_LICENSE_HEAD].lower().split())
    for words, expression in _LICENSES.items():
        if all(word in head for word in words):
            return License(expression, "the bundle, by the license file in it")
    return License("NOASSERTION", "the bundle, by the license file in it, which is none of the common ones: read it")


def _channels(described: Mapping[str, Any]) -> dict[int, str]:
    found = described.get("channel_def")
    if not isinstance(found, dict):
        return {}
    return {int(key): _line(name)[:100] for key, name in found.items() if key.isdecimal() and len(key) < 5 and name}


def _first(described: Mapping[str, Any]) -> Mapping[str, Any]:
    found = next(iter(described.values()), None)
    return found if isinstance(found, dict) else {}


def _line(found: Any) -> str:
    """The text in one line, without what steers a terminal."""
    text = " ".join(str(found).split())[:MAX_TEXT]
    return "".join(c if c.isprintable() else "?" for c in text)

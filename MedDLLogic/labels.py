"""What a label value means: segments with stable ids, names, colours and terminology."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import MedDLError

MAX_LABEL = 65535


@dataclass(frozen=True)
class Code:
    """A coded concept, as DICOM's code sequences hold it: scheme ``"SCT"``, value, meaning."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Terminology:
    """What a segment is: category, type and modifier, and the body region it lies in."""

    category: Code
    type: Code
    type_modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


@dataclass(frozen=True)
class Segment:
    """One structure of a result: where ``layers[layer] == value``.

    Parameters
    ----------
    id : stable identifier, the same in every run of a model; letters, digits, ``-`` and ``_``.
    name : shown to the user.
    value : label value, 1 to 65535, unique within its layer.
    layer : index of the label volume; overlapping structures lie in different layers.
    color : red, green, blue, 0 to 255.
    terminology : coded meaning, None when the model's author gave none.
    """

    id: str
    name: str
    value: int
    color: tuple[int, int, int]
    terminology: Terminology | None = None
    layer: int = 0

    def __post_init__(self) -> None:
        if not self.id or not all(c.isalnum() or c in "-_" for c in self.id) or not self.id.isascii():
            raise MedDLError("E402", "segment id not valid", self.id[:40], "use letters, digits, - and _")
        if not self.name.strip():
            raise MedDLError("E402", "segment has no name", self.id)
        if not 1 <= self.value <= MAX_LABEL:
            raise MedDLError("E402", "label value not valid", f"{self.id}: {self.value}", "use 1 to 65535")
        if len(self.color) != 3 or any(not 0 <= c <= 255 for c in self.color):
            raise MedDLError("E402", "segment colour not valid", f"{self.id}: {self.color}", "three numbers 0 to 255")
        if self.layer < 0:
            raise MedDLError("E402", "segment layer not valid", f"{self.id}: {self.layer}")


@dataclass(frozen=True)
class LabelTable:
    """The segments of a result or of a model's output, in order.

    Raises
    ------
    MedDLError : E402 when two segments share an id, or a value within a layer.
    """

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        _require_unique("id", [segment.id for segment in self.segments])
        _require_unique("label value in one layer", [f"{s.layer}:{s.value}" for s in self.segments])

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)

    def by_id(self, segment_id: str) -> Segment:
        """The segment of that id; E402 when there is none."""
        for segment in self.segments:
            if segment.id == segment_id:
                return segment
        raise MedDLError("E402", "no such segment", segment_id[:40])

    @property
    def layer_count(self) -> int:
        """Number of label volumes that the segments need."""
        return 1 + max((segment.layer for segment in self.segments), default=-1)


def _require_unique(what: str, values: list[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise MedDLError("E402", f"{what} used twice", value[:40])

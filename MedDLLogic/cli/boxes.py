"""``meddl segment --box``: voxel indices on the command line to boxes in the patient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..errors import MedDLError
from ..geometry import Geometry
from ..job import BoxPrompt, Job
from ..models.card import ModelCard
from ..tasks.box_places import box_of_voxels
from ..tasks.inputs import first_grid
from ..tasks.prompted import require_prompts

_BOX = re.compile(r"(?:([A-Za-z0-9_-]+)=)?(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})@(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_SYNTAX = "[NAME=]I0,J0,I1,J1@K, or @K0-K1 for several slices, such as liver=120,80,260,210@45"


def with_boxes(jobs: list[Job], texts: Sequence[str], card: ModelCard) -> list[Job]:
    """The jobs, the only one of them with the boxes that were given.

    Raises
    ------
    MedDLError : E101 for a box that cannot be read or lies outside the image, and for boxes on several images; E102 for
        boxes that the model does not take, or a model that needs some; E3xx for the image as far as its header shows.
    """
    if not texts:
        require_prompts(card, ())
        return jobs
    if len(jobs) != 1:
        raise MedDLError("E101", "boxes belong to one image", f"{len(jobs)} were given", "segment one at a time")
    grid = first_grid(jobs[0], {}, card.roles)
    prompts = tuple(prompt for text in texts for prompt in _prompts(text, grid, card))
    require_prompts(card, prompts)
    return [replace(jobs[0], prompts=prompts)]


def _prompts(text: str, grid: Geometry, card: ModelCard) -> Iterator[BoxPrompt]:
    """One box for each slice; E101."""
    found = _BOX.fullmatch(text.strip())
    if found is None:
        raise MedDLError("E101", "box not usable", "", _SYNTAX)
    name, *numbers = found.groups()
    i0, j0, i1, j1, k0 = (int(number) for number in numbers[:5])
    k1 = k0 if numbers[5] is None else int(numbers[5])
    sizes = grid.shape_kji[::-1]
    if any(index >= size for index, size in zip((max(i0, i1), max(j0, j1), max(k0, k1)), sizes, strict=True)):
        raise MedDLError("E101", "box lies outside the image", f"of {' x '.join(map(str, sizes))} voxels", "from 0 on")
    for k in range(min(k0, k1), max(k0, k1) + 1):
        yield box_of_voxels(grid, (i0, j0, k), (i1, j1, k), name or card.segments[0].id)

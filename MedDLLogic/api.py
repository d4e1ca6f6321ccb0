"""What scripts call: ``MedDLLogic.segment`` and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import numpy as np

from .errors import MedDLError
from .events import Emit, Reporter
from .image import Image
from .job import Box, CardRef, InputRef, Job, Matrix4
from .models.registry import find_card
from .result import Result
from .tasks.run import job_stages, run_job

Input = str | PathLike[str] | Image | Any
"""An image file, DICOM file or DICOM folder; an ``Image``; or a volume node of a scene."""


def segment(
    image: Input | Mapping[str, Input],
    *,
    model: str,
    series: str = "",
    roi: Box | None = None,
    nan_fill: float | None = None,
    allow_other_frame: bool = False,
    device: str = "auto",
    seed: int = 0,
    probabilities: bool = False,
    on_event: Emit = lambda event: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """The segments that a model finds, on the grid of the image that came in.

    Parameters
    ----------
    image : one image for a model with one input, or role -> image.
    model : name of a model, or a card's ``.json`` file.
    series : SeriesInstanceUID, where a DICOM folder holds several.
    probabilities : give each segment's probability volume too.

    Raises
    ------
    MedDLError : with the same codes as the command line.

    Examples
    --------
    >>> result = segment("head.nii.gz", model="brain-t1")  # doctest: +SKIP
    >>> result.mask_of("brain").sum()  # doctest: +SKIP
    """
    given = image if isinstance(image, Mapping) else {_only_role(model): image}
    in_memory: dict[str, Image] = {}
    inputs = {role: _reference(role, item, series, in_memory) for role, item in given.items()}
    job = Job(
        task="segment",
        inputs=inputs,
        card=CardRef(model),
        roi=roi,
        nan_fill=nan_fill,
        allow_other_frame=allow_other_frame,
        device=device,
        seed=seed,
    )
    reporter = Reporter(job.case, on_event, is_cancelled, job_stages(job))
    outcome = run_job(job, reporter, in_memory, keep_probabilities=probabilities)
    if not isinstance(outcome.made, Result):
        raise MedDLError("E901", "segment gave no segments")
    first = next(iter(given.values()))
    return _in_world(outcome.made, first) if _is_node(first) else outcome.made


def _only_role(model: str) -> str:
    roles = find_card(model).card.roles
    if len(roles) != 1:
        raise MedDLError("E331", "this model needs several images", ", ".join(roles), "give role -> image")
    return roles[0]


def _reference(role: str, item: Input, series: str, in_memory: dict[str, Image]) -> InputRef:
    if isinstance(item, (str, PathLike)):
        return InputRef(path=str(item), series=series)
    handle = f"memory-{role}"
    if isinstance(item, Image):
        in_memory[handle] = item
        return InputRef(handle=handle)
    if not _is_node(item):
        raise MedDLError("E101", "not an image", type(item).__name__, "give a path, an Image or a volume node")
    from .scene.volumes import read_volume

    volume = read_volume(item)
    in_memory[handle] = volume.image
    return InputRef(handle=handle, lps_to_world=_rows(volume.lps_to_world))


def _is_node(item: Input) -> bool:
    return hasattr(item, "GetIJKToRASMatrix")


def _in_world(result: Result, node: Any) -> Result:
    from .scene.measured import measured_in_world

    return measured_in_world(result, node)


def _rows(matrix: np.ndarray[Any, np.dtype[np.float64]] | None) -> Matrix4 | None:
    return None if matrix is None else tuple(tuple(float(v) for v in row) for row in matrix)  # type: ignore[return-value]

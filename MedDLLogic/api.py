"""What scripts call: ``MedDLLogic.segment``, ``plan_segment``, ``run_recipe`` and what they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from .errors import MedDLError
from .events import Emit, Reporter
from .image import Image
from .job import (
    DEFAULT_PRODUCTS,
    Backend,
    Box,
    BoxPrompt,
    CardRef,
    InputRef,
    Job,
    Matrix4,
    OutputPolicy,
    Precision,
    Product,
    Quality,
)
from .models.registry import find_card
from .recipe import Recipe
from .result import Result
from .tasks.plan import Plan
from .tasks.preprocess import Preprocessed
from .tasks.run import job_stages, plan_job, run_job

Input = str | PathLike[str] | Image | Any
"""An image file, DICOM file or DICOM folder; an ``Image``; or a volume node of a scene."""


def segment(
    image: Input | Mapping[str, Input],
    *,
    model: str,
    series: str = "",
    roi: Box | None = None,
    prompts: Sequence[BoxPrompt] = (),
    nan_fill: float | None = None,
    allow_other_frame: bool = False,
    device: str = "auto",
    quality: Quality = "standard",
    precision: Precision = "auto",
    backend: Backend = "auto",
    mirroring: bool = False,
    members: int = 0,
    seed: int = 0,
    probabilities: bool = False,
    uncertainty: bool = False,
    on_event: Emit = lambda event: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """The segments that a model finds, on the grid of the image that came in.

    Parameters
    ----------
    image : one image for a model with one input, or role -> image.
    model : name of a model, or a card's ``.json`` file.
    series : SeriesInstanceUID, where a DICOM folder holds several.
    roi, prompts, nan_fill, allow_other_frame, device, quality, precision, backend, mirroring, members, seed : as in ``Job``.
    probabilities : give each segment's probability volume too.
    uncertainty : give the volumes that say how sure the model is of each voxel too.
    on_event : receives progress and warnings.
    is_cancelled : asked now and then; True ends the run with E602.

    Raises
    ------
    MedDLError : with the same codes as the command line.

    Examples
    --------
    >>> result = segment("head.nii.gz", model="brain-t1")  # doctest: +SKIP
    >>> result.mask_of("brain").sum()  # doctest: +SKIP
    """
    given = _by_role(image, model)
    inputs = _Inputs(given, series)
    wanted: dict[Product, bool] = {"probabilities": probabilities, "uncertainty": uncertainty}
    volumes = [product for product, is_wanted in wanted.items() if is_wanted]
    job = Job(
        task="segment",
        inputs=inputs.references,
        card=CardRef(model),
        roi=roi,
        prompts=tuple(prompts),
        nan_fill=nan_fill,
        allow_other_frame=allow_other_frame,
        device=device,
        quality=quality,
        precision=precision,
        backend=backend,
        mirroring=mirroring,
        members=members,
        seed=seed,
        output=OutputPolicy(products=(*DEFAULT_PRODUCTS, *volumes)),
    )
    made = inputs.run(job, on_event, is_cancelled)
    if not isinstance(made, Result):
        raise MedDLError("E901", "segment gave no segments")
    first = given[find_card(model).card.roles[0]]
    return _in_world(made, first) if _is_node(first) else made


def plan_segment(
    image: Input | Mapping[str, Input],
    *,
    model: str,
    series: str = "",
    roi: Box | None = None,
    device: str = "auto",
    quality: Quality = "standard",
    precision: Precision = "auto",
    backend: Backend = "auto",
    mirroring: bool = False,
    members: int = 0,
) -> Plan:
    """What ``segment`` will take with the same arguments: working grids, tiles, seconds, memory; nothing runs.

    Of files the header alone is read where the format has one; the model's weights need not be here.

    Raises
    ------
    MedDLError : with the same codes as the command line.

    Examples
    --------
    >>> plan = plan_segment("head.nii.gz", model="brain-t1")  # doctest: +SKIP
    >>> plan.tiles, plan.seconds, plan.memory_bytes  # doctest: +SKIP
    """
    inputs = _Inputs(_by_role(image, model), series)
    job = Job(
        task="segment",
        inputs=inputs.references,
        card=CardRef(model),
        roi=roi,
        device=device,
        quality=quality,
        precision=precision,
        backend=backend,
        mirroring=mirroring,
        members=members,
    )
    return inputs.plan(job)


def run_recipe(
    image: Input | Mapping[str, Input],
    *,
    recipe: Recipe,
    series: str = "",
    nan_fill: float | None = None,
    allow_other_frame: bool = False,
    on_event: Emit = lambda event: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Image:
    """The image after a recipe's steps, float32, on the last step's grid; under a scene's linear transform, in the world.

    Parameters
    ----------
    image : one image, or name -> image for several channels, brought onto the first one's grid.
    recipe : the steps.
    series, nan_fill, allow_other_frame, on_event, is_cancelled : as in ``segment``.

    Raises
    ------
    MedDLError : with the same codes as the command line.
    """
    inputs = _Inputs(image if isinstance(image, Mapping) else {"image": image}, series)
    job = Job(
        task="preprocess",
        inputs=inputs.references,
        recipe=recipe,
        nan_fill=nan_fill,
        allow_other_frame=allow_other_frame,
    )
    made = inputs.run(job, on_event, is_cancelled)
    if not isinstance(made, Preprocessed):
        raise MedDLError("E901", "recipe gave no image")
    return made.image


class _Inputs:
    """What a script gave, as references in a job, with the images that these name by handle."""

    def __init__(self, given: Mapping[str, Input], series: str) -> None:
        self._in_memory: dict[str, Image] = {}
        self._warnings: list[str] = []
        self.references = {role: self._reference(role, item, series) for role, item in given.items()}

    def run(self, job: Job, on_event: Emit, is_cancelled: Callable[[], bool]) -> Result | Preprocessed:
        reporter = Reporter(job.case, on_event, is_cancelled, job_stages(job))
        for warning in self._warnings:
            reporter.warn("E310", warning)
        return run_job(job, reporter, self._in_memory).made

    def plan(self, job: Job) -> Plan:
        return plan_job(job, self._in_memory)

    def _reference(self, role: str, item: Input, series: str) -> InputRef:
        if isinstance(item, (str, PathLike)):
            return InputRef(path=str(item), series=series)
        handle = f"memory-{role}"
        if isinstance(item, Image):
            self._in_memory[handle] = item
            return InputRef(handle=handle)
        if not _is_node(item):
            raise MedDLError("E101", "not an image", type(item).__name__, "give a path, an Image or a volume node")
        from .scene.volumes import read_volume

        volume = read_volume(item)
        self._in_memory[handle] = volume.image
        self._warnings.extend(volume.warnings)
        return InputRef(handle=handle, lps_to_world=_rows(volume.lps_to_world))


def _by_role(image: Input | Mapping[str, Input], model: str) -> Mapping[str, Input]:
    return image if isinstance(image, Mapping) else {_only(find_card(model).card.roles): image}


def _only(roles: tuple[str, ...]) -> str:
    if len(roles) != 1:
        raise MedDLError("E331", "this model needs several images", ", ".join(roles), "give role -> image")
    return roles[0]


def _is_node(item: Input) -> bool:
    return hasattr(item, "GetIJKToRASMatrix")


def _in_world(result: Result, node: Any) -> Result:
    from .scene.measured import measured_in_world

    return measured_in_world(result, node)


def _rows(matrix: np.ndarray[Any, np.dtype[np.float64]] | None) -> Matrix4 | None:
    return None if matrix is None else tuple(tuple(float(v) for v in row) for row in matrix)  # type: ignore[return-value]

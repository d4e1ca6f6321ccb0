"""The preprocess task: a recipe alone, from images to one volume on the recipe's last grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MedDLError
from ..events import Reporter
from ..image import Image
from ..job import Job
from ..preprocess.run import apply_recipe
from ..preprocess.working import Working
from ..result import AppliedStep
from .inputs import TaskInputs

PREPROCESS = "preprocess"


@dataclass(frozen=True)
class Preprocessed:
    """The volume that a recipe made, and its steps with what each one found."""

    image: Image
    steps: tuple[AppliedStep, ...]


def preprocess_stages() -> dict[str, float]:
    """The one stage of a preprocess job, with its share of the time."""
    return {PREPROCESS: 1.0}


def preprocess(job: Job, inputs: TaskInputs, reporter: Reporter) -> Preprocessed:
    """The images of all roles as channels, after the job's recipe; grids move, the anatomy does not.

    Raises
    ------
    MedDLError : E102 without a recipe, and whatever a step raises.
    """
    if job.recipe is None:
        raise MedDLError("E102", "recipe", "needed for preprocess")
    with reporter.stage(PREPROCESS):
        images = list(inputs.images.values())
        voxels = np.concatenate([np.asarray(image.voxels, dtype=np.float32) for image in images])
        stacked = Image(
            voxels, inputs.grid, tuple(inputs.images), images[0].modality, images[0].units, images[0].frame_of_reference
        )
        working, steps = apply_recipe(job.recipe.steps, Working(stacked, {}), reporter, PREPROCESS)
        return Preprocessed(working.image, steps)

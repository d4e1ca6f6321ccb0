"""The one function that runs a job, whichever door it came through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..events import Reporter
from ..image import Image
from ..job import Job
from ..result import Result
from .inputs import TaskInputs, load_inputs
from .preprocess import Preprocessed, preprocess, preprocess_stages
from .segment import segment, segment_stages

READ = "read"


@dataclass(frozen=True)
class Outcome:
    """What a job made, beside the images it was made from."""

    inputs: TaskInputs
    made: Result | Preprocessed


def job_stages(job: Job) -> dict[str, float]:
    """Stage names of a job in order, each with its expected share of the time."""
    return {READ: 0.08} | (segment_stages(job) if job.task == "segment" else preprocess_stages())


def run_job(
    job: Job, reporter: Reporter, in_memory: Mapping[str, Image] | None = None, *, keep_probabilities: bool = False
) -> Outcome:
    """Read the job's images and do its task.

    Parameters
    ----------
    in_memory : images that inputs name by handle.
    keep_probabilities : keep each segment's probability volume; also when the job has them as product.

    Raises
    ------
    MedDLError : E1xx for the job, E3xx for the images, E4xx for the model, E5xx for the machine,
        E602 when cancelled.
    """
    with reporter.stage(READ):
        inputs = load_inputs(job, reporter, in_memory)
    if job.task == "preprocess":
        return Outcome(inputs, preprocess(job, inputs, reporter))
    keep = keep_probabilities or "probabilities" in job.output.products
    return Outcome(inputs, segment(job, inputs, reporter, keep_probabilities=keep))

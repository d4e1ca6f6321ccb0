"""The one function that runs a job, whichever door it came through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import optional_packages
from ..events import Reporter
from ..image import Image
from ..job import Job
from ..result import Result
from .inputs import TaskInputs, load_inputs
from .preprocess import Preprocessed, preprocess, preprocess_stages
from .segment import required_card, segment, segment_stages

READ = "read"


@dataclass(frozen=True)
class Outcome:
    """What a job made, beside the images it was made from."""

    inputs: TaskInputs
    made: Result | Preprocessed

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that the run warned of, as ``E308: message``."""
        if isinstance(self.made, Result):
            return self.made.provenance.warnings
        return tuple(f"{finding.code}: {finding.message}" for finding in self.inputs.findings)


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
    MedDLError : E1xx for the job, E104 when a package that it needs is missing, E3xx for the images, E4xx for the model, E5xx for the machine,
        E602 when cancelled.
    """
    keep = keep_probabilities or "probabilities" in job.output.products
    with optional_packages():
        with reporter.stage(READ):
            inputs = load_inputs(job, reporter, in_memory, _roles(job))
        if job.task == "preprocess":
            return Outcome(inputs, preprocess(job, inputs, reporter))
        return Outcome(inputs, segment(job, inputs, reporter, keep_probabilities=keep))


def _roles(job: Job) -> tuple[str, ...]:
    return required_card(job).card.roles if job.task == "segment" else ()

"""The one function that runs a job, whichever door it came through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import optional_packages
from ..events import Reporter
from ..image import Image
from ..inference.warm import Networks
from ..job import Job
from ..result import Result
from .inputs import TaskInputs, first_grid, load_inputs
from .learning import Learning
from .plan import Plan, plan_run
from .preprocess import Preprocessed, preprocess, preprocess_stages
from .segment import card_of, required_card, segment, segment_stages

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
    job: Job,
    reporter: Reporter,
    in_memory: Mapping[str, Image] | None = None,
    *,
    networks: Networks | None = None,
) -> Outcome:
    """Read the job's images and do its task.

    Parameters
    ----------
    in_memory : images that inputs name by handle.
    networks : those that stay loaded from run to run; without them each run loads its own.

    Raises
    ------
    MedDLError : E1xx for the job, E104 when a package that it needs is missing, E3xx for the images, E4xx for the model, E5xx for the machine,
        E602 when cancelled.
    """
    with optional_packages():
        if job.task == "preprocess":
            inputs = _read(job, reporter, in_memory, ())
            return Outcome(inputs, preprocess(job, inputs, reporter))
        found = required_card(job)
        learning = Learning(found, job, reporter)
        inputs = _read(job, reporter, in_memory, found.card.roles)
        learning.foretell(inputs.grid)
        result = segment(job, inputs, reporter, networks=networks)
        learning.remember(inputs.grid, result)
        return Outcome(inputs, result)


def plan_job(job: Job, in_memory: Mapping[str, Image] | None = None) -> Plan:
    """What a segment job will take, told of the model's card and the first image's header; nothing runs.

    Raises
    ------
    MedDLError : E1xx for the job, E3xx for the image as far as its header shows it, E4xx for the card.
    """
    found = card_of(job)
    with optional_packages():
        grid = first_grid(job, in_memory or {}, found.card.roles)
    return plan_run(found, grid, job.computing, roi=job.roi, prompts=job.prompts)


def _read(job: Job, reporter: Reporter, in_memory: Mapping[str, Image] | None, roles: tuple[str, ...]) -> TaskInputs:
    with reporter.stage(READ):
        return load_inputs(job, reporter, in_memory, roles)

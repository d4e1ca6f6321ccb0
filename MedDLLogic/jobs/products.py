"""The files of one case: segmentation, scene, measurements, overview, volumes, and the record of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from ..errors import optional_packages
from ..events import Reporter
from ..image import Image
from ..io.write import Cell, WrittenFile, write_csv, write_text
from ..io.write_picture import write_picture
from ..io.write_volume import write_volume
from ..job import CardRef, InputRef, Job
from ..records import to_json_text
from ..result import AppliedStep, Measurement, Provenance, Result
from ..tasks.history import WRITE
from ..tasks.preprocess import Preprocessed
from ..tasks.run import Outcome
from .scene_files import write_scene_file, write_segmentation_file

RECORD = "run.json"


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` holds: the job without paths, how it was done, and the numbers."""

    case: str
    job: Job
    provenance: Provenance
    measurements: tuple[Measurement, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    schema_version: Literal[1] = 1


def write_products(job: Job, outcome: Outcome, folder: Path, reporter: Reporter) -> dict[str, WrittenFile]:
    """The files that the job asks for, in ``folder``, each whole or not there: product -> file.

    Raises
    ------
    MedDLError : E501, E503, E505 from the writer, E104 when a product needs a package that is missing.
    """
    with optional_packages(), reporter.stage(WRITE):
        if isinstance(outcome.made, Preprocessed):
            writers = _volume_writers(job, outcome.made, folder)
        else:
            writers = _result_writers(job, outcome.made, outcome, folder)
        written: dict[str, WrittenFile] = {}
        for number, (product, write) in enumerate(writers.items()):
            written[product] = write()
            reporter.update((number + 1) / (len(writers) + 1))
        record = _record_of(job, outcome, {product: file.name for product, file in written.items()})
        written["record"] = write_text(folder / RECORD, to_json_text(record) + "\n")
    return written


Writers = dict[str, Callable[[], WrittenFile]]


def _volume_writers(job: Job, made: Preprocessed, folder: Path) -> Writers:
    image = made.image
    if len(image.voxels) == 1:
        return {"volume": lambda: write_volume(folder / f"{job.case}.nii.gz", image)}
    one = {
        name: replace(image, voxels=image.voxels[n : n + 1], channel_names=(name,))
        for n, name in enumerate(image.channel_names)
    }
    return {
        f"volume-{name}": lambda name=name, single=single: write_volume(folder / f"{job.case}_{name}.nii.gz", single)  # type: ignore[misc]
        for name, single in one.items()
    }


def _result_writers(job: Job, result: Result, outcome: Outcome, folder: Path) -> Writers:
    image = outcome.inputs.first
    title = f"{job.case}   {result.provenance.card}"  # the job may name the card by a path
    all_writers: Writers = {
        "segmentation": lambda: write_segmentation_file(folder / f"{job.case}.seg.nrrd", result, image),
        "scene": lambda: write_scene_file(folder / "scene.mrb", result, image, job.case),
        "measurements": lambda: write_csv(folder / "measurements.csv", measurement_rows(job.case, result)),
        "overview": lambda: _write_overview(folder / "overview.png", result, image, title),
    }
    chosen: Writers = {product: all_writers[product] for product in job.output.products if product in all_writers}
    volumes: dict[str, tuple[str, NDArray[Any]]] = {}
    if "probabilities" in job.output.products:
        volumes |= {f"probability-{s}": (f"{s}_probability", voxels) for s, voxels in result.probabilities.items()}
    if "uncertainty" in job.output.products:
        volumes |= {f"uncertainty-{kind}": (kind, voxels) for kind, voxels in result.uncertainty.items()}
    for product, (name, voxels) in volumes.items():
        image = Image(voxels[None], result.geometry, (name,))
        path = folder / f"{job.case}_{name}.nii.gz"
        chosen[product] = lambda path=path, image=image: write_volume(path, image)  # type: ignore[misc]
    return chosen


def measurement_rows(case: str, result: Result) -> list[list[Cell]]:
    """Rows of ``measurements.csv``: a header, then one row a segment."""
    quantities = list(dict.fromkeys((m.quantity, m.unit) for m in result.measurements))
    header: list[Cell] = ["case", "segment", "name", *(q if u == "1" else f"{q} [{u}]" for q, u in quantities)]
    values = {(m.segment_id, m.quantity): m.value for m in result.measurements}
    rows: list[list[Cell]] = [
        [case, s.id, s.name, *(_plain(values.get((s.id, q))) for q, _ in quantities)] for s in result.table
    ]
    return [header, *rows]


def _plain(value: float | None) -> Cell:
    if value is None:
        return ""
    return int(value) if value == int(value) else round(value, 4)


def _write_overview(path: Path, result: Result, image: Image, title: str) -> WrittenFile:
    from ..report.overview import draw_overview

    return write_picture(path, draw_overview(result, image, title=title))


def _record_of(job: Job, outcome: Outcome, outputs: dict[str, str]) -> RunRecord:
    made = outcome.made
    if isinstance(made, Result):
        return RunRecord(job.case, _without_paths(job, outcome), made.provenance, made.measurements, outputs)
    return RunRecord(job.case, _without_paths(job, outcome), _provenance_of(outcome, made.steps), (), outputs)


def _without_paths(job: Job, outcome: Outcome) -> Job:
    """The job with inputs named by content and the card by name, since paths may name a patient."""
    hashes = outcome.inputs.sha256
    inputs = {role: InputRef(handle=hashes[role], lps_to_world=ref.lps_to_world) for role, ref in job.inputs.items()}
    provenance = outcome.made.provenance if isinstance(outcome.made, Result) else None
    card = CardRef(provenance.card, provenance.card_sha256) if provenance else None
    return replace(job, inputs=inputs, card=card, output=replace(job.output, folder=""))


def _provenance_of(outcome: Outcome, steps: tuple[AppliedStep, ...]) -> Provenance:
    from ..tasks.segment import versions

    sha256, warnings = outcome.inputs.sha256, outcome.warnings
    return Provenance(input_sha256=sha256, steps=steps, warnings=warnings, versions=versions())

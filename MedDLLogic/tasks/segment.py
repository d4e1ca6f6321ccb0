"""The segment task: one job, one result on the first input's own grid."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__
from ..errors import MedDLError
from ..events import Reporter
from ..geometry import require_millimetres
from ..image import Image
from ..inference.device import choose_device, forget_peak, set_seed
from ..inference.precision import Choice
from ..inference.warm import Networks
from ..io.verdict import Finding
from ..job import Job
from ..labels import LabelTable, Segment
from ..masks import LabelVolume, Masks
from ..metrics.segments import measure_segments
from ..models.card import ModelCard
from ..models.registry import FoundCard, find_card
from ..models.store import require_ready
from ..result import Measurement, Provenance, Result
from .history import LOAD
from .inputs import TaskInputs
from .plan import network_stages
from .prompted import draw_boxes, require_prompts
from .stages import Run, run_card

MEASURE = "measure"
_MODALITIES = frozenset({"CR", "CT", "DX", "IVOCT", "MG", "MR", "NM", "OCT", "OP", "OT", "PT", "RF", "SC", "US", "XA"})
_RECORDED = ("numpy", "scipy", "SimpleITK", "torch", "monai", "openvino", "onnxruntime", "pydicom", "scikit-image")


def segment_stages(job: Job) -> dict[str, float]:
    """Stage names of a segment job in order, each with its expected share of the time."""
    shares = {name: stage.relative_cost for name, stage in network_stages(required_card(job))}
    return {LOAD: 0.05} | shares | {MEASURE: 0.04}


def required_card(job: Job) -> FoundCard:
    """The job's card; E403 when it or weights it needs are not here, E401 when it is not the one named by hash."""
    found = card_of(job)
    require_ready(found)
    return found


def card_of(job: Job) -> FoundCard:
    """The job's card, whether its weights are here or not; E403 when there is none, E401 for another hash."""
    if job.card is None:
        raise MedDLError("E102", "card", "needed for segment")
    found = find_card(job.card.name)
    if job.card.sha256 and job.card.sha256 != found.sha256:
        raise MedDLError("E401", "card differs from the one the job names", found.card.name)
    return found


def segment(
    job: Job,
    inputs: TaskInputs,
    reporter: Reporter,
    *,
    networks: Networks | None = None,
) -> Result:
    """The segments of the job's images, on the first one's own grid; with the volumes of numbers it has as products.

    Parameters
    ----------
    networks : those that stay loaded from run to run.

    Raises
    ------
    MedDLError : E331 for images that the model does not take, E4xx for the model, E5xx for the
        machine, E602 when cancelled.
    """
    started_s = time.monotonic()
    found = required_card(job)
    require_prompts(found.card, job.prompts)
    with reporter.stage(LOAD), reporter.part(LOAD, 0.0, 1.0):
        device = choose_device(job.device)
        forget_peak(device)
    _require_places(found.card, inputs.images)
    findings = [*inputs.findings, *_modality_findings(found.card, inputs.images)]
    ids = frozenset(segment.id for segment in found.card.segments)
    run = Run(
        device,
        reporter,
        probabilities_of=ids if "probabilities" in job.output.products else frozenset(),
        uncertainty_of=ids if "uncertainty" in job.output.products else frozenset(),
        quality=job.quality,
        choice=Choice(job.precision, job.backend, job.mirroring, job.members),
        networks=networks or Networks(),
    )
    set_seed(job.seed)
    table, masks = _segments(found, job, inputs, run)
    with reporter.stage(MEASURE):
        layers = _layers(table, masks, inputs)
        kept = {s.id: inputs.to_native(run.probabilities.pop(s.id)) for s in table if s.id in run.probabilities}
        doubt = {kind: inputs.to_native(volume) for kind, volume in run.uncertainty.items()}
        first = next(iter(inputs.images.values()))
        measurements = measure_segments(table, masks, first, inputs.first.geometry)
        findings += _doubts(found.card, measurements)
        for finding in findings[len(inputs.findings) :]:
            reporter.warn(finding.code, finding.message)
        provenance = Provenance(
            card=found.card.name,
            card_version=found.card.version,
            card_sha256=found.sha256,
            weights_sha256=run.weights_sha256,
            input_sha256=inputs.sha256,
            device=device,
            seed=job.seed,
            versions=versions(),
            steps=tuple(run.steps),
            warnings=tuple(f"{finding.code}: {finding.message}" for finding in (*findings, *run.findings)),
            seconds=round(time.monotonic() - started_s, 3),
        )
    return Result(inputs.first.geometry, layers, table, kept, measurements, provenance, doubt)


def _segments(found: FoundCard, job: Job, inputs: TaskInputs, run: Run) -> tuple[LabelTable, Masks]:
    if found.card.prompted_stage is None:
        return found.card.table, run_card(found, inputs.images, run)
    drawn = draw_boxes(found, inputs.images, job.prompts, run)
    return drawn.table, drawn.masks


def versions() -> dict[str, str]:
    """Versions of MedDL, Python and the libraries that numbers depend on, those that are installed."""
    found = {"meddl": __version__, "python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _layers(table: LabelTable, masks: Masks, inputs: TaskInputs) -> tuple[LabelVolume, ...]:
    dtype = np.dtype(np.uint8 if max(segment.value for segment in table) < 256 else np.uint16)
    layers = (_layer([s for s in table if s.layer == number], masks, dtype) for number in range(table.layer_count))
    return tuple(np.ascontiguousarray(inputs.to_native(layer)) for layer in layers)


def _layer(segments: list[Segment], masks: Masks, dtype: np.dtype[Any]) -> LabelVolume:
    """The segments' values where their masks are, by one look into a table for each label volume that holds them."""
    values: dict[int, LabelVolume] = {}
    for segment in segments:
        number, value = masks.places[segment.id]
        size = np.iinfo(masks.volumes[number].dtype).max + 1
        values.setdefault(number, np.zeros(size, dtype))[value] = segment.value
    layer = np.zeros(masks.shape_kji, dtype)
    for number, new_values in values.items():
        for plane, labels in enumerate(masks.volumes[number]):
            new = new_values[labels]
            overlap = new[layer[plane] != 0]
            if overlap.any():
                twice = next(segment.id for segment in segments if segment.value == overlap.max())
                raise MedDLError(
                    "E402", "segments of one layer overlap", twice, "give them layers of their own in the card"
                )
            layer[plane] |= new
    return layer


def _require_places(card: ModelCard, images: Mapping[str, Image]) -> None:
    for spec in card.inputs:
        if spec.in_patient and spec.role in images:
            require_millimetres(images[spec.role].geometry)


def _doubts(card: ModelCard, measurements: tuple[Measurement, ...]) -> list[Finding]:
    """What the card calls implausible: the wrong kind of image is the usual reason."""
    doubts = []
    for found in measurements:
        low, high = card.plausible_ml.get(found.segment_id, (0.0, math.inf))
        if found.quantity == "volume" and not low <= found.value <= high:
            text = (
                f"{found.segment_id} of {found.value:.0f} ml is not plausible ({low:g} to {high:g}): look at the image"
            )
            doubts.append(Finding("E608", "warning", text))
    return doubts


def _modality_findings(card: ModelCard, images: Mapping[str, Image]) -> list[Finding]:
    findings = []
    for spec in card.inputs:
        given = images[spec.role].modality if spec.role in images else ""
        if not spec.takes(given):
            said = given if given in _MODALITIES else "something else"  # a tag's text may be anybody's name
            text = f"the model wants {spec.modality} as {spec.role}, the image says {said}"
            findings.append(Finding("E331", "warning", text))
    return findings

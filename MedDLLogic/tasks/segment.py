"""The segment task: one job, one result on the first input's own grid."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from collections.abc import Mapping

import numpy as np

from .. import __version__
from ..errors import MedDLError
from ..events import Reporter
from ..geometry import require_millimetres
from ..image import Image
from ..inference.decode import Mask
from ..inference.device import choose_device, forget_peak, set_seed
from ..inference.warm import Networks
from ..io.verdict import Finding
from ..job import Job
from ..labels import LabelTable
from ..metrics.segments import measure_segments
from ..models.card import ModelCard
from ..models.registry import FoundCard, find_card
from ..models.store import require_ready
from ..result import LabelVolume, Measurement, Provenance, Result
from .history import LOAD
from .inputs import TaskInputs
from .plan import network_stages
from .stages import Run, run_card

MEASURE = "measure"
_MODALITIES = frozenset({"CR", "CT", "DX", "IVOCT", "MG", "MR", "NM", "OCT", "OP", "OT", "PT", "RF", "SC", "US", "XA"})
_RECORDED = ("numpy", "scipy", "SimpleITK", "torch", "monai", "pydicom", "scikit-image")


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
    keep_probabilities: bool = False,
    networks: Networks | None = None,
) -> Result:
    """The segments of the job's images, on the first one's own grid.

    Parameters
    ----------
    keep_probabilities : give each segment's probability volume too.
    networks : those that stay loaded from run to run.

    Raises
    ------
    MedDLError : E331 for images that the model does not take, E4xx for the model, E5xx for the
        machine, E602 when cancelled.
    """
    started_s = time.monotonic()
    found = required_card(job)
    with reporter.stage(LOAD), reporter.part(LOAD, 0.0, 1.0):
        device = choose_device(job.device)
        forget_peak(device)
    _require_places(found.card, inputs.images)
    findings = [*inputs.findings, *_modality_findings(found.card, inputs.images)]
    wanted = frozenset(segment.id for segment in found.card.segments) if keep_probabilities else frozenset()
    run = Run(device, reporter, wanted, job.quality, networks or Networks())
    set_seed(job.seed)
    masks = run_card(found, inputs.images, run)
    with reporter.stage(MEASURE):
        table = found.card.table
        layers = _layers(table, masks, inputs)
        kept = {s.id: inputs.to_native(run.probabilities.pop(s.id)) for s in table if s.id in run.probabilities}
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
            warnings=tuple(f"{finding.code}: {finding.message}" for finding in findings),
            seconds=round(time.monotonic() - started_s, 3),
        )
    return Result(inputs.first.geometry, layers, table, kept, measurements, provenance)


def versions() -> dict[str, str]:
    """Versions of MedDL, Python and the libraries that numbers depend on, those that are installed."""
    found = {"meddl": __version__, "python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _layers(table: LabelTable, masks: Mapping[str, Mask], inputs: TaskInputs) -> tuple[LabelVolume, ...]:
    dtype = np.uint8 if max(segment.value for segment in table) < 256 else np.uint16
    layers = [np.zeros(inputs.grid.shape_kji, dtype=dtype) for _ in range(table.layer_count)]
    for item in table:
        mask = masks[item.id]
        if layers[item.layer][mask].any():
            raise MedDLError(
                "E402", "segments of one layer overlap", item.id, "give them layers of their own in the card"
            )
        layers[item.layer][mask] = item.value
    return tuple(np.ascontiguousarray(inputs.to_native(layer)) for layer in layers)


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
        if given and given != spec.modality:
            said = given if given in _MODALITIES else "something else"  # a tag's text may be anybody's name
            text = f"the model wants {spec.modality} as {spec.role}, the image says {said}"
            findings.append(Finding("E331", "warning", text))
    return findings

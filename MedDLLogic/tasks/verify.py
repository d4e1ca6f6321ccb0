"""A model on its card's check case in every precision: what the faster ways of computing change."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..events import Event, Reporter
from ..inference.backend import Floats, OnProgress, Predictor
from ..inference.precision import FAST_DICE, Choice, has_bf16, remember_check
from ..inference.warm import Networks
from ..inference.windows import weights
from ..job import Backend, CardRef, InputRef, Job, Precision
from ..models.card import Blend, Check, Decode, NetworkStage, Tiling
from ..models.registry import FoundCard
from ..models.samples import Sample, find_sample, sample_file
from ..result import Result
from .plan import network_stages
from .run import job_stages, run_job

EXACT_ERROR = 1e-3
"""Largest error of an activation that ``exact`` may have, as a share of the range of those of ``reference``; a voxel
may get another label only where its two strongest activations differ by less."""


@dataclass(frozen=True)
class Compared:
    """One precision against the reference.

    Parameters
    ----------
    dice : segment id -> Dice of the whole run's result.
    error : largest difference of an activation, on the very same patches, as a share of the range.
    margin : of the voxels whose label differs on these patches, the largest difference between the two strongest
        activations, as such a share; 0 where no label differs.
    seconds : of the whole run, its networks loaded.
    passed : whether ``exact`` keeps to ``EXACT_ERROR``, and ``fast`` to ``FAST_DICE``.
    """

    precision: Precision
    dice: Mapping[str, float]
    error: float
    margin: float
    seconds: float
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """What the check case gave; precisions that this processor does not have are left out.

    Parameters
    ----------
    reference : who computed what the others are compared with.
    seconds : of that run.
    """

    model: str
    reference: Backend
    seconds: float
    compared: tuple[Compared, ...]

    @property
    def passed(self) -> bool:
        """Whether ``exact`` is exact; that ``fast`` did not pass is no fault: it is not used then."""
        return all(one.passed for one in self.compared if one.precision == "exact")


def verify(
    found: FoundCard,
    emit: Callable[[Event], None] = lambda event: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Run the card's check case on the CPU in every precision, and remember what ``"auto"`` may use here.

    Parameters
    ----------
    emit, is_cancelled : as a ``Reporter``'s; each run is one job of its own.

    Raises
    ------
    MedDLError : E401 for a card without a check case, E403 when a sample is not here, and all that a run raises.
    """
    inputs = _sample_inputs(found)
    stages = tuple(stage for _, stage in network_stages(found))
    # A model that is a graph itself does not run in torch.
    is_graph = any(stage.network.format == "onnx" for stage in stages)
    reference = Choice("exact", "onnxruntime") if is_graph else Choice("reference")
    tried: tuple[Precision, ...] = ("exact", "fast") if has_bf16() else ("exact",)
    watching = _Watching(reference, tried)

    def run(choice: Choice, networks: Networks) -> tuple[Result, float]:
        job = _job(found, inputs, choice)
        reporter = Reporter(f"check-{choice.precision}", emit, is_cancelled, job_stages(job))
        started_s = time.perf_counter()
        made = run_job(job, reporter, networks=networks).made
        if not isinstance(made, Result):
            raise MedDLError("E901", "segment gave no segments")
        return made, time.perf_counter() - started_s

    expected, seconds = run(reference, watching)
    compared = []
    for precision in tried:
        made, own_seconds = run(Choice(precision, "openvino"), Networks())
        dice = {segment.id: _dice(expected, made, segment.id) for segment in found.card.segments}
        seen = watching.seen[precision]
        passed = seen.is_exact if precision == "exact" else min(dice.values()) >= FAST_DICE
        compared.append(Compared(precision, dice, seen.error, seen.margin, round(own_seconds, 3), passed))
    # Networks of cards that this one runs have check cases of their own.
    remember_check(found.card.network_stages, {one.precision: min(one.dice.values()) for one in compared})
    own = round(seconds - watching.others_s, 3)
    return Verdict(found.card.name, "onnxruntime" if is_graph else "torch", own, tuple(compared))


def check_of(verdict: Verdict, samples: Mapping[str, str]) -> Check:
    """What a card says of it: the lowest Dice of a segment for each precision, rounded down."""
    lowest = {one.precision: int(min(one.dice.values()) * 1e4) / 1e4 for one in verdict.compared}
    return Check(samples, cast(Mapping[Literal["exact", "fast"], float], lowest))


@dataclass
class Seen:
    """Differences on all patches so far."""

    error: float = 0.0
    margin: float = 0.0

    @property
    def is_exact(self) -> bool:
        """Whether it keeps to ``EXACT_ERROR``."""
        return self.error <= EXACT_ERROR and self.margin <= EXACT_ERROR

    def add(self, expected: Floats, found: Floats, rule: Decode) -> None:
        """Look at one patch, computed in two ways."""
        extent = max(float(np.ptp(expected)), 1e-30)
        self.error = max(self.error, float(np.abs(expected - found).max()) / extent)
        differ = _labels(expected, rule) != _labels(found, rule)
        if differ.any():
            self.margin = max(self.margin, float(_margins(expected, rule)[differ].max()) / extent)


class _Watching(Networks):
    """Gives networks as the reference computes them, and has every patch computed in the other precisions too."""

    def __init__(self, reference: Choice, precisions: tuple[Precision, ...]) -> None:
        super().__init__()
        self._reference = reference
        self.others_s = 0.0
        self.seen = {precision: Seen() for precision in precisions}

    def ready(
        self,
        found: FoundCard,
        stage: NetworkStage,
        device: str,
        choice: Choice | None = None,  # noqa: ARG002 - the reference, whatever the job says
        tiling: Tiling | None = None,
        **more: Any,
    ) -> Predictor:
        started_s = time.perf_counter()
        others = {
            precision: Networks().ready(found, stage, device, Choice(precision, "openvino"), tiling, **more)
            for precision in self.seen
        }
        self.others_s += time.perf_counter() - started_s
        single = super().ready(found, stage, device, self._reference, tiling, **more)
        return _Compared(single, others, stage.decode, self)


class _Compared:
    """A predictor whose patches others compute too."""

    def __init__(
        self, reference: Predictor, others: Mapping[Precision, Predictor], rule: Decode, watching: _Watching
    ) -> None:
        self.device, self.backend, self.precision = reference.device, reference.backend, reference.precision
        self._reference, self._others, self._rule, self._watching = reference, others, rule, watching

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """As ``backend.Predictor`` says, what the reference gives."""
        expected = self._reference.predict(patch, side, on_progress)
        started_s = time.perf_counter()
        for precision, other in self._others.items():
            found = other.predict(patch, side, lambda part: on_progress(1.0))
            self._watching.seen[precision].add(expected, found, self._rule)
        self._watching.others_s += time.perf_counter() - started_s
        return expected if blend is None else expected * weights(patch.shape[1:], blend)[..., None]


def _sample_inputs(found: FoundCard) -> dict[str, InputRef]:
    check = found.card.check
    if check is None:
        raise MedDLError("E401", f"{found.card.name} has no check case", "", "name samples under check in the card")
    inputs = {}
    for role, name in check.samples.items():
        path = sample_file(_sample(name))
        if path is None:
            raise MedDLError("E403", "sample image not here yet", name[:40], "meddl demo gets it")
        inputs[role] = InputRef(path=str(path))
    return inputs


def _sample(name: str) -> Sample:
    try:
        return find_sample(name)
    except MedDLError as exc:
        raise MedDLError("E403", "no sample of this name", name[:40], "see check in the card") from exc


def _job(found: FoundCard, inputs: Mapping[str, InputRef], choice: Choice) -> Job:
    name = found.card.name if found.is_shipped else str(found.folder / f"{found.card.name}.json")
    card = CardRef(name, found.sha256)
    return Job("segment", inputs, card=card, device="cpu", precision=choice.precision, backend=choice.backend)


def _labels(activations: Floats, rule: Decode) -> NDArray[Any]:
    if rule.rule == "argmax":
        return np.asarray(activations.argmax(axis=-1))
    return np.asarray(activations > _threshold(rule))


def _margins(activations: Floats, rule: Decode) -> Floats:
    """How far each voxel is from another label."""
    if rule.rule == "argmax":
        top = np.partition(activations, -2, axis=-1)[..., -2:]
        return np.asarray(top[..., 1] - top[..., 0])
    return cast(Floats, np.abs(activations - np.float32(_threshold(rule))))


def _threshold(rule: Decode) -> float:
    """The rule's threshold as one of the network's own numbers."""
    if rule.activation != "sigmoid":
        return rule.threshold
    return float(np.log(rule.threshold / (1 - rule.threshold)))


def _dice(first: Result, second: Result, segment: str) -> float:
    a, b = first.mask_of(segment), second.mask_of(segment)
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2 * int((a & b).sum()) / total

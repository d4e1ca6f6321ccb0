"""What the section Images shows, decided without Qt: which images a model wants, and what each chosen one is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from MedDLLogic.models.card import InputSpec, ModelCard
from MedDLLogic.scene.facts import Fit, VolumeFacts, facts_together, fits_model

from .i18n import _
from .view import NOTHING, Line

ANY = ""
"""The role of the one selector while no model is chosen."""


@dataclass(frozen=True)
class Seen:
    """A chosen volume: its facts, and the name of the transform that it lies under."""

    facts: VolumeFacts
    transform_name: str = ""


@dataclass(frozen=True)
class InputRow:
    """One selector: the role it is for, what stands above it, and what stands below it."""

    role: str
    label: str
    check: Line


@dataclass(frozen=True)
class InputsView:
    """Everything visible in the section.

    Parameters
    ----------
    missing : what keeps a run from starting, empty when nothing does.
    asks_for_yes : whether the tick box for volumes of different frames of reference is shown.
    """

    rows: tuple[InputRow, ...]
    roi: Line
    missing: str
    asks_for_yes: bool = False


@dataclass(frozen=True)
class Inputs:
    """One moment of the section.

    Parameters
    ----------
    card : the chosen model.
    model : its name, which may be that of a card that is not here.
    seen : role -> the chosen volume; a role without one is left out.
    roi_problem : why the chosen region cannot be used.
    roi_warnings : what a run cannot keep of it.
    allow_other_frame : the user ticked that volumes of different frames of reference lie on each other.
    """

    card: ModelCard | None = None
    model: str = ""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    roi_problem: str = ""
    roi_warnings: tuple[str, ...] = ()
    allow_other_frame: bool = False

    def view(self) -> InputsView:
        """Everything visible at this moment."""
        if self.card is None:
            row = InputRow(ANY, _("Volume:"), _check(self.seen.get(ANY), Fit()))
            return InputsView((row,), self._roi(), self._no_model())
        fits = {role: self._fit(role) for role in self.card.roles}
        rows = tuple(InputRow(s.role, _label(s), _check(self.seen.get(s.role), fits[s.role])) for s in self.card.inputs)
        needs_yes = any(fit.needs_yes for fit in fits.values())
        return InputsView(rows, self._roi(), self._missing(self.card, fits), needs_yes)

    def _roi(self) -> Line:
        if self.roi_problem:
            return Line(self.roi_problem, "error")
        return Line("\n".join(self.roi_warnings), "warning") if self.roi_warnings else NOTHING

    def _no_model(self) -> str:
        if not self.model:
            return _("Choose a model.")
        return _("The model {name} is not on this machine; choose another one.").format(name=self.model)

    def _fit(self, role: str) -> Fit:
        """How the volume of a role goes with the model and with the first volume."""
        if self.card is None or role not in self.seen:
            return Fit()
        spec = next(spec for spec in self.card.inputs if spec.role == role)
        alone = fits_model(self.seen[role].facts, spec)
        first = self.card.roles[0]
        if alone.refusal is not None or role == first or first not in self.seen:
            return alone
        both = facts_together({first: self.seen[first].facts, role: self.seen[role].facts})
        return Fit((*alone.warnings, *both.warnings), both.refusal, both.needs_yes)

    def _missing(self, card: ModelCard, fits: Mapping[str, Fit]) -> str:
        for spec in card.inputs:
            if spec.role not in self.seen:
                return _("Choose a volume: {description}.").format(description=spec.description.rstrip("."))
            refusal = fits[spec.role].refusal
            if refusal is not None:
                return str(refusal)
            if fits[spec.role].needs_yes and not self.allow_other_frame:
                return _("The volumes come from different frames of reference: register them, or tick that they fit.")
        return self.roi_problem


def _label(spec: InputSpec) -> str:
    return _("{description}:").format(description=spec.description.rstrip("."))


def _check(seen: Seen | None, fit: Fit) -> Line:
    """One line on a volume: grid, spacing, modality, transform; and what is to be said of it."""
    if seen is None:
        return NOTHING
    refusal = seen.facts.refusal or fit.refusal
    if refusal is not None or seen.facts.world is None:
        return Line(str(refusal), "error")
    warnings = (*seen.facts.warnings, *fit.warnings)
    return Line("\n".join((_grid_in_words(seen), *warnings)), "warning" if warnings else "done")


def _grid_in_words(seen: Seen) -> str:
    facts, world = seen.facts, seen.facts.world
    if world is None:
        return ""
    i, j, k = world.shape_kji[::-1]
    parts = [_("{i} x {j} x {k} voxels").format(i=i, j=j, k=k)]
    if facts.size_ijk_mm is not None:
        a, b, c = (f"{length:.3g}" for length in world.spacing_ijk_mm)
        parts.append(_("{a} x {b} x {c} mm").format(a=a, b=b, c=c))
    parts.append(_short(facts.modality) or _("modality not known"))
    if facts.transform != "none":
        parts.append(_("under the transform {name}").format(name=seen.transform_name))
    return ", ".join(parts)


def _short(modality: str) -> str:
    return modality[:8]

"""What the readers think of an input: accept, warn and record, or refuse; each finding has a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import CODES, MedDLError
from ..geometry import Geometry
from ..image import Image


@dataclass(frozen=True)
class Finding:
    """One thing found; ``message`` holds numbers and field names, never a path or patient data."""

    code: str
    severity: Literal["warning", "refusal"]
    message: str


@dataclass(frozen=True)
class Verdict:
    """The findings on one input; ``geometry`` is None when it could not be established.

    ``facts`` are plain words for the user, such as ``{"format": "NIfTI-1", "modality": "MR"}``.
    """

    findings: tuple[Finding, ...] = ()
    geometry: Geometry | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> Literal["accept", "warn", "refuse"]:
        """The gravest severity among the findings."""
        if any(finding.severity == "refusal" for finding in self.findings):
            return "refuse"
        return "warn" if self.findings else "accept"


@dataclass(frozen=True)
class ReadImage:
    """An image that was accepted, and the warnings that go into its record."""

    image: Image
    warnings: tuple[Finding, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def finding_of(error: MedDLError) -> Finding:
    """The refusal that an error stands for."""
    what = error.what or CODES[error.code]
    return Finding(error.code, "refusal", " — ".join(part for part in (what, error.why, error.hint) if part))

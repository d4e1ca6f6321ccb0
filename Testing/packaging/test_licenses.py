"""The default path stands on permissive licenses only, whatever the test tools have."""

from __future__ import annotations

import re
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .resolver import requirements

COPYLEFT = re.compile(r"GPL|MPL|EUPL|CDDL|GNU|Mozilla|non-?commercial", re.IGNORECASE)


def test_everything_that_runs_has_a_permissive_license() -> None:
    said = {name: _license(name) for name in _needed(requirements("standalone"))}
    assert {name: text for name, text in said.items() if not text or COPYLEFT.search(text)} == {}


def _needed(lines: list[str]) -> set[str]:
    """Names of the packages that these requirements bring into this environment, and theirs in turn."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += [Requirement(line) for line in metadata.requires(name) or ()]
    return found


def _license(name: str) -> str:
    """SPDX expression, else the classifiers, else the first line of the free text."""
    told = metadata.metadata(name)
    classifiers = [line for line in told.get_all("Classifier", []) if line.startswith("License ::")]
    return told.get("License-Expression") or "; ".join(classifiers) or (told.get("License") or "").partition("\n")[0]

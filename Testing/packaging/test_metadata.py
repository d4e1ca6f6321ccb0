"""What the project says about itself, once in each place, is the same."""

from __future__ import annotations

import re

import MedDLLogic

from .resolver import ROOT


def test_the_citation_has_the_version_of_the_package() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", text, re.MULTILINE) == [MedDLLogic.__version__]

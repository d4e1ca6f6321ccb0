"""``import MedDLLogic`` is light. How many seconds it takes is a matter of the acceptance row import-time."""

from __future__ import annotations

from .light_import import import_once


def test_importing_the_package_brings_nothing_heavy() -> None:
    assert import_once().heavy == ()

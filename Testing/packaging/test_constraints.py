"""constraints.txt: one set of pins for all platforms; pip itself is asked."""

from __future__ import annotations

import pytest

from .resolver import PLATFORMS, PYTHONS, Platform, all_pins, pins, requirements, resolve, unused_pins

PAIRS = [(platform, python) for platform in PLATFORMS for python in PYTHONS]


@pytest.fixture(scope="module", params=[PAIRS[1], PAIRS[2], PAIRS[5]], ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def target(request: pytest.FixtureRequest, package_index: None) -> tuple[Platform, str, dict[str, str]]:
    platform, python = request.param
    return platform, python, resolve(platform, python, requirements("test"))


def test_every_package_that_pip_would_install_has_exactly_its_pin(target) -> None:
    platform, python, installed = target
    expected = pins(platform, python)
    assert {name: expected.get(name) for name in installed} == installed


def test_no_pin_is_left_without_a_package(target) -> None:
    platform, python, installed = target
    assert unused_pins(platform, python, installed) == set()


def test_nothing_brings_torchvision(target) -> None:
    assert "torchvision" not in target[2]


def test_every_pin_names_one_exact_version() -> None:
    loose = [str(pin) for pin in all_pins() if not str(pin.specifier).startswith("==") or "," in str(pin.specifier)]
    assert loose == []


def test_the_packages_slicer_ships_keep_its_versions() -> None:
    own = pins(PLATFORMS[0], "3.12")
    assert {name: own[name] for name in ("numpy", "scipy", "pydicom", "torch")} == {
        "numpy": "2.4.6",
        "scipy": "1.17.1",
        "pydicom": "3.0.2",
        "torch": "2.13.0",
    }

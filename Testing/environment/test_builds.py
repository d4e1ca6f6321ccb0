from __future__ import annotations

import pytest

from MedDLLogic.environment.builds import all_builds, build_named, choose_build
from MedDLLogic.environment.machine import Gpu, Machine
from MedDLLogic.errors import MedDLError


def machine(system="linux", architecture="x86_64", gpus=(), **more):
    return Machine(system, "", architecture, "3.12.10", 16 * 10**9, 10**11, 40, gpus=tuple(gpus), **more)


def card(capability, driver, name="a card"):
    return Gpu(name, driver, 8 * 10**9, capability)


@pytest.mark.parametrize(
    ("capability", "driver", "system", "build"),
    [
        ("8.6", "581.29", "windows", "cu130"),
        ("7.5", "580.65.06", "linux", "cu130"),
        ("8.9", "580.95", "linux", "cu130"),  # code for 8.6 runs there
        ("12.1", "580.95", "linux", "cu130"),
        ("12.0", "572.16", "windows", "cu128"),  # a new card with a driver before CUDA 13
        ("8.6", "551.23", "windows", "cu126"),
        ("8.6", "525.60.13", "linux", "cu126"),
        ("6.1", "581.29", "windows", "cu126"),  # CUDA 13 has no code for Pascal
        ("7.0", "580.95", "linux", "cu126"),
        ("5.2", "535.10", "linux", "cu126"),
        ("3.7", "470.10", "linux", "cpu"),
        ("8.6", "470.10", "linux", "cpu"),
        ("12.0", "551.23", "windows", "cpu"),
    ],
)
def test_the_build_follows_card_and_driver(capability, driver, system, build):
    assert choose_build(machine(system, gpus=[card(capability, driver)])).build.name == build


def test_a_driver_too_old_for_all_is_the_reason_to_compute_on_the_processor():
    assert "update it" in choose_build(machine(gpus=[card("8.6", "470.10")])).reason


def test_without_a_card_it_is_the_processor():
    assert choose_build(machine("windows")).build.name == "cpu"


def test_apple_silicon_has_a_build_of_its_own():
    assert choose_build(machine("macos", "arm64")).build.device == "mps"


def test_slicer_under_rosetta_is_sent_to_an_arm64_python():
    with pytest.raises(MedDLError, match="arm64 Python"):
        choose_build(machine("macos", "x86_64", is_translated=True))


def test_a_system_without_any_build_is_told():
    with pytest.raises(MedDLError) as caught:
        choose_build(machine("windows", "arm64"))
    assert caught.value.code == "E507"


def test_a_build_can_be_chosen_by_name():
    assert choose_build(machine(gpus=[card("8.6", "581.29")]), "cpu").build.name == "cpu"


def test_a_build_by_name_that_the_driver_cannot_run_is_refused():
    with pytest.raises(MedDLError, match="older than 580"):
        choose_build(machine(gpus=[card("8.6", "535.10")]), "cu130")


def test_a_build_by_name_without_code_for_the_card_is_refused():
    with pytest.raises(MedDLError, match=r"capability 6\.1"):
        choose_build(machine(gpus=[card("6.1", "581.29")]), "cu130")


def test_a_cuda_build_can_be_prepared_where_no_card_is_seen():
    assert choose_build(machine(), "cu126").build.name == "cu126"


def test_a_build_of_another_system_is_refused():
    with pytest.raises(MedDLError, match="not made for this system"):
        choose_build(machine(), "apple")


def test_an_unknown_build_is_refused_with_the_names_there_are():
    with pytest.raises(MedDLError, match="cu130"):
        build_named("cu999")


def test_of_two_cards_the_one_that_fits_decides():
    two = [card("3.5", "581.29", "old"), card("8.6", "581.29", "new")]
    assert "new" in choose_build(machine(gpus=two)).reason


def test_every_cuda_build_names_driver_and_capabilities():
    for build in (build for build in all_builds() if build.device == "cuda"):
        assert build.capabilities
        assert set(build.min_driver) == {name.partition("-")[0] for name in build.platforms}

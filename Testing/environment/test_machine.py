from __future__ import annotations

import os
import stat

import pytest

from MedDLLogic.environment import machine
from MedDLLogic.environment.machine import free_bytes, parse_gpus, read_gpus, read_machine
from MedDLLogic.environment.versions import at_least, version_numbers

posix = pytest.mark.skipif(os.name == "nt", reason="a script stands for nvidia-smi")


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Puts a program of that name first on PATH."""

    def put(script):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


def test_a_card_is_read_from_a_line():
    (card,) = parse_gpus("NVIDIA GeForce RTX 3060, 581.29, 12288, 8.6\n")
    assert (card.name, card.driver, card.capability) == ("NVIDIA GeForce RTX 3060", "581.29", "8.6")
    assert card.memory_bytes == 12 * 1024**3


def test_the_largest_card_is_first():
    assert [card.name for card in parse_gpus("a, 580.1, 4096, 8.6\nb, 580.1, 8192, 7.5")] == ["b", "a"]


def test_a_card_that_does_not_tell_its_memory_is_a_card():
    assert parse_gpus("GB10, 580.95.05, [N/A], 12.1")[0].memory_bytes == 0


def test_a_card_that_does_not_tell_its_capability_is_a_card():
    assert parse_gpus("Quadro K600, 391.35, 1024, [N/A]")[0].capability == ""


@posix
def test_cards_are_asked_for(nvidia_smi):
    nvidia_smi("echo 'Tesla T4, 535.104.05, 15360, 7.5'")
    assert read_gpus()[0][0].capability == "7.5"


@posix
def test_an_old_driver_that_does_not_know_capabilities_is_asked_for_less(nvidia_smi):
    nvidia_smi('case "$1" in *compute_cap*) echo "Field is not valid"; exit 2;; esac; echo "Tesla K80, 418.1, 11441"')
    (cards, problem) = read_gpus()
    assert (cards[0].driver, cards[0].capability, problem) == ("418.1", "", "")


@posix
def test_a_driver_that_fails_is_told(nvidia_smi):
    nvidia_smi("exit 9")
    assert read_gpus() == ((), "nvidia-smi ended with 9")


@posix
def test_a_driver_that_hangs_does_not_hang_the_caller(nvidia_smi, monkeypatch):
    monkeypatch.setattr(machine, "NVIDIA_LIMIT_S", 0.2)
    nvidia_smi("exec sleep 60")
    assert read_gpus() == ((), "nvidia-smi did not answer")


def test_this_machine_has_memory_and_room(own_home):
    facts = read_machine()
    assert facts.ram_bytes > 10**8
    assert facts.free_bytes > 0


def test_facts_hold_no_folder_and_no_proxy_address(own_home, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://jane:secret@proxy.example:3128")
    facts = read_machine()
    assert facts.has_proxy
    assert not {"secret", "proxy.example", str(own_home)} & set(str(facts).replace("'", " ").split())


def test_room_is_that_of_the_disk_where_a_folder_will_be(tmp_path):
    assert free_bytes(tmp_path / "not" / "yet") > 0


@pytest.mark.parametrize(
    ("found", "wanted", "enough"),
    [("580.65.06", "580.65", True), ("9.9", "10.0", False), ("2.13.0+cu130", "2.10", True), ("1", "", True)],
)
def test_versions_are_compared_as_numbers(found, wanted, enough):
    assert at_least(found, wanted) is enough


def test_what_is_no_version_has_no_numbers():
    assert version_numbers("unknown") == ()

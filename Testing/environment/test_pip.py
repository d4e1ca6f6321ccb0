"""What pip's own words mean."""

from __future__ import annotations

import os

import pytest

from MedDLLogic.environment.pip import PipProgress, pip_environment, pip_error

SAID = {
    "/usr/bin/python3: No module named pip": "E104",
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device": "E501",
    "OSError: [WinError 112] There is not enough space on the disk": "E501",
    "ERROR: Could not install packages due to an OSError: [WinError 206] The filename or extension is too long": "E503",
    "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'C:\\x'": "E503",
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE": "E506",
    "connection broken by 'NewConnectionError('<x>: Failed to establish a new connection')'": "E506",
    "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]": "E506",
    "connection broken by 'ProxyError('Cannot connect to proxy.'": "E506",
    "ERROR: HTTP error 404 while getting http://jane:secret@host/x": "E506",
    "ERROR: No matching distribution found for torch==2.13.0+cu130": "E506",
    "    The user requested (constraint) monai==1.6.1\nERROR: ResolutionImpossible: see": "E506",
    "ERROR: ResolutionImpossible: see": "E507",
    "something new": "E507",
}


@pytest.mark.parametrize("log", SAID)
def test_a_failure_of_pip_has_its_code(log):
    assert pip_error(log, is_offline=False).code == SAID[log]


@pytest.mark.parametrize("log", SAID)
def test_no_failure_shows_an_address_or_a_path(log):
    assert not {"secret", "C:\\x"} & set(str(pip_error(log, is_offline=False)))


@pytest.mark.parametrize(
    "line", ["No matching distribution found for monai==1.6.1", "The user requested (constraint) monai==1.6.1"]
)
def test_a_missing_wheel_is_named_with_its_version(line):
    assert "monai==1.6.1" in str(pip_error(line, is_offline=True))


def heard(*lines, expected=300):
    progress = PipProgress(expected)
    for line in lines:
        progress.hear(line)
    return progress


def test_bytes_that_arrived_are_the_progress():
    assert heard(
        "  Downloading torch-2.13.0.whl (100 bytes)", "  Downloading b.whl (1 bytes)"
    ).fraction == pytest.approx(1 / 3)


def test_a_pip_that_tells_numbers_is_followed_within_a_file():
    assert heard("  Downloading torch-2.13.0.whl (100 bytes)", "Progress 50 of 100").fraction == pytest.approx(1 / 6)


def test_numbers_are_not_for_people():
    assert not PipProgress(1).hear("Progress 50 of 100")


def test_more_than_was_expected_is_not_the_end():
    assert heard("  Downloading a.whl (900 MB)", "  Downloading b.whl (1 MB)").fraction < 1


def test_installing_is_the_end_of_fetching():
    progress = heard("Installing collected packages: torch, monai")
    assert (progress.is_installing, progress.fraction) == (True, 1.0)


def test_settings_that_send_packages_elsewhere_do_not_count(monkeypatch):
    monkeypatch.setenv("PIP_TARGET", "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    variables = pip_environment()
    assert "PIP_TARGET" not in variables
    assert (variables["PIP_USER"], variables["PIP_INDEX_URL"]) == ("0", "https://mirror.example/simple")


def test_a_folder_of_wheels_is_used_without_the_folders_of_pips_own_settings(monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "elsewhere")
    variables = pip_environment(is_offline=True)
    assert "PIP_FIND_LINKS" not in variables and variables["PIP_CONFIG_FILE"] == os.devnull

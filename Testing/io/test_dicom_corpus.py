"""Every generated series and fault gets its named verdict, the same from judging and from reading."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.dicom import check_dicom, read_dicom
from Testing.io.dicom_build import CANARY, ROOT
from Testing.io.dicom_corpus import Case, cases

CASES = cases()
PLAIN_SERIES = ("CT series", "MR series", "coronal series", "oblique series", "implicit VR", "large end first", "RLE")
MAX_SECONDS = 5.0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_gets_its_verdict_in_time(case: Case, tmp_path: Path):
    start = time.perf_counter()
    path = case.write(tmp_path)
    verdict = check_dicom(path)
    assert time.perf_counter() - start < MAX_SECONDS
    assert (verdict.outcome, verdict.findings[0].code if verdict.findings else "") == (case.outcome, case.code)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reading_agrees_with_judging(case: Case, tmp_path: Path):
    path = case.write(tmp_path)
    if case.outcome == "refuse":
        with pytest.raises(MedDLError) as raised:
            read_dicom(path)
        assert raised.value.code == case.code
        return
    verdict, read = check_dicom(path), read_dicom(path)
    assert (read.image.geometry, read.warnings) == (verdict.geometry, verdict.findings)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_tag_text_leaves_the_reader(case: Case, tmp_path: Path, capfd, caplog):
    verdict = check_dicom(case.write(tmp_path))
    told = f"{verdict.findings} {dict(verdict.facts)} {caplog.text} {''.join(capfd.readouterr())}"
    assert CANARY not in told
    assert "CANARY" not in told
    assert ROOT not in told


@pytest.mark.parametrize("case", [case for case in CASES if case.name in PLAIN_SERIES], ids=lambda case: case.name)
def test_an_accepted_series_is_what_simpleitk_reads(case: Case, tmp_path: Path):
    folder = case.write(tmp_path)
    image = read_dicom(folder).image
    expected = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_array_equal(image.voxels[0], sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(image.geometry.origin_lps_mm, expected.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(image.geometry.spacing_ijk_mm, expected.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(image.geometry.direction.ravel(), expected.GetDirection(), atol=1e-6)


@pytest.mark.parametrize("name", ["enhanced", "deflated", "RLE", "large end first", "modality table", "one slice"])
def test_damaged_bytes_end_in_a_verdict(name: str, tmp_path: Path):
    case = next(case for case in CASES if case.name == name)
    written = case.write(tmp_path)
    file = written if written.is_file() else min(written.iterdir())
    whole, chance = file.read_bytes(), np.random.default_rng(7)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[chance.integers(0, len(whole), 3)] = chance.integers(0, 256, 3)
        file.write_bytes(damaged.tobytes())
        assert check_dicom(written).outcome in ("accept", "warn", "refuse")

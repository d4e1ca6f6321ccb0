"""The grid of an image without its voxels."""

from __future__ import annotations

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.read import check, read_grid
from Testing.io import dicom_corpus
from Testing.io.corpus import CASES

DICOM = [case for case in dicom_corpus.cases() if case.outcome != "refuse"]


@pytest.mark.parametrize("case", [c for c in CASES if not c.expected.startswith("refuse")], ids=lambda case: case.name)
def test_the_grid_of_a_file_is_that_of_its_image(case, tmp_path):
    path = case.write(tmp_path)
    assert read_grid(path) == check(path).geometry


@pytest.mark.parametrize("case", DICOM, ids=lambda case: case.name)
def test_the_grid_of_a_series_is_that_of_its_image(case, tmp_path):
    path = case.write(tmp_path)
    assert read_grid(path) == check(path).geometry


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MedDLError, match="E301"):
        read_grid(tmp_path / "none.nii.gz")

from __future__ import annotations

import time

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.read import check, read_image
from Testing.io.corpus import CASES, Case

EACH_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@EACH_CASE
def test_check_names_the_verdict_in_time(case: Case, tmp_path):
    path = case.write(tmp_path)
    start = time.perf_counter()
    verdict = check(path)
    assert " ".join([verdict.outcome, *(finding.code for finding in verdict.findings)]) == case.expected
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("case", [c for c in CASES if c.expected.startswith("refuse")], ids=lambda case: case.name)
def test_what_check_refuses_cannot_be_read(case: Case, tmp_path):
    path = case.write(tmp_path)
    with pytest.raises(MedDLError) as caught:
        read_image(path)
    assert caught.value.code == check(path).findings[-1].code
    assert len(str(caught.value)) <= 200
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("case", [c for c in CASES if not c.expected.startswith("refuse")], ids=lambda case: case.name)
def test_what_check_accepts_is_read_as_check_says(case: Case, tmp_path):
    path = case.write(tmp_path)
    verdict, found = check(path), read_image(path)
    assert found.warnings == verdict.findings
    assert found.image.geometry == verdict.geometry
    assert found.facts == verdict.facts


def test_the_corpus_is_large_and_its_names_are_unique():
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)

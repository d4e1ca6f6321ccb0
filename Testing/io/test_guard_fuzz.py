from __future__ import annotations

import random
from pathlib import Path

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.read import check, read_image
from Testing.io.corpus import CASES
from Testing.io.fuzz_guard import fuzz, mutated

SMALL = [case for case in CASES if len(case.content()) < 2000 and not case.beside]


def code_of_reading(path: Path) -> str:
    try:
        read_image(path)
    except MedDLError as exc:
        return exc.code
    return "read"


def code_of_check(path: Path) -> str:
    verdict = check(path)
    return verdict.findings[-1].code if verdict.outcome == "refuse" else "read"


def test_damaged_headers_are_refused_by_name_and_at_once():
    outcomes, slowest_s = fuzz(20_000, seed=20261120)
    assert slowest_s < 1
    assert len(outcomes) >= 10
    assert outcomes["accepted"] < sum(outcomes.values()) / 2


@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_are_judged_and_read_alike(seed: int, tmp_path):
    chance = random.Random(seed)
    for _ in range(150):
        case = chance.choice(SMALL)
        path = tmp_path / case.file
        path.write_bytes(mutated(case.content(), chance))
        assert code_of_check(path) == code_of_reading(path)

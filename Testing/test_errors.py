from __future__ import annotations

import importlib
import pickle

import pytest

from MedDLLogic.errors import CODES, MAX_LINE, MedDLError, optional_packages


def test_an_error_is_told_in_one_short_line_however_long_its_parts_are():
    line = str(MedDLError("E303", "header\nnot valid", "x" * 500, "look\tat it"))
    assert len(line) == MAX_LINE
    assert not set("\n\t") & set(line)


def test_an_error_without_words_tells_what_its_code_means():
    assert str(MedDLError("E501", "")) == "MEDDL-E501: disk full"


def test_the_detail_is_never_part_of_the_line():
    assert "secret" not in str(MedDLError("E303", "header", detail="secret"))


def test_a_code_that_is_not_listed_cannot_be_raised():
    with pytest.raises(KeyError):
        MedDLError("E999", "what")


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_exit_status(code):
    assert MedDLError(code, "").exit_status in {2, 3, 4, 5, 6, 7, 70}


@pytest.mark.parametrize(("code", "status"), [("E103", 2), ("E330", 3), ("E401", 4), ("E501", 5), ("E602", 6)])
def test_the_exit_status_tells_the_family(code, status):
    assert MedDLError(code, "").exit_status == status


def test_an_incomplete_batch_and_a_defect_have_their_own_exit_status():
    assert (MedDLError("E605", "").exit_status, MedDLError("E901", "").exit_status) == (7, 70)


def test_an_error_crosses_a_process_border_whole():
    error = pickle.loads(pickle.dumps(MedDLError("E303", "what", "why", "hint", detail="more")))
    assert (str(error), error.detail) == ("MEDDL-E303: what — why — hint", "more")


def test_no_part_of_an_error_steers_a_terminal():
    assert str(MedDLError("E402", "no such segment", "\x1b[2Jx\u202e")) == "MEDDL-E402: no such segment — ?[2Jx?"


def test_a_missing_package_is_named_and_a_missing_module_of_ours_is_a_defect():
    with pytest.raises(MedDLError, match=r"E104.*no_such_package"), optional_packages():
        importlib.import_module("no_such_package")
    with pytest.raises(ModuleNotFoundError), optional_packages():
        importlib.import_module("MedDLLogic.no_such_module")

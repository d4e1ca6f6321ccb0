from __future__ import annotations

import errno

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Failed, Progress
from MedDLLogic.jobs.endings import bounded, ending_of, error_of_exit, error_told, failure

NO_MAPPING = ImportError("libtorch.so: failed to map segment: Cannot allocate memory")


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (MedDLError("E309", "no"), "E309"),
        (MemoryError(), "E502"),
        (OSError(errno.ENOMEM, "x"), "E502"),
        (NO_MAPPING, "E502"),
        (ImportError("broken", name="torch._C"), "E104"),
        (ZeroDivisionError(), "E901"),
    ],
)
def test_whatever_comes_out_of_a_job_becomes_one_line(exc, code):
    event = ending_of("case", exc)
    assert event.code == code and event.message.startswith(f"MEDDL-{code}: ")


def test_a_wish_to_cancel_is_no_failure():
    assert ending_of("case", MedDLError("E602", "cancelled")) == Cancelled("case")


@pytest.mark.parametrize(
    "error",
    [MedDLError("E309", "what", "why", "hint"), MedDLError("E502", ""), MedDLError("E901", "", "why", "x" * 300)],
)
def test_an_error_that_was_told_is_the_same_line_again(error):
    again = error_told(failure("case", error))
    assert (again.code, str(again), again.exit_status) == (error.code, str(error), error.exit_status)


@pytest.mark.parametrize(
    ("exit_code", "log", "code", "word"),
    [
        (-9, "", "E502", "memory"),
        (137, "last words\n", "E502", "memory"),
        (-6, "terminate called\n  what():  std::bad_alloc\n", "E502", "memory"),
        (1, "Traceback\nMemoryError\n\n", "E502", "memory"),
        (1, "OpenBLAS error: Memory allocation still failed after 10 retries, giving up.\n", "E502", "memory"),
        (1, "ModuleNotFoundError: No module named 'torch.nn'\n", "E104", "torch is missing"),
        (-11, "", "E603", "SIGSEGV"),
        (3, "ValueError: x\n", "E603", "exit status 3"),
    ],
)
def test_the_end_of_a_process_is_told_in_plain_words(exit_code, log, code, word):
    error = error_of_exit(exit_code, log)
    assert error.code == code and word in str(error)


def test_an_error_of_a_code_that_is_not_known_is_one_of_the_process():
    assert error_told(Failed("case", "X1", "boom")).code == "E603"


def test_texts_that_were_told_are_cut_to_what_can_be_shown():
    assert bounded(Failed("case", "E901", "two\nlines" + "x" * 900_000)).message == "two lines" + "x" * 191
    assert bounded(Progress("case", "s" * 900_000, 0.5)) == Progress("case", "s" * 80, 0.5)

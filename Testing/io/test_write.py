from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.write import (
    PARTIAL_PREFIX,
    describe,
    differs,
    sweep_partials,
    write_atomically,
    write_bytes,
    write_csv,
    write_text,
)
from MedDLLogic.scratch import ScratchFolder

AWKWARD_NAMES = ["Gehirn-Müller 脳.txt", " two  spaces ", "-rf", "a'b\"c;d|e", "x" * 250, "dots.in.name.tar.gz"]


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    assert len(str(caught.value)) <= 200
    return caught.value.code


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def raise_error(exc: BaseException):
    raise exc


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_file_of_any_name_is_written_and_described(tmp_path, name):
    written = write_text(tmp_path / name, "grüße\n")
    assert (tmp_path / name).read_bytes() == "grüße\n".encode()
    assert written == describe(tmp_path / name)
    assert names_in(tmp_path) == [name]


def test_the_library_that_writes_sees_the_final_name(tmp_path):
    seen = []
    write_atomically(tmp_path / "a.seg.nrrd", lambda p: (seen.append(p.name), p.write_bytes(b"x")), lambda p: None)
    assert seen == ["a.seg.nrrd"]


def test_a_file_that_differs_never_gets_its_final_name(tmp_path):
    target = tmp_path / "a.bin"
    action = lambda: write_atomically(target, lambda p: p.write_bytes(b"x"), lambda p: raise_error(differs("one byte")))
    assert code_of(action) == "E505"
    assert names_in(tmp_path) == []


def test_a_failure_leaves_the_older_file_as_it_was(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    assert code_of(lambda: write_atomically(target, lambda p: p.write_text("new"), lambda p: 1 / 0)) == "E505"
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (RuntimeError("library gave up at /home/someone/x"), "E505"),
        (OSError("encoder error -2"), "E505"),
        (PermissionError(13, "Permission denied"), "E503"),
        (MemoryError(), "E502"),
        (MedDLError("E307", "sheared"), "E307"),
    ],
)
def test_a_foreign_failure_becomes_one_line_without_a_path(tmp_path, exc, code):
    assert code_of(lambda: write_atomically(tmp_path / "a", lambda p: raise_error(exc), lambda p: None)) == code
    assert names_in(tmp_path) == []


def test_a_library_that_wrote_nothing_is_found_out(tmp_path):
    assert code_of(lambda: write_atomically(tmp_path / "a", lambda p: None, lambda p: None)) == "E505"


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", lambda p: (p.write_text("half"), raise_error(KeyboardInterrupt())), id)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("place", ["missing/a", "file/a", "folder", "x" * 300, "folder/" * 700 + "a"])
def test_a_place_that_cannot_be_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    assert code_of(lambda: write_text(tmp_path / place, "x")) == "E503"
    assert names_in(tmp_path) == ["file", "folder"]


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to("precious")
    write_text(tmp_path / "link", "result")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "link").is_symlink()


def test_a_folder_that_vanishes_meanwhile_is_told(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    away = lambda p: (p.parent.rename(tmp_path / "gone"), raise_error(RuntimeError("cannot open")))
    assert code_of(lambda: write_atomically(folder / "a", away, lambda p: None)) == "E503"


def test_what_libraries_print_while_they_write_is_not_shown(tmp_path, capfd):
    write_atomically(
        tmp_path / "a", lambda p: (os.write(2, b"at /home/x"), p.write_text("x")), lambda p: os.write(2, b"after")
    )
    assert capfd.readouterr().err == "after"


def test_a_process_without_a_standard_error_writes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "dup", lambda descriptor: raise_error(OSError(9, "Bad file descriptor")))
    write_text(tmp_path / "a", "x")
    assert names_in(tmp_path) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_a_private_file_is_its_owners_alone(tmp_path):
    write_bytes(tmp_path / "a", b"x", private=True)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_partials_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path):
    stray = tmp_path / f"{PARTIAL_PREFIX}abc"
    stray.mkdir()
    (stray / "brain.nii.gz").write_bytes(b"half")
    with ScratchFolder(tmp_path, PARTIAL_PREFIX) as living:
        assert sweep_partials(tmp_path) == 1
        assert names_in(tmp_path) == [living.name]


def test_sweeping_never_follows_a_link(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / f"{PARTIAL_PREFIX}link").symlink_to(precious, target_is_directory=True)
    sweep_partials(tmp_path)
    assert precious.is_dir()


def test_a_table_reads_back_as_it_was(tmp_path):
    rows = [["segment", "ml"], ['a "b", c\nd', 1612.25], ["e", None], ["f", -1]]
    write_csv(tmp_path / "a.csv", rows)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["segment", "ml"], ['a "b", c\nd', "1612.25"], ["e", ""], ["f", "-1"]]


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@SUM(A1)", "\tx", '=cmd|" /C calc"!A0'])
def test_no_text_of_a_table_runs_in_a_spreadsheet(tmp_path, text):
    write_csv(tmp_path / "a.csv", [[text]])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == [f"'{text}"]

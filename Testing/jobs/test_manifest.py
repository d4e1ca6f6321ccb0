from __future__ import annotations

import hashlib

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.jobs.manifest import (
    MANIFEST_NAME,
    CaseCancelled,
    CaseDone,
    CaseFailed,
    CaseMade,
    CasePlanned,
    CaseStarted,
    FileRecord,
    Manifest,
    Work,
    done_cases,
    parse_history,
    read_history,
)

AT = "2026-11-20T08:00:00+00:00"
WORK = Work("job", "state")


def done(case: str, **contents: bytes) -> CaseDone:
    outputs = {name: FileRecord(hashlib.sha256(text).hexdigest(), len(text)) for name, text in contents.items()}
    return CaseDone(case, WORK.job_sha256, WORK.inputs_state, outputs, {"MedDL": "1"}, ("careful",), 1.5, AT)


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    return caught.value.code


@pytest.fixture
def done_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mask").write_bytes(b"11")
    with Manifest(tmp_path) as manifest:
        manifest.append(CaseStarted("a", AT), done("a", mask=b"11"))
    return tmp_path


def done_in(folder, work=WORK):
    return done_cases(folder, read_history(folder), {"a": work})


def test_lines_come_back_as_they_were(tmp_path):
    lines = (
        CasePlanned("a", AT),
        CaseStarted("a", AT),
        CaseMade("a", {"mask": FileRecord("0" * 64, 3)}),
        done("a", mask=b"x"),
        CaseFailed("b", "E305", "cut short — 3 bytes", AT),
        CaseCancelled("c", AT),
    )
    with Manifest(tmp_path) as manifest:
        for line in lines:
            manifest.append(line)
    assert read_history(tmp_path).lines == lines


def test_a_case_with_its_files_is_done(done_folder):
    assert done_in(done_folder) == {"a"}


def test_a_planned_line_takes_nothing_back(done_folder):
    with Manifest(done_folder) as manifest:
        manifest.append(CasePlanned("a", AT))
    assert done_in(done_folder) == {"a"}


@pytest.mark.parametrize("line", [CaseStarted("a", AT), CaseFailed("a", "E305", "", AT), CaseCancelled("a", AT)])
def test_any_later_line_takes_it_back(done_folder, line):
    with Manifest(done_folder) as manifest:
        manifest.append(line)
    assert done_in(done_folder) == set()


@pytest.mark.parametrize("work", [Work("other", "state"), Work("job", "other")])
def test_other_work_is_not_done(done_folder, work):
    assert done_in(done_folder, work) == set()


@pytest.mark.parametrize("content", [b"12", b"1", b""])
def test_a_changed_file_is_not_done(done_folder, content):
    (done_folder / "a" / "mask").write_bytes(content)
    assert done_in(done_folder) == set()


def test_a_missing_file_is_not_done(done_folder):
    (done_folder / "a" / "mask").unlink()
    assert done_in(done_folder) == set()


@pytest.mark.parametrize("lost_bytes", [1, 5, 40])
def test_a_last_line_cut_short_is_told_and_does_not_count(done_folder, lost_bytes):
    path = done_folder / MANIFEST_NAME
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    assert "cut short" in read_history(done_folder).warnings[0]
    assert done_in(done_folder) == set()


def test_lines_after_a_torn_one_are_whole(done_folder):
    with (done_folder / MANIFEST_NAME).open("ab") as file:
        file.write(b'{"kind":"do')
    with Manifest(done_folder) as manifest:
        manifest.append(CaseCancelled("b", AT))
    history = read_history(done_folder)
    assert history.warnings == ()
    assert history.lines[-1] == CaseCancelled("b", AT)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff", b"{}", b"[]", b'{"kind":"made"}', b'{"kind":"x"}', b"[" * 5000, b'1},{"line":2', b"", b"NaN"],
)
def test_a_line_that_is_none_is_skipped_and_told(done_folder, garbage):
    path = done_folder / MANIFEST_NAME
    path.write_bytes(garbage + b"\n" + path.read_bytes())
    assert done_in(done_folder) == {"a"}
    assert "1 lines" in read_history(done_folder).warnings[0]


def test_a_record_cannot_point_outside_its_folder(done_folder):
    (done_folder / "secret").write_bytes(b"11")
    content = (done_folder / MANIFEST_NAME).read_bytes().replace(b'"mask"', b'"../secret"')
    assert [line.kind for line in parse_history(content).lines] == ["started"]


def test_a_second_run_is_kept_out_until_the_first_ends(tmp_path):
    with Manifest(tmp_path):
        assert code_of(lambda: Manifest(tmp_path)) == "E601"
    Manifest(tmp_path).close()


def test_a_folder_without_a_manifest_has_no_history(tmp_path):
    assert read_history(tmp_path).lines == ()


def test_a_manifest_that_is_a_folder_or_a_link_is_refused(tmp_path):
    (tmp_path / "a" / MANIFEST_NAME).mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / MANIFEST_NAME).symlink_to("../elsewhere")
    assert code_of(lambda: Manifest(tmp_path / "a")) == code_of(lambda: Manifest(tmp_path / "b")) == "E503"
    assert not (tmp_path / "elsewhere").exists()


def test_a_manifest_that_was_removed_is_told(tmp_path):
    with Manifest(tmp_path) as manifest:
        (tmp_path / MANIFEST_NAME).unlink()
        assert code_of(lambda: manifest.append(CaseCancelled("a", AT))) == "E503"

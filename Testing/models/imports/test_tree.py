"""Files of a model are named and read; what could lead elsewhere or grow is refused before a byte of it is used."""

import hashlib
import os
import stat
import zipfile

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports import tree as module
from MedDLLogic.models.imports.tree import Fingerprint, open_tree

from .files import torch_bytes

ESCAPES = ("../x", "a/../../x", "/etc/x", "C:\\x", "..\\x", "\\\\host\\x", "C:x", "a/..")


def make_zip(path, members, kind=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def special(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o644) << 16
    return info


def refusal(path):
    with pytest.raises(MedDLError) as caught:
        open_tree(path)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "configs").mkdir(parents=True)
    (tmp_path / "model" / "configs" / "a.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model" / "b.txt").write_text("words", encoding="utf-8")
    return tmp_path / "model"


def test_a_folder_and_a_zip_of_it_hold_the_same(folder, tmp_path):
    zipped = open_tree(make_zip(tmp_path / "z.zip", [("configs/a.json", "{}"), ("b.txt", "words")]))
    assert zipped.names == open_tree(folder).names == ("b.txt", "configs/a.json")
    assert zipped.text("b.txt") == open_tree(folder).text("b.txt") == "words"


def test_files_are_found_by_their_last_name_and_seen_from_inside_a_folder(folder):
    tree = open_tree(folder)
    assert tree.called("a.json") == ("configs/a.json",)
    assert tree.below("configs").names == ("a.json",)


def test_what_torch_wrote_is_one_file_whatever_it_is_called(tmp_path):
    path = tmp_path / "weights.zip"
    path.write_bytes(torch_bytes({}))
    assert open_tree(path).names == ("weights.zip",)


def test_a_zip_behind_other_bytes_is_not_taken_for_one(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", [("a", "b")]).read_bytes()
    (tmp_path / "two-faces.safetensors").write_bytes(b"\x08\x00" + inner)
    assert open_tree(tmp_path / "two-faces.safetensors").names == ("two-faces.safetensors",)


@pytest.mark.parametrize("name", ESCAPES, ids=repr)
def test_a_name_that_leaves_the_archive_is_refused(tmp_path, name):
    assert "E408" in refusal(make_zip(tmp_path / "slip.zip", [(name, "x")]))


def test_a_name_that_python_would_cut_at_a_zero_byte_is_refused(tmp_path):
    path = make_zip(tmp_path / "zero.zip", [("a|b", "x")])
    path.write_bytes(path.read_bytes().replace(b"a|b", b"a\0b"))
    assert "unsafe name" in refusal(path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK])
def test_a_link_or_device_in_an_archive_is_refused(tmp_path, mode):
    assert "E408" in refusal(make_zip(tmp_path / "link.zip", [(special("a", mode), "/etc/passwd")]))


@pytest.mark.parametrize("target", ["b.txt", "configs", "/etc", "no-such"])
def test_a_link_in_a_folder_is_refused(folder, target):
    (folder / "link").symlink_to(target)
    assert "link" in refusal(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe in a folder is of POSIX")
def test_a_pipe_in_a_folder_is_refused_and_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    assert "pipe" in refusal(folder)


def test_a_name_twice_is_refused_whatever_its_case(tmp_path):
    assert "twice" in refusal(make_zip(tmp_path / "twice.zip", [("a.json", "1"), ("A.json", "2")]))


def test_a_member_that_grows_beyond_reason_is_refused(tmp_path):
    members = [("bomb", bytes(8 << 20))]
    assert "grows" in refusal(make_zip(tmp_path / "bomb.zip", members, zipfile.ZIP_DEFLATED))


def test_files_too_large_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 10)
    assert "together" in refusal(make_zip(tmp_path / "large.zip", [("a", "123456"), ("b", "123456")]))


def test_too_many_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILES", 1)
    assert "too many" in refusal(folder)


def test_an_archive_cut_short_is_refused(tmp_path):
    path = make_zip(tmp_path / "cut.zip", [("a", "b" * 100)])
    path.write_bytes(path.read_bytes()[:-30])
    assert "damaged" in refusal(path)


def test_a_member_with_a_wrong_checksum_is_refused_when_it_is_read(tmp_path):
    path = make_zip(tmp_path / "flipped.zip", [("a", "b" * 100)])
    path.write_bytes(path.read_bytes().replace(b"bbbb", b"bbxb", 1))
    with pytest.raises(MedDLError, match=r"E408"):
        open_tree(path).content("a")


def test_an_encrypted_member_is_refused(tmp_path):
    path = make_zip(tmp_path / "locked.zip", [("a", "b")])
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02") + 8
    path.write_bytes(content[:start] + b"\x01" + content[start + 1 :])
    assert "encrypted" in refusal(path)


def test_a_file_larger_than_the_reader_wants_is_refused(folder):
    with pytest.raises(MedDLError, match=r"E408.*too large"):
        open_tree(folder).content("b.txt", 3)


def test_bytes_that_are_no_text_are_refused_as_text(folder):
    (folder / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MedDLError, match=r"E401"):
        open_tree(folder).text("b.txt")


def test_what_is_not_there_is_told(tmp_path):
    assert "E403" in refusal(tmp_path / "no-such")
    assert "E403" in refusal(tmp_path / "zero\0byte")


def test_the_fingerprint_of_one_file_is_its_own_sha256(folder):
    read = Fingerprint()
    open_tree(folder).watched(read.add).content("b.txt")
    assert read.sha256() == hashlib.sha256(b"words").hexdigest()


def test_the_fingerprint_changes_with_any_file_that_was_read(folder):
    def fingerprint(*names):
        read = Fingerprint()
        for name in names:
            open_tree(folder).watched(read.add).content(name)
        return read.sha256()

    before = fingerprint("b.txt", "configs/a.json")
    assert before == fingerprint("configs/a.json", "b.txt") != fingerprint("b.txt")
    (folder / "b.txt").write_text("other", encoding="utf-8")
    assert fingerprint("b.txt", "configs/a.json") != before

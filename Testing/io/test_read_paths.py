from __future__ import annotations

import os
from pathlib import Path

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.read import check, read_image
from Testing.io.corpus import RAW
from Testing.io.formats import metaimage, nifti, nrrd

DETACHED = {"v.nhdr": nrrd(data_file="v.raw", voxels=b""), "v.mhd": metaimage(ElementDataFile="v.raw", voxels=b"")}
POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes in folders and links need a privilege")
EACH_DETACHED = pytest.mark.parametrize("name", DETACHED)


def code_of(path: Path | str) -> str:
    with pytest.raises(MedDLError) as caught:
        read_image(path)
    assert check(path).findings[-1].code == caught.value.code
    return caught.value.code


@pytest.fixture
def folder_with_header(tmp_path, name: str) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).write_bytes(DETACHED[name])
    return folder


@POSIX
@EACH_DETACHED
def test_a_link_out_of_the_folder_is_refused(folder_with_header: Path, name: str, tmp_path):
    (tmp_path / "secret.raw").write_bytes(RAW)
    (folder_with_header / "v.raw").symlink_to(tmp_path / "secret.raw")
    assert code_of(folder_with_header / name) == "E311"


@POSIX
@EACH_DETACHED
def test_a_link_to_itself_is_refused(folder_with_header: Path, name: str):
    (folder_with_header / "v.raw").symlink_to(folder_with_header / "v.raw")
    assert code_of(folder_with_header / name) in ("E301", "E311")


@POSIX
@EACH_DETACHED
def test_a_link_within_the_folder_is_followed(folder_with_header: Path, name: str):
    (folder_with_header / "true.raw").write_bytes(RAW)
    (folder_with_header / "v.raw").symlink_to("true.raw")
    assert read_image(folder_with_header / name).image.voxels.sum() == sum(range(60))


@POSIX
@EACH_DETACHED
def test_a_pipe_as_data_file_is_never_opened(folder_with_header: Path, name: str):
    os.mkfifo(folder_with_header / "v.raw")
    assert code_of(folder_with_header / name) == "E301"


@EACH_DETACHED
def test_a_subfolder_may_hold_the_voxels(folder_with_header: Path, name: str):
    header = folder_with_header / name
    header.write_bytes(header.read_bytes().replace(b"v.raw", b"sub/v.raw"))
    (folder_with_header / "sub").mkdir()
    (folder_with_header / "sub" / "v.raw").write_bytes(RAW)
    assert check(header).outcome == "accept"


@EACH_DETACHED
def test_a_header_is_found_from_its_own_folder(folder_with_header: Path, name: str, monkeypatch):
    (folder_with_header / "v.raw").write_bytes(RAW)
    monkeypatch.chdir(folder_with_header)
    assert check(name).outcome == "accept"


@pytest.mark.parametrize("name", ["none.nii", "none.png", "none", "n\0ne.nii", "x" * 5000 + ".nii", "x" * 5000, ""])
def test_what_is_not_there_is_not_found(name: str, tmp_path):
    assert code_of(f"{tmp_path}/{name}" if name else "/nowhere") == "E301"


@POSIX
def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "v.nii")
    os.mkfifo(tmp_path / "v.png")
    assert [code_of(tmp_path / "v.nii"), code_of(tmp_path / "v.png")] == ["E301", "E301"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_without_permission_is_named(tmp_path):
    for name in ("v.nii", "v.png"):
        (tmp_path / name).write_bytes(nifti())
        (tmp_path / name).chmod(0)
        assert code_of(tmp_path / name) == "E301"


def test_a_series_cannot_be_chosen_from_a_plain_file(tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti())
    assert check(tmp_path / "v.nii", "1.2.3").findings[0].code == "E101"


@pytest.mark.parametrize("folder", ["Schädel MRT", "脳 画像", "a'b\"c", "-rf", " leading"])
def test_folders_of_any_name_are_read(folder: str, tmp_path):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "v.nii").write_bytes(nifti())
    assert read_image(tmp_path / folder / "v.nii").image.voxels.shape == (1, 3, 4, 5)

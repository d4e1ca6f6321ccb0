from __future__ import annotations

from pathlib import Path

import pytest

from MedDLLogic import storage
from MedDLLogic.errors import MedDLError
from MedDLLogic.scratch import ScratchFolder
from MedDLLogic.storage import (
    EXCHANGE_PREFIX,
    cache_folder,
    exchange_base,
    list_storage,
    models_folder,
    remove_storage,
    settings_folder,
)

FOLDERS = (cache_folder, exchange_base, models_folder, settings_folder)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user whose environment names nothing but a home folder."""
    for name in ("MEDDL_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def fill(folder: Path, size: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(bytes(size))
    return folder


def test_one_variable_moves_everything(home):
    assert all(folder().is_relative_to(home) for folder in FOLDERS)


@pytest.mark.parametrize(
    ("platform", "cache"),
    [("linux", ".cache/meddl"), ("darwin", "Library/Caches/MedDL"), ("win32", "AppData/Local/MedDL/cache")],
)
def test_folders_follow_the_habits_of_the_platform(user, monkeypatch, platform, cache):
    monkeypatch.setattr(storage.sys, "platform", platform)
    assert cache_folder().parent == exchange_base().parent == user / cache
    assert len({folder() for folder in FOLDERS}) == 4


def test_xdg_variables_count_when_absolute(user, monkeypatch):
    monkeypatch.setattr(storage.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user / "my cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert cache_folder().is_relative_to(user / "my cache")
    assert settings_folder().is_relative_to(user / ".config")


def test_a_user_without_a_home_is_told_what_to_set(user, monkeypatch):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(MedDLError, match="MEDDL_HOME"):
        cache_folder()


def test_a_listing_tells_sizes_of_what_is_there(home):
    fill(cache_folder() / "weights" / "x", 100)
    fill(settings_folder(), 5)
    assert {folder.path: folder.size_bytes for folder in list_storage()} == {cache_folder(): 100, settings_folder(): 5}


def test_what_is_listed_can_be_removed(home):
    fill(cache_folder(), 100)
    fill(settings_folder(), 5)
    assert remove_storage([cache_folder()]) == 100
    assert [folder.path for folder in list_storage()] == [settings_folder()]


def test_no_other_folder_can_be_removed(home):
    precious = fill(home / "precious", 1)
    with pytest.raises(MedDLError) as caught:
        remove_storage([precious])
    assert caught.value.code == "E101"
    assert precious.is_dir()


def test_a_link_out_of_a_folder_is_not_followed(home):
    precious = fill(home / "precious", 1)
    fill(cache_folder(), 3)
    (cache_folder() / "link").symlink_to(precious, target_is_directory=True)
    remove_storage([cache_folder()])
    assert (precious / "file").exists()


def test_images_of_a_running_process_stay(home):
    stray = fill(exchange_base() / f"{EXCHANGE_PREFIX}dead", 10)
    with ScratchFolder(exchange_base(), EXCHANGE_PREFIX) as living:
        remove_storage([exchange_base()])
        assert living.is_dir()
        assert not stray.exists()


def test_a_home_that_nobody_may_look_into_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDL_HOME", str(tmp_path / ("x" * 300)))
    with pytest.raises(MedDLError, match=r"E503.*MEDDL_HOME") as caught:
        list_storage()
    assert str(tmp_path) not in str(caught.value)

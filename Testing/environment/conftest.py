from __future__ import annotations

import shutil

import pytest

from . import tiny


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory):
    """Wheels of the tiny stack."""
    return tiny.make_wheelhouse(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def installed_once(tmp_path_factory, wheelhouse):
    """A home with the tiny stack installed, for copies."""
    home = tmp_path_factory.mktemp("installed") / "home"
    told = tiny.run(home, "install", "--wheelhouse", str(wheelhouse), stack=tiny.tiny_stack())
    assert told.end.kind == "finished", told.log
    return home


@pytest.fixture
def home(tmp_path):
    """A home where nothing is installed."""
    return tmp_path / "home"


@pytest.fixture
def installed(installed_once, home):
    """A home with the tiny stack installed, to be broken."""
    shutil.copytree(installed_once, home)
    return home

"""A network of a package that the user installed is used by its name; a model's file can only name it."""

import json
import sys

import pytest
from safetensors.torch import save_file

from MedDLLogic.cli import run
from MedDLLogic.errors import MedDLError
from MedDLLogic.models.loaders import load_network
from MedDLLogic.models.networks import architectures, build_network
from MedDLLogic.models.plugins import Plugin, installed_plugins
from MedDLLogic.models.registry import find_card
from MedDLLogic.models.store import weights_file

CODE = """
import torch

class TinyNet(torch.nn.Module):
    def __init__(self, in_channels: int = 1, out_channels: int = 2):
        super().__init__()
        self.only = torch.nn.Conv3d(in_channels, out_channels, 3, padding=1)

    def forward(self, image):
        return self.only(image)

number = 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """``install("tiny_net:TinyNet")`` puts a package with that entry point onto the path."""

    def put(value, package="tiny-net", code=CODE):
        folder = tmp_path / package
        info = folder / f"{package.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[meddl.networks]\ntiny = {value}\n")
        (folder / f"{value.partition(':')[0]}.py").write_text(code)
        monkeypatch.syspath_prepend(folder)

    yield put
    for name in [name for name in sys.modules if name.startswith("tiny_net")]:
        del sys.modules[name]


def test_an_installed_network_is_listed_with_its_package(install):
    install("tiny_net:TinyNet")
    assert installed_plugins() == (Plugin("plugin.tiny", "tiny-net", "1.2"),)
    assert "plugin.tiny" in architectures() and "tiny_net" not in sys.modules


def test_weights_fill_it_and_it_becomes_a_model(install, own_home, tmp_path):
    install("tiny_net:TinyNet")
    save_file(build_network("plugin.tiny", {}).state_dict(), str(tmp_path / "tiny.safetensors"))
    add = ["models", "add", str(tmp_path / "tiny.safetensors"), "--network", "plugin.tiny", "--yes"]
    assert run([*add, "--parameters", json.dumps({"in_channels": 1})]) == 0
    found = find_card("tiny")
    (stage,) = found.card.network_stages
    network = load_network(stage, weights_file(found, stage), model="tiny", is_trusted=False)
    assert type(network).__name__ == "TinyNet"


def test_a_network_that_nobody_installed_is_refused():
    with pytest.raises(MedDLError, match=r"E401.*install the package"):
        build_network("plugin.nowhere", {})


def test_parameters_that_it_does_not_take_are_refused(install):
    install("tiny_net:TinyNet")
    with pytest.raises(MedDLError, match=r"E401.*no_such"):
        build_network("plugin.tiny", {"no_such": 1})


def test_a_package_that_does_not_import_is_one_line(install):
    install("tiny_net_broken:TinyNet", code="raise RuntimeError('broken')")
    with pytest.raises(MedDLError, match=r"E401.*does not import: RuntimeError"):
        build_network("plugin.tiny", {})


def test_what_is_no_class_is_refused(install):
    install("tiny_net:number")
    with pytest.raises(MedDLError, match=r"E401.*makes no network"):
        build_network("plugin.tiny", {})


def test_two_packages_of_one_name_are_refused(install):
    install("tiny_net:TinyNet")
    install("tiny_net_too:TinyNet", "tiny-net-too")
    with pytest.raises(MedDLError, match=r"E401.*tiny-net, tiny-net-too"):
        build_network("plugin.tiny", {})


def test_a_card_can_only_name_what_is_installed(install, tmp_path):
    """The same module beside a card, without an entry point, is no network."""
    (tmp_path / "tiny_net.py").write_text(CODE)
    with pytest.raises(MedDLError, match=r"E401"):
        build_network("plugin.tiny_net:TinyNet", {})

"""TorchScript becomes a card without being loaded, and runs only after a yes."""

import zipfile

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.importing import import_model

from .files import script_bytes, torch_bytes, unet, with_turned_bit


class Planes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.first(image)


def imported(tmp_path, network, name="net.pt"):
    (tmp_path / name).write_bytes(script_bytes(network))
    return import_model(tmp_path / name)


def test_channels_are_read_from_the_sizes_of_the_weights(tmp_path):
    foreign = imported(tmp_path, unet())
    assert len(foreign.card.inputs) == 2 and len(foreign.card.network_stages[0].decode.channels) == 3
    assert any("models trust net" in note for note in foreign.notes)


def test_a_network_of_planes_is_known_by_its_kernels(tmp_path):
    card = imported(tmp_path, Planes()).card
    assert card.network_stages[0].network.dimensions == 2 and len(card.inputs) == 3


def test_the_program_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("the program was loaded"))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the program was unpickled"))
    assert imported(tmp_path, unet()).card.network_stages[0].network.format == "torchscript"


def test_a_program_called_safetensors_is_a_program_all_the_same(tmp_path):
    assert imported(tmp_path, unet(), "net.safetensors").card.network_stages[0].network.format == "torchscript"


def test_a_program_without_kernels_is_refused(tmp_path):
    with pytest.raises(MedDLError, match=r"E407.*no convolution"):
        imported(tmp_path, torch.nn.ReLU())


def test_a_damaged_program_is_refused(tmp_path):
    (tmp_path / "net.pt").write_bytes(with_turned_bit(script_bytes(unet()), seed=1))
    with pytest.raises(MedDLError, match=r"E406"):
        import_model(tmp_path / "net.pt")


def test_a_table_that_is_no_pickle_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", b"\xff\xfe not a pickle")
        archive.writestr("net/constants.pkl", b"")
    with pytest.raises(MedDLError, match=r"E406"):
        import_model(tmp_path / "net.pt")


def test_weights_are_no_program(tmp_path):
    (tmp_path / "net.pt").write_bytes(torch_bytes(unet().state_dict()))
    with pytest.raises(MedDLError, match=r"E407.*--network"):
        import_model(tmp_path / "net.pt")

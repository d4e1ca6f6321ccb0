"""Weights alone fill the network that the user names, strictly, whatever the file is called."""

import pytest
from safetensors.torch import load, save

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.importing import import_model

from .files import UNET, script_bytes, torch_bytes, unet


def imported(tmp_path, content, file_name="net.pt", network="monai.UNet", **changes):
    (tmp_path / file_name).write_bytes(content)
    return import_model(tmp_path / file_name, network=network, parameters=UNET | changes)


def state():
    return unet().state_dict()


@pytest.mark.parametrize("file_name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("write", [torch_bytes, save])
def test_the_content_decides_and_not_the_name(tmp_path, write, file_name):
    foreign = imported(tmp_path, write(state()), file_name)
    written = load(foreign.files["weights.safetensors"])
    assert all((written[key] == value).all() for key, value in state().items())
    assert foreign.card.network_stages[0].network.architecture == "monai.UNet"


def test_weights_of_before_torchs_archives_are_read(tmp_path):
    foreign = imported(tmp_path, torch_bytes(state(), _use_new_zipfile_serialization=False))
    assert len(load(foreign.files["weights.safetensors"])) == len(state())


def test_channels_are_those_of_the_parameters(tmp_path):
    card = imported(tmp_path, save(state())).card
    assert len(card.inputs) == 2 and len(card.network_stages[0].decode.channels) == 3


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "net"])
def test_weights_are_found_in_a_checkpoint(tmp_path, wrapper):
    foreign = imported(tmp_path, torch_bytes({wrapper: state(), "epoch": 3, "loss": 0.5}))
    assert len(load(foreign.files["weights.safetensors"])) == len(state())


def test_a_name_before_all_weights_is_taken_off_and_told(tmp_path):
    foreign = imported(tmp_path, torch_bytes({f"module.{key}": value for key, value in state().items()}))
    assert "module." in foreign.notes[0]


def test_a_network_of_planes(tmp_path):
    content = save(unet(spatial_dims=2).state_dict())
    (stage,) = imported(tmp_path, content, spatial_dims=2).card.network_stages
    assert stage.network.dimensions == 2 and stage.tiling.patch_kji == (1, 256, 256)


@pytest.mark.parametrize(
    ("network", "changes", "code"),
    [
        ("monai.UNet", {"channels": [8, 16]}, "E406"),
        ("monai.SegResNet", {}, "E401"),
        ("monai.UNet", {"no_such": 1}, "E401"),
        ("os.system", {}, "E401"),
        ("monai.UNet", {"channels": [1 << 40]}, "E401"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, network, changes, code):
    with pytest.raises(MedDLError) as caught:
        imported(tmp_path, save(state()), network=network, **changes)
    assert caught.value.code == code


def test_a_program_is_not_taken_for_weights(tmp_path):
    with pytest.raises(MedDLError, match=r"E405"):
        imported(tmp_path, script_bytes(unet()))


def test_weights_without_a_network_say_how_to_name_it(tmp_path):
    (tmp_path / "net.bin").write_bytes(save(state()))
    with pytest.raises(MedDLError, match=r"E407.*safetensors.*--network"):
        import_model(tmp_path / "net.bin")


def test_something_else_is_not_taken_for_weights(tmp_path):
    with pytest.raises(MedDLError, match=r"E407.*HDF5"):
        imported(tmp_path, b"\x89HDF\r\n\x1a\n" + bytes(100))

"""Weights are read as data: hashed, told apart by content, filled strictly; programs only after a yes."""

import io
import pickle
import zipfile
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import LocalFile, Weights
from MedDLLogic.models.loaders import load_network
from MedDLLogic.models.registry import read_card
from MedDLLogic.models.vnet_film import VNetFilm

from ..small_models import UNET, local_weights, make_bright_card, make_unet_card


def stage_of(card_path):
    return read_card(card_path).card.network_stages[0]


def with_file(stage, path, **network):
    found = local_weights(path)
    weights = Weights(LocalFile(path.name), found["sha256"], found["size_bytes"])
    return replace(stage, weights=weights, network=replace(stage.network, **network))


def refusal(stage, path, *, is_trusted=False):
    with pytest.raises(MedDLError) as caught:
        load_network(stage, path, model="m", is_trusted=is_trusted)
    return caught.value.code


@pytest.fixture
def unet_stage(tmp_path):
    return stage_of(make_unet_card(tmp_path)), tmp_path / "two-channels.safetensors"


def test_safetensors_fill_the_network_that_the_card_names(unet_stage):
    network = load_network(*unet_stage, model="m", is_trusted=False)
    assert not network.training
    assert network(torch.zeros(1, 2, 16, 16, 16)).shape == (1, 3, 16, 16, 16)


def test_a_changed_byte_is_noticed(unet_stage):
    stage, path = unet_stage
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refusal(stage, path) == "E404"


def test_a_state_dict_is_read_whatever_its_name_says(unet_stage, tmp_path):
    stage, path = unet_stage
    tensors = load_network(stage, path, model="m", is_trusted=False).state_dict()
    disguised = tmp_path / "weights.safetensors"
    torch.save({"state_dict": tensors}, disguised)
    loaded = load_network(with_file(stage, disguised, format="state_dict"), disguised, model="m", is_trusted=False)
    assert all(torch.equal(loaded.state_dict()[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("change", ["missing", "unknown", "misshapen"])
def test_weights_that_do_not_fit_are_refused(unet_stage, tmp_path, change):
    stage, path = unet_stage
    tensors = dict(load_network(stage, path, model="m", is_trusted=False).state_dict())
    first = next(iter(tensors))
    if change == "missing":
        del tensors[first]
    elif change == "unknown":
        tensors["more"] = torch.zeros(1)
    else:
        tensors[first] = torch.zeros(1)
    other = tmp_path / "other.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, str(other))
    assert refusal(with_file(stage, other), other) == "E406"


def test_torchscript_does_not_run_without_a_yes(tmp_path):
    stage = stage_of(make_bright_card(tmp_path))
    assert refusal(stage, tmp_path / "bright.ts") == "E405"


def test_torchscript_runs_after_a_yes(tmp_path):
    stage = stage_of(make_bright_card(tmp_path))
    network = load_network(stage, tmp_path / "bright.ts", model="m", is_trusted=True)
    assert network(torch.full((1, 1, 2, 2, 2), 0.25))[0, 1].mean() == 0.25


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("wrap", ["plain pickle", "torch zip"])
def test_a_pickle_with_code_is_refused_and_its_code_does_not_run(unet_stage, tmp_path, wrap):
    stage, _ = unet_stage
    canary, hostile = tmp_path / "canary", tmp_path / "hostile.pt"
    if wrap == "plain pickle":
        hostile.write_bytes(pickle.dumps(_Canary(canary)))
    else:
        torch.save({"state_dict": _Canary(canary)}, hostile)
    assert refusal(with_file(stage, hostile, format="state_dict"), hostile) in ("E405", "E407")
    assert not canary.exists()


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04garbage", b"\x10" + bytes(7) + b"{not json}......"])
def test_garbage_is_refused(unet_stage, tmp_path, content):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(content)
    assert refusal(with_file(unet_stage[0], garbage), garbage) in ("E406", "E407")


def test_a_zip_of_something_else_is_refused(unet_stage, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    path = tmp_path / "else.pt"
    path.write_bytes(buffer.getvalue())
    assert refusal(with_file(unet_stage[0], path), path) in ("E405", "E406", "E407")


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("monai.Nothing", {}),
        ("os.system", {}),
        ("monai.UNet", UNET | {"more": 1}),
        ("monai.UNet", UNET | {"channels": (4,)}),
    ],
)
def test_an_architecture_outside_the_allow_list_or_with_wrong_parameters_is_refused(
    unet_stage, architecture, parameters
):
    stage, path = unet_stage
    network = replace(stage.network, architecture=architecture, parameters=parameters)
    assert refusal(replace(stage, network=network), path) == "E401"


def test_the_spacing_aware_network_depends_on_the_spacing():
    torch.manual_seed(0)
    network = VNetFilm(base_channels=2).eval()
    image = torch.rand(1, 1, 16, 16, 32)
    with torch.inference_mode():
        fine, coarse = (network(image, torch.tensor([[mm, mm, mm]])) for mm in (1.0, 3.0))
    assert fine.shape == (1, 4, 16, 16, 32)
    assert not torch.allclose(fine, coarse)


def test_a_file_of_another_size_is_refused_without_reading_all_of_it(unet_stage):
    stage, path = unet_stage
    with path.open("ab") as file:
        file.truncate(1 << 40)  # more than any memory; takes no room on the disk
    assert refusal(stage, path) == "E404"


@pytest.mark.parametrize("name", ["archive/data.pkl", "archive/constants.pkl"])
def test_an_archive_that_grows_when_read_is_refused(unet_stage, tmp_path, name):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as file:
        for _ in range(80):
            file.write(bytes(1 << 20))
    assert refusal(with_file(unet_stage[0], path, format="state_dict"), path) == "E408"


@pytest.mark.parametrize("change", [{"channels": (10**6, 10**6)}, {"strides": (2,) * 1000}, {"act": "x" * 1000}])
def test_a_network_that_would_take_all_memory_is_not_built(unet_stage, change):
    stage, path = unet_stage
    network = replace(stage.network, parameters=UNET | change)
    assert refusal(replace(stage, network=network), path) == "E401"

"""The torch engine: progress within a patch, cancel inside TorchScript, errors in one line."""

import numpy as np
import pytest
import torch
from torch import nn

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.tiles import predict_volume
from MedDLLogic.inference.torch_backend import TorchPredictor
from MedDLLogic.models.card import Network, Tiling

NETWORK = Network("torchscript")
IMAGE = np.random.default_rng(0).random((1, 40, 36, 44), dtype=np.float32)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv3d(1, 4, 3, padding=1)
        self.up = nn.ConvTranspose3d(4, 2, 1)

    def forward(self, image):
        return self.up(self.down(image))


@pytest.fixture(params=["eager", "torchscript"])
def predictor(request):
    torch.manual_seed(1)
    network = Layers().eval()
    if request.param == "torchscript":
        network = torch.jit.trace(network, torch.zeros(1, 1, 8, 8, 8))
    return TorchPredictor(network, NETWORK, "cpu")


def test_progress_grows_within_one_large_patch(predictor):
    told = []
    batch = torch.zeros(1, 1, 80, 64, 72)
    predictor.predict(batch, {}, told.append)
    assert len(told) == 2 and 0 < told[0] < told[1] == pytest.approx(1.0)


def test_a_stop_inside_the_network_comes_out_as_it_went_in(predictor):
    def stop(fraction):
        raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match="E602"):
        predictor.predict(torch.zeros(1, 1, 8, 8, 8), {}, stop)


def test_patches_blended_by_weights_give_what_the_whole_gives(predictor):
    whole = predict_volume(predictor, IMAGE, {}, Tiling(), lambda part: None)
    patches = predict_volume(predictor, IMAGE, {}, Tiling((24, 24, 24), 0.5), lambda part: None)
    inner = (slice(None), slice(2, -2), slice(2, -2), slice(2, -2))
    # Zeros around a patch touch its outermost voxel, which the blending weights least.
    assert np.abs(whole[inner] - patches[inner]).mean() < 0.02


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("patch_kji", [(16, 16, 16), (64, 16, 40)])
def test_the_share_of_patches_done_ends_at_one(predictor, patch_kji, overlap):
    told = []
    predict_volume(predictor, IMAGE, {}, Tiling(patch_kji, overlap), told.append)
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)


def test_activations_that_are_no_numbers_are_refused():
    class Broken(nn.Module):
        def forward(self, image):
            return image / 0 - image / 0

    predictor = TorchPredictor(Broken(), NETWORK, "cpu")
    with pytest.raises(MedDLError, match="E606"):
        predict_volume(predictor, IMAGE, {}, Tiling(), lambda part: None)


def test_an_image_that_the_network_does_not_take_is_told_in_one_line(predictor):
    with pytest.raises(MedDLError, match="E406") as caught:
        predictor.predict(torch.zeros(1, 3, 8, 8, 8), {}, lambda part: None)
    assert "\n" not in str(caught.value)


def test_too_little_memory_has_its_own_code():
    class Huge(nn.Module):
        def forward(self, image):
            return torch.empty(1 << 50)

    with pytest.raises(MedDLError, match="E502"):
        TorchPredictor(Huge(), NETWORK, "cpu").predict(torch.zeros(1, 1, 2, 2, 2), {}, lambda part: None)


class Hungry(nn.Module):
    def forward(self, image):
        return image[:, :1].expand(1, 1, 1 << 20, 1 << 20, 1 << 20) + 1


def test_too_little_memory_inside_torchscript_is_not_taken_for_a_wrong_image():
    network = TorchPredictor(torch.jit.script(Hungry()), NETWORK, "cpu")
    with pytest.raises(MedDLError, match="E502"):
        network.predict(torch.zeros(1, 1, 1, 1, 1), {}, lambda part: None)


def test_an_interrupt_inside_the_network_stays_one(predictor):
    def interrupt(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor.predict(torch.zeros(1, 1, 8, 8, 8), {}, interrupt)


class OneSizeOnly(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv3d(1, 2, 1)

    def forward(self, image):
        if image.shape[2] != 70:
            raise ValueError("70 or nothing")
        return self.layer(image)


def test_a_network_for_one_size_alone_runs_without_progress_within_the_patch():
    told = []
    found = TorchPredictor(OneSizeOnly(), NETWORK, "cpu").predict(torch.zeros(1, 1, 70, 70, 70), {}, told.append)
    assert found.shape[1] == 2 and told == [0.0]


def test_whatever_a_network_raises_at_a_size_it_does_not_take_has_a_code():
    with pytest.raises(MedDLError, match="E406"):
        TorchPredictor(OneSizeOnly(), NETWORK, "cpu").predict(torch.zeros(1, 1, 8, 8, 8), {}, lambda part: None)

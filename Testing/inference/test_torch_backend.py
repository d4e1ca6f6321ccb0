"""The torch engine: progress within a patch, cancel inside TorchScript, errors in one line."""

import numpy as np
import pytest
import torch
from torch import nn

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.device import set_seed
from MedDLLogic.inference.torch_backend import TorchPredictor
from MedDLLogic.inference.windows import weights
from MedDLLogic.models.card import Network

from .networks import PLANES, ignore, patch

NETWORK = Network("torchscript")


def zeros(*shape):
    return np.zeros(shape, dtype=np.float32)


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
    predictor.predict(zeros(1, 80, 64, 72), {}, told.append)
    assert len(told) == 2 and 0 < told[0] < told[1] == pytest.approx(1.0)


def test_a_stop_inside_the_network_comes_out_as_it_went_in(predictor):
    def stop(fraction):
        raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match="E602"):
        predictor.predict(zeros(1, 8, 8, 8), {}, stop)


def test_activations_come_channels_last_and_as_the_network_gives_them(predictor):
    voxels = patch((6, 7, 8))
    found = predictor.predict(voxels, {}, ignore)
    expected = predictor._module(torch.from_numpy(voxels)[None])[0].permute(1, 2, 3, 0)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert np.array_equal(found, expected.detach().numpy())


def test_blended_activations_are_multiplied_with_the_weights(predictor):
    plain, blended = (predictor.predict(patch((6, 7, 8)), {}, ignore, blend).copy() for blend in (None, "gaussian"))
    assert np.array_equal(blended, plain * weights((6, 7, 8), "gaussian")[..., None])


def test_a_network_of_planes_gives_a_volume_of_one_plane():
    found = TorchPredictor(nn.Conv2d(1, 3, 1).eval(), PLANES).predict(patch((1, 7, 8)), {}, ignore)
    assert found.shape == (1, 7, 8, 3)


def test_voxels_that_nobody_may_write_to_are_not_changed():
    class InPlace(nn.Module):
        def forward(self, image):
            return image.mul_(2)

    voxels = patch((4, 4, 4))
    voxels.flags.writeable = False
    TorchPredictor(InPlace(), NETWORK).predict(voxels, {}, ignore)
    assert np.array_equal(voxels, patch((4, 4, 4)))


class Random(nn.Module):
    def forward(self, image):
        return image + torch.rand(1)


def test_random_numbers_start_from_the_seed():
    set_seed(5)
    predictor = TorchPredictor(Random(), NETWORK)
    first = predictor.predict(zeros(1, 2, 2, 2), {}, ignore).copy()
    set_seed(5)
    assert np.array_equal(predictor.predict(zeros(1, 2, 2, 2), {}, ignore), first)


def test_a_network_that_gives_no_volume_is_told_in_one_line():
    class Pair(nn.Module):
        def forward(self, image):
            return image, image

    with pytest.raises(MedDLError, match="E406"):
        TorchPredictor(Pair(), NETWORK).predict(zeros(1, 2, 2, 2), {}, ignore)


def test_an_image_that_the_network_does_not_take_is_told_in_one_line(predictor):
    with pytest.raises(MedDLError, match="E406") as caught:
        predictor.predict(zeros(3, 8, 8, 8), {}, ignore)
    assert "\n" not in str(caught.value)


def test_too_little_memory_has_its_own_code():
    class Huge(nn.Module):
        def forward(self, image):
            return torch.empty(1 << 50)

    with pytest.raises(MedDLError, match="E502"):
        TorchPredictor(Huge(), NETWORK, "cpu").predict(zeros(1, 2, 2, 2), {}, ignore)


class Hungry(nn.Module):
    def forward(self, image):
        return image[:, :1].expand(1, 1, 1 << 20, 1 << 20, 1 << 20) + 1


def test_too_little_memory_inside_torchscript_is_not_taken_for_a_wrong_image():
    network = TorchPredictor(torch.jit.script(Hungry()), NETWORK, "cpu")
    with pytest.raises(MedDLError, match="E502"):
        network.predict(zeros(1, 1, 1, 1), {}, ignore)


def test_an_interrupt_inside_the_network_stays_one(predictor):
    def interrupt(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor.predict(zeros(1, 8, 8, 8), {}, interrupt)


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
    found = TorchPredictor(OneSizeOnly(), NETWORK, "cpu").predict(zeros(1, 70, 70, 70), {}, told.append)
    assert found.shape[-1] == 2 and told == [0.0]


def test_whatever_a_network_raises_at_a_size_it_does_not_take_has_a_code():
    with pytest.raises(MedDLError, match="E406"):
        TorchPredictor(OneSizeOnly(), NETWORK, "cpu").predict(zeros(1, 8, 8, 8), {}, ignore)

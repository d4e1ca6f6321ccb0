"""ONNX Runtime: torch's numbers, cancelled within a patch, errors in one line."""

import numpy as np
import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import polling
from MedDLLogic.inference.graph_export import relative_error
from MedDLLogic.inference.onnx_backend import OnnxPredictor
from MedDLLogic.inference.torch_backend import TorchPredictor

from .networks import PLANES, VOLUMES, graph, ignore, patch, unet

LARGE = (64, 64, 64)


def on_onnx(content, network=VOLUMES):
    return OnnxPredictor(lambda shape: content, network)


@pytest.mark.parametrize("blend", [None, "constant", "gaussian"])
def test_activations_are_those_of_torch(blend):
    expected = TorchPredictor(unet(), VOLUMES).predict(patch(), {}, ignore, blend)
    found = on_onnx(graph()).predict(patch(), {}, ignore, blend)
    assert found.dtype == np.float32 and found.flags.c_contiguous and relative_error(expected, found) < 1e-5


def test_a_network_of_planes_gives_a_volume_of_one_plane():
    shape = (1, 24, 32)
    expected = TorchPredictor(unet(2), PLANES).predict(patch(shape), {}, ignore)
    found = on_onnx(graph(shape, 2), PLANES).predict(patch(shape), {}, ignore)
    assert found.shape == (1, 24, 32, 3) and relative_error(expected, found) < 1e-5


def test_a_cancelled_patch_ends_and_the_next_one_is_right(monkeypatch):
    monkeypatch.setattr(polling, "POLL_S", 1e-4)
    predictor = on_onnx(graph(LARGE))
    expected = predictor.predict(patch(LARGE), {}, ignore).copy()

    def stop(fraction):
        raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match="E602"):
        predictor.predict(patch(LARGE), {}, stop)
    assert relative_error(expected, predictor.predict(patch(LARGE), {}, ignore)) < 1e-6


def test_an_image_that_the_network_does_not_take_is_told_in_one_line():
    with pytest.raises(MedDLError, match="E406") as caught:
        on_onnx(graph()).predict(patch(channels=2), {}, ignore)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_graph_are_told_in_one_line():
    with pytest.raises(MedDLError, match="E407"):
        on_onnx(b"no graph").predict(patch(), {}, ignore)

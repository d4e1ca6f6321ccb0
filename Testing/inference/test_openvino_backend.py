"""The OpenVINO engine: torch's numbers, the same for any number of threads, cancelled within a patch, and silent."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import polling
from MedDLLogic.inference.graph_export import export_for, relative_error
from MedDLLogic.inference.openvino_backend import read_graph
from MedDLLogic.inference.openvino_graph import steady
from MedDLLogic.inference.openvino_narrow import widen
from MedDLLogic.inference.precision import has_bf16
from MedDLLogic.inference.torch_backend import TorchPredictor
from MedDLLogic.inference.windows import weights

from .networks import PLANES, VOLUMES, graph, ignore, on_openvino, patch, unet

LARGE = (64, 64, 64)
PRECISIONS = [
    "exact",
    pytest.param("fast", marks=pytest.mark.skipif(not has_bf16(), reason="a processor without bfloat16")),
]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_activations_are_those_of_torch(precision):
    expected = TorchPredictor(unet(), VOLUMES).predict(patch(), {}, ignore)
    found = on_openvino(graph(), precision=precision).predict(patch(), {}, ignore)
    error = relative_error(expected, found)
    assert found.dtype == np.float32 and found.flags.c_contiguous and error < {"exact": 1e-5, "fast": 2e-2}[precision]


def test_a_network_of_planes_gives_a_volume_of_one_plane():
    shape = (1, 24, 32)
    expected = TorchPredictor(unet(2), PLANES).predict(patch(shape), {}, ignore)
    found = on_openvino(graph(shape, 2), PLANES).predict(patch(shape), {}, ignore)
    assert found.shape == (1, 24, 32, 3) and relative_error(expected, found) < 1e-5


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_are_multiplied_in_single_precision(precision):
    predictor = on_openvino(graph(), precision=precision)
    plain = predictor.predict(patch(), {}, ignore).copy()
    blended = predictor.predict(patch(), {}, ignore, "gaussian")
    assert np.allclose(blended, plain * weights(patch().shape[1:], "gaussian")[..., None], rtol=1e-2, atol=1e-6)
    assert (blended.view(np.uint32) & 0xFFFF).any()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_number_of_threads_changes_no_bit(precision, monkeypatch):
    found = set()
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("MEDDL_THREADS", threads)
        found |= {on_openvino(graph(), precision=precision).predict(patch(), {}, ignore).tobytes() for _ in range(2)}
    assert len(found) == 1


def test_no_norm_is_left_whose_sum_threads_would_divide():
    model = read_graph(graph())
    model.reshape([1, 1, *patch().shape[1:]])
    assert steady(model) > 0
    assert "MVN" not in {node.get_type_name() for node in model.get_ordered_ops()}


@pytest.mark.parametrize(("dimensions", "size", "count"), [(3, (8, 9, 12), 1), (2, (1, 9, 12), 1), (3, (8, 9, 11), 0)])
def test_a_narrow_convolution_is_widened_and_gives_the_same_numbers(dimensions, size, count, monkeypatch):
    torch.manual_seed(2)
    layer = (nn.Conv3d if dimensions == 3 else nn.Conv2d)(8, 5, 5, padding=2).eval()
    network = VOLUMES if dimensions == 3 else PLANES
    content = export_for(layer, network, 8, size, lambda made: on_openvino(made, network)).graph
    model = read_graph(content)
    model.reshape([1, 8, *size[-dimensions:]])
    assert widen(model) == count
    found = []
    for is_wide in (True, False):
        monkeypatch.setattr("MedDLLogic.inference.openvino_backend.has_wide_vectors", lambda wide=is_wide: wide)
        found.append(on_openvino(content, network).predict(patch(size, 8), {}, ignore).copy())
    assert relative_error(found[1], found[0]) < 1e-6


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_channel_that_is_the_same_everywhere_becomes_nothing_large(offset):
    flat = np.full_like(patch(), offset)
    expected = TorchPredictor(unet(), VOLUMES).predict(flat, {}, ignore)
    found = on_openvino(graph()).predict(flat, {}, ignore)
    assert np.isfinite(found).all() and np.abs(found - expected).max() < 0.05


def test_a_cancelled_patch_ends_and_the_next_one_is_right(monkeypatch):
    monkeypatch.setattr(polling, "POLL_S", 1e-4)
    predictor = on_openvino(graph(LARGE))
    expected = predictor.predict(patch(LARGE), {}, ignore).copy()

    def stop(fraction):
        raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match="E602"):
        predictor.predict(patch(LARGE), {}, stop)
    assert predictor.predict(patch(LARGE), {}, ignore).tobytes() == expected.tobytes()


def test_progress_within_a_patch_follows_the_time_of_the_one_before(monkeypatch):
    monkeypatch.setattr(polling, "POLL_S", 1e-3)
    predictor, told = on_openvino(graph(LARGE)), []
    predictor.predict(patch(LARGE), {}, told.append)
    assert set(told) <= {0.0}
    predictor.predict(patch(LARGE), {}, told.append)
    assert told == sorted(told) and 0 < told[-1] < 1


def test_an_image_that_the_network_does_not_take_is_told_in_one_line():
    with pytest.raises(MedDLError, match="E406") as caught:
        on_openvino(graph()).predict(patch(channels=2), {}, ignore)
    assert "\n" not in str(caught.value) and caught.value.detail


def test_voxels_that_nobody_may_write_to_are_taken():
    voxels = patch()
    voxels.flags.writeable = False
    predictor = on_openvino(graph())
    assert np.array_equal(predictor.predict(voxels, {}, ignore).copy(), predictor.predict(patch(), {}, ignore))


def test_bytes_that_are_no_graph_are_told_in_one_line():
    with pytest.raises(MedDLError, match="E407"):
        on_openvino(b"no graph").predict(patch(), {}, ignore)


WATCHED = """
import sys
seen = []
sys.addaudithook(lambda name, args: seen.append(name) if name.startswith(("socket.", "os.fork", "subprocess")) else None)
from MedDLLogic.inference.openvino_backend import OpenVinoPredictor, capabilities, import_openvino
capabilities()
from MedDLLogic.models.card import Network
import numpy as np
graph = open(sys.argv[1], "rb").read()
predictor = OpenVinoPredictor(lambda shape: graph, Network("torchscript"), "exact")
predictor.predict(np.zeros((1, 16, 24, 32), np.float32), {}, lambda part: None)
print(seen, [name for name in sys.modules if "telemetry" in name and name.startswith("openvino_telemetry")], end="")
"""


def test_nobody_is_told_that_openvino_is_used(tmp_path):
    content = tmp_path / "graph.onnx"
    content.write_bytes(graph())
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    home = tmp_path / "home"
    home.mkdir()
    environment |= {"HOME": str(home), "LOCALAPPDATA": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(content)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, list(home.iterdir())) == ("[] []", "", [])

"""Exported graphs: made once, kept by what they were made from, checked when read, refused when they differ."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import graphs
from MedDLLogic.inference.graph_export import (
    PROBES,
    NotExportableError,
    channels_of,
    export_for,
    export_for_any,
    relative_error,
)
from MedDLLogic.inference.graphs import GraphKey, keep_graph, keep_refusal, read_graph, refusal
from MedDLLogic.inference.precision import Choice
from MedDLLogic.inference.torch_backend import TorchPredictor
from MedDLLogic.inference.warm import Networks
from MedDLLogic.models.card import LocalFile, Network, Tiling, Weights
from MedDLLogic.models.registry import read_card
from MedDLLogic.models.store import remove_weights
from MedDLLogic.storage import graphs_folder, list_storage

from .networks import SHAPE, VOLUMES, graph, ignore, on_openvino, patch, unet

KEY = GraphKey("0" * 64, VOLUMES, (8, 8, 8))


def test_a_graph_that_was_kept_is_read_byte_by_byte(own_home):
    assert read_graph(KEY) is None
    keep_graph(KEY, b"graph", 1e-6)
    assert read_graph(KEY) == b"graph" and refusal(KEY) == ""
    assert graphs_folder() in {folder.path for folder in list_storage()}


@pytest.mark.parametrize(
    "other",
    [
        {"weights_sha256": "1" * 64},
        {"network": Network("torchscript", dimensions=2)},
        {"shape_kji": None},
        {"exporter": 9},
    ],
)
def test_what_was_made_from_something_else_is_another_graph(own_home, other):
    keep_graph(KEY, b"graph", 0.0)
    assert read_graph(replace(KEY, **other)) is None


@pytest.mark.parametrize("content", [b"grapf", b"graph and more", b""])
def test_a_damaged_graph_counts_as_none(own_home, content, caplog):
    keep_graph(KEY, b"graph", 0.0)
    KEY.path.write_bytes(content)
    assert read_graph(KEY) is None and "damaged" in caplog.text


def test_a_damaged_record_counts_as_none(own_home):
    keep_graph(KEY, b"graph", 0.0)
    KEY.path.with_suffix(".json").write_text("{", encoding="utf-8")
    assert read_graph(KEY) is None


def test_a_refusal_holds_for_the_torch_that_refused(own_home, monkeypatch):
    keep_refusal(KEY, "a layer")
    assert refusal(KEY) == "a layer" and read_graph(KEY) is None
    monkeypatch.setattr(graphs, "_torch_version", lambda: "99")
    assert refusal(KEY) == ""


def test_a_cache_that_cannot_be_written_to_costs_a_line(own_home, caplog):
    own_home.mkdir()
    (own_home / "cache").write_text("no folder", encoding="utf-8")
    keep_graph(KEY, b"graph", 0.0)
    assert "not kept" in caplog.text


def test_a_graph_for_any_size_agrees_on_a_size_of_its_own():
    made = export_for_any(unet(), VOLUMES, 1, on_openvino)
    voxels = patch((32, 16, 48))
    expected = TorchPredictor(unet(), VOLUMES).predict(voxels, {}, ignore)
    found = on_openvino(made.graph).predict(voxels, {}, ignore)
    assert made.error < 1e-4 and relative_error(expected, found) < 1e-4


class Sized(nn.Module):
    """Its trace remembers the size that it was made with."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv3d(2, 1, 1)

    def forward(self, image):
        return self.layer(image) / float(image.shape[2])


def test_a_graph_that_is_right_for_one_size_alone_is_not_taken_for_any():
    with pytest.raises(NotExportableError, match="differs"):
        export_for_any(Sized(), VOLUMES, 2, on_openvino)
    assert export_for(Sized(), VOLUMES, 2, PROBES[1], on_openvino).error < 1e-4


class Pair(Sized):
    def forward(self, image):
        return self.layer(image), image


@pytest.mark.parametrize(("module", "why"), [(Pair(), "more than one"), (nn.Conv3d(3, 1, 1), "does not take")])
def test_a_network_that_can_be_no_graph_says_why(module, why):
    with pytest.raises(NotExportableError, match=why):
        export_for(module, VOLUMES, 2, SHAPE, on_openvino)


def test_a_graph_that_differs_is_refused():
    other = TorchPredictor(unet(), VOLUMES)
    torch.manual_seed(8)
    with pytest.raises(NotExportableError, match="differs"):
        export_for(nn.Conv3d(1, 3, 3, padding=1), VOLUMES, 1, SHAPE, lambda made: other)


def test_the_first_convolution_says_how_many_channels_go_in():
    assert channels_of(unet(), 9) == 1 and channels_of(Sized(), 9) == 2 and channels_of(nn.Identity(), 9) == 9


@pytest.fixture
def found(unet_card):
    return read_card(unet_card)


def ready(found, **more):
    stage = found.card.network_stages[0]
    return Networks().ready(found, stage, "cpu", Choice(**more), stage.tiling)


def test_the_first_run_makes_the_graph_and_all_give_torchs_numbers(found):
    voxels = patch((16, 16, 16), 2)
    expected = ready(found, precision="reference").predict(voxels, {}, ignore)
    for backend in ("openvino", "onnxruntime", "openvino"):
        predictor = ready(found, backend=backend)
        assert (predictor.backend, predictor.precision) == (backend, "exact")
        assert relative_error(expected, predictor.predict(voxels, {}, ignore)) < 1e-4
    assert len(list(graphs_folder().rglob("*.onnx"))) == 1


def test_a_damaged_graph_is_made_anew(found):
    ready(found)
    (path,) = graphs_folder().rglob("*.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    ready(found)
    assert path.read_bytes() == whole


def test_graphs_go_with_the_weights(found):
    ready(found)
    assert remove_weights(found) > 0 and not list(graphs_folder().rglob("*.onnx"))


def as_graph(found, tmp_path, content):
    """The card of a model that is an ONNX file."""
    path = tmp_path / "own.onnx"
    path.write_bytes(content)
    weights = Weights(LocalFile(str(path)), hashlib.sha256(content).hexdigest(), len(content))
    stage = replace(found.card.network_stages[0], network=Network("onnx"), weights=weights)
    return replace(found, card=replace(found.card, stages=(replace(stage, tiling=Tiling(SHAPE)),)))


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_a_model_that_is_a_graph_needs_no_other(found, tmp_path, backend):
    predictor = ready(as_graph(found, tmp_path, graph()), backend=backend)
    expected = TorchPredictor(unet(), VOLUMES).predict(patch(), {}, ignore)
    assert relative_error(expected, predictor.predict(patch(), {}, ignore)) < 1e-4
    assert not list(graphs_folder().rglob("*.onnx"))


def odd_graph():
    """It adds determinants, which OpenVINO cannot, to a cube."""
    cube, axes = [1, 1, 4, 4, 4], helper.make_tensor("axes", TensorProto.INT64, [2], [3, 4])
    nodes = [("Det", ["image"], ["d"]), ("Unsqueeze", ["d", "axes"], ["u"]), ("Add", ["image", "u"], ["out"])]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, cube)] for name in ("image", "out")]
    made = helper.make_graph([helper.make_node(*node) for node in nodes], "odd", *ends, [axes])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_a_graph_that_openvino_does_not_take_goes_to_onnx_runtime_unless_named(found, tmp_path):
    own = as_graph(found, tmp_path, odd_graph())
    predictor = ready(own)
    assert predictor.backend == "onnxruntime" and "OpenVINO" in predictor.notes[0]
    voxels = patch((4, 4, 4))
    expected = voxels[0] + np.linalg.det(voxels[0])[:, None, None]
    assert np.allclose(predictor.predict(voxels, {}, ignore)[..., 0], expected, atol=1e-5)
    with pytest.raises(MedDLError, match="E407"):
        ready(own, backend="openvino")


def test_beside_a_graphics_card_a_graph_is_computed_on_the_cpu_and_that_is_told(found, tmp_path):
    own, notes = as_graph(found, tmp_path, graph()), []
    stage = own.card.network_stages[0]
    predictor = Networks().ready(own, stage, "cuda:0", None, stage.tiling, on_note=notes.append)
    assert predictor.device == "cpu" and "CPU" in notes[0]


def test_a_file_that_is_no_graph_is_refused(found, tmp_path):
    with pytest.raises(MedDLError, match="E407"):
        ready(as_graph(found, tmp_path, b"no graph at all"))


WITHOUT_TORCH = """
import sys
from pathlib import Path
import numpy as np
from MedDLLogic.inference.device import choose_device, forget_peak, set_seed, device_peak_bytes
from MedDLLogic.inference.warm import Networks
from MedDLLogic.models.registry import read_card
found = read_card(Path(sys.argv[1]))
stage = found.card.network_stages[0]
set_seed(1)
device = choose_device("cpu")
forget_peak(device)
networks = Networks(1)
predictor = networks.ready(found, stage, device, None, stage.tiling)
predictor.predict(np.zeros((2, 16, 16, 16), np.float32), {}, lambda part: None)
device_peak_bytes(device)
networks.rest()
networks.drop()
print(sorted({"torch", "monai", "onnx", "scipy"} & set(sys.modules)), end="")
"""


def test_with_a_graph_in_the_cache_torch_stays_away(found, unet_card):
    ready(found)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(unet_card)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]", "")


def test_a_program_that_nobody_said_yes_to_does_not_run_by_its_graph(own_home, bright_card, monkeypatch):
    found = read_card(bright_card)
    ready(found)
    monkeypatch.setattr("MedDLLogic.inference.loading.is_trusted", lambda found, sha256: False)
    with pytest.raises(MedDLError, match="E405"):
        ready(found)


def test_a_program_for_whole_volumes_becomes_a_graph_for_any_size(bright_card):
    predictor = ready(read_card(bright_card))
    for shape in ((8, 8, 8), (5, 7, 9)):
        found = predictor.predict(patch(shape), {}, ignore)
        assert predictor.backend == "openvino" and np.allclose(found[..., 1], patch(shape)[0])

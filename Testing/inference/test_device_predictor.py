"""A network on a device, tried on the CPU: precisions, batches, graphs that cannot be, errors in one line."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import device_predictor
from MedDLLogic.inference.averaged import Averaged
from MedDLLogic.inference.device_averaged import DeviceAveraged
from MedDLLogic.inference.device_predictor import MOST_PATCHES, DevicePredictor, batch_size, half_type
from MedDLLogic.inference.windows import weights
from MedDLLogic.models.card import Network

VOLUMES, PLANES = Network("torchscript"), Network("torchscript", dimensions=2)
PATCH = np.random.default_rng(0).random((1, 12, 10, 16), dtype=np.float32)


def small_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8), nn.LeakyReLU(), nn.ConvTranspose3d(8, 3, 1)
    ).eval()


def on_cpu(precision="exact", module=None, network=VOLUMES):
    return DevicePredictor(module or small_network(), network, "cpu", precision)


def predicted(predictor, patch=PATCH, side=None, blend=None):
    return predictor.predict(patch, side or {}, lambda part: None, blend)


def batch_of(*patches):
    return torch.from_numpy(np.stack(patches))


def nowhere(part):
    return None


@pytest.mark.parametrize("precision", ["reference", "exact"])
def test_float32_gives_what_the_module_itself_gives(precision):
    with torch.inference_mode():
        expected = small_network()(torch.from_numpy(PATCH[None]))[0].permute(1, 2, 3, 0).numpy()
    assert np.array_equal(predicted(on_cpu(precision)), expected)


def test_fast_is_half_precision_and_near_the_reference():
    reference, fast = predicted(on_cpu("reference")), predicted(on_cpu("fast"))
    assert fast.dtype == np.float32 and not np.array_equal(fast, reference)
    assert np.abs(fast - reference).max() < 0.02 * np.ptp(reference)
    assert half_type("mps") == torch.float16 and half_type("cpu") == torch.bfloat16


def test_activations_come_multiplied_with_the_weights_of_the_blend():
    expected = predicted(on_cpu()) * weights((12, 10, 16), "gaussian")[..., None]
    assert np.array_equal(predicted(on_cpu(), blend="gaussian"), expected)


def test_patches_of_a_batch_do_not_see_each_other():
    predictor = on_cpu()
    with predictor.running():
        both = predictor.forward(batch_of(PATCH, PATCH[:, ::-1] * 3), {})
    np.testing.assert_allclose(both[0].numpy(), predicted(predictor), atol=1e-6)


def test_a_network_of_planes_gets_planes():
    torch.manual_seed(2)
    layer = nn.Conv2d(1, 2, 3, padding=1)
    for precision, tolerance in (("exact", 1e-6), ("fast", 0.02)):
        found = predicted(on_cpu(precision, copy.deepcopy(layer), PLANES), PATCH[:, :1])
        expected = layer(torch.from_numpy(PATCH[:, 0][None]))[0].detach().permute(1, 2, 0).numpy()
        np.testing.assert_allclose(found[0], expected, atol=tolerance)


class Shifted(nn.Module):
    def forward(self, image, spacing):
        return image + spacing[:, :1, None, None, None]


def test_side_inputs_reach_every_patch_of_a_batch():
    predictor = on_cpu(module=Shifted(), network=Network("torchscript", side_inputs=("spacing_ijk_mm",)))
    with predictor.running():
        both = predictor.forward(batch_of(PATCH, PATCH), {"spacing_ijk_mm": torch.tensor([[2.0, 1.0, 1.0]])})
    assert torch.equal(both, batch_of(PATCH, PATCH).permute(0, 2, 3, 4, 1) + 2)


@pytest.mark.parametrize("module", [nn.Conv3d(3, 1, 1), nn.MaxPool3d(2), nn.Flatten(), nn.Unflatten(1, (2, 2))])
def test_a_network_that_does_not_take_the_patch_is_told_in_one_line(module):
    with pytest.raises(MedDLError, match="E406"):
        predicted(on_cpu(module=module))


class Failing(nn.Module):
    def __init__(self, error, calls_before=0):
        super().__init__()
        self.error, self.left = error, calls_before

    def forward(self, image):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return image


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "E502"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "E502"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "E504"),
        (torch.AcceleratorError("CUDA error: out of memory"), "E502"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "E502"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "E504"),
        (RuntimeError("GET was unable to find an engine to execute this computation"), "E504"),
    ],
)
def test_what_a_device_raises_has_a_code(error, code):
    with pytest.raises(MedDLError, match=code):
        predicted(on_cpu(module=Failing(error)))


def test_a_graph_that_cannot_be_captured_is_told_and_the_network_runs_without():
    predictor = on_cpu()
    predictor._captures = True  # torch without CUDA refuses to make a graph, as other networks do elsewhere
    found = [predicted(predictor) for _ in range(5)]
    assert all(np.array_equal(one, found[0]) for one in found)
    assert predictor.notes == ["run without a CUDA graph: RuntimeError"]


class Recorded:
    """Stands in for a CUDA graph: the inputs' places are fixed and the answer's is used anew."""

    def __init__(self, compute, inputs, stream):
        self.compute, self.inputs, self.answer = compute, [tensor.clone() for tensor in inputs], compute(inputs)

    def run(self, inputs):
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.answer.copy_(self.compute(self.inputs))
        return self.answer


@pytest.fixture
def graphs(monkeypatch):
    monkeypatch.setattr(device_predictor, "_Graph", Recorded)
    predictor = on_cpu()
    predictor._captures = True
    return predictor


def test_each_shape_has_its_graph_after_two_calls_and_none_is_left_after_a_rest(graphs):
    found = [predicted(graphs) for _ in range(4)]
    assert list(graphs._graphs) == [(1, *PATCH.shape)] and all(np.array_equal(one, found[0]) for one in found)
    predicted(graphs, PATCH[:, :8])
    assert len(graphs._graphs) == 1
    graphs.rest()
    assert not graphs._graphs


def test_mirrored_predictions_survive_that_a_graph_answers_in_one_place(graphs):
    average = DeviceAveraged([graphs], ("i", "k"), with_variance=False)
    with average.running():
        found = [average.forward(torch.from_numpy(PATCH[None]), {}).clone() for _ in range(3)]
    expected = Averaged([on_cpu()], ("i", "k"), with_variance=False).predict(PATCH, {}, nowhere)
    for one in found:
        np.testing.assert_allclose(one[0].numpy(), expected, atol=1e-6)


def test_a_device_without_a_layer_in_half_precision_computes_in_float32_and_says_so():
    class NoHalf(nn.Module):
        def forward(self, image):
            if torch.is_autocast_enabled("cpu"):
                raise RuntimeError("ConvTranspose 3D with BF16 or FP16 types is not supported on MPS")
            return image

    predictor = on_cpu("fast", NoHalf())
    assert np.array_equal(predicted(predictor)[..., 0], PATCH[0])
    assert predictor.precision == "exact" and "float32" in predictor.notes[0]


@pytest.mark.parametrize(
    ("free", "patch", "batch"), [(10, 100, 1), (400, 100, 2), (10**6, 100, MOST_PATCHES), (0, 0, 1)]
)
def test_the_batch_follows_from_free_memory(free, patch, batch):
    assert batch_size(free, patch) == batch


def test_flags_of_torch_are_as_before_after_a_run():
    def flags():
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32

    before = flags()
    with on_cpu().running():
        assert flags() == (False, True, False, False) and torch.is_inference_mode_enabled()
    assert flags() == before and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_members_and_mirrors_are_averaged_as_arrays_are(activation):
    members = [on_cpu(module=small_network(seed)) for seed in (0, 1)]
    average = DeviceAveraged(members, ("i", "j"), with_variance=True, activation=activation)
    with average.running():
        found = average.forward(torch.from_numpy(PATCH[None]), {})[0].numpy()
    expected = Averaged(members, ("i", "j"), with_variance=True, activation=activation).predict(PATCH, {}, nowhere)
    assert found[..., -1].max() > 1e-4
    np.testing.assert_allclose(found, expected, atol=1e-6)

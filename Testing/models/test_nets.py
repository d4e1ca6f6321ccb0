"""nnU-Net's networks as MedDL makes them: names of layers, sizes, and the arithmetic of their parts."""

from __future__ import annotations

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.nets.unet_parts import Convolution, Style
from MedDLLogic.models.networks import build_network

PLAIN = {
    "dimensions": 3,
    "in_channels": 2,
    "out_channels": 3,
    "features": (4, 6, 8),
    "kernels": ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    "convolutions": (2, 2, 2),
    "decoder_convolutions": (2, 1),
    "bias": True,
}
RESIDUAL = {name: value for name, value in PLAIN.items() if name != "convolutions"} | {"blocks": (1, 2, 2)}
NAMES = {"plain-conv-unet": PLAIN, "residual-encoder-unet": RESIDUAL}


def flat(sizes):
    return tuple(size[1:] for size in sizes)


def in_planes(parameters):
    changes = {name: flat(parameters[name]) for name in ("kernels", "strides")}
    return parameters | changes | {"dimensions": 2}


@pytest.mark.parametrize("name", NAMES)
def test_every_voxel_gets_a_number_for_each_class(name):
    torch.manual_seed(0)
    with torch.inference_mode():
        volume = build_network(name, NAMES[name]).eval()(torch.rand(1, 2, 4, 8, 12))
        plane = build_network(name, in_planes(NAMES[name])).eval()(torch.rand(1, 2, 8, 12))
    assert (volume.shape, plane.shape) == ((1, 3, 4, 8, 12), (1, 3, 8, 12))


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("plain-conv-unet", ["encoder.stages.1.0.convs.1.conv.weight", "encoder.stages.0.0.convs.0.norm.bias"]),
        ("residual-encoder-unet", ["encoder.stem.convs.0.conv.bias", "encoder.stages.1.blocks.0.conv2.norm.weight"]),
        ("residual-encoder-unet", ["encoder.stages.1.blocks.0.skip.1.conv.weight"]),
        ("plain-conv-unet", ["decoder.transpconvs.0.bias", "decoder.stages.1.convs.0.conv.weight"]),
        ("plain-conv-unet", ["decoder.seg_layers.0.weight", "decoder.seg_layers.1.bias"]),
    ],
)
def test_layers_have_the_names_of_nnunets_files(name, layers):
    assert set(layers) <= set(build_network(name, NAMES[name]).state_dict())


def test_only_the_finest_of_the_layers_for_training_counts():
    torch.manual_seed(0)
    network, image = build_network("plain-conv-unet", PLAIN).eval(), torch.rand(1, 2, 4, 8, 8)
    with torch.inference_mode():
        before = network(image)
        network.decoder.seg_layers[0].weight.add_(1.0)
        assert torch.equal(network(image), before)
        network.decoder.seg_layers[1].bias.add_(1.0)
        assert torch.allclose(network(image), before + 1)


def test_a_short_cut_averages_where_its_block_strides_and_never_has_a_bias():
    network = build_network("residual-encoder-unet", RESIDUAL)
    pool, projection = network.encoder.stages[1].blocks[0].skip
    assert pool.kernel_size == (1, 2, 2) and projection.conv.bias is None
    assert len(network.encoder.stages[0].blocks[0].skip) == len(network.encoder.stages[1].blocks[1].skip) == 0


@pytest.mark.parametrize("is_first", [False, True])
def test_the_activation_comes_after_the_normalization_unless_it_is_first(is_first):
    style = Style(2, True, "instance", 1e-5, False, "relu", 0.0, activation_first=is_first)
    with torch.inference_mode():
        found = Convolution(style, 1, 2, (3, 3), (1, 1)).eval()(torch.randn(1, 1, 9, 9))
    assert (found.min() < 0) == is_first


def test_a_network_may_have_no_normalization_and_weights_say_so():
    bare = build_network("plain-conv-unet", PLAIN | {"norm": "none"}).state_dict()
    assert not any("norm" in name for name in bare)


@pytest.mark.parametrize("change", [{"features": (4, 6)}, {"dimensions": 4}, {"norm": "layer"}, {"depth": 3}])
@pytest.mark.parametrize("name", NAMES)
def test_parameters_that_cannot_be_are_refused(name, change):
    with pytest.raises(MedDLError) as caught:
        build_network(name, NAMES[name] | change)
    assert caught.value.code == "E401"

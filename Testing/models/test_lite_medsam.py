"""Box-prompted segmentation of planes: the network's two halves, and the names of the published weights."""

import hashlib

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.graph_export import channels_of, export_for
from MedDLLogic.inference.openvino_backend import OpenVinoPredictor
from MedDLLogic.models.card import Network
from MedDLLogic.models.nets.lite_medsam import BoxMask, LiteMedSam, PlaneEmbedding
from MedDLLogic.models.networks import build_network

EDGE = 32
SMALL = {
    "image_size": EDGE, "widths": (8, 8, 12, 12), "depths": (1, 1, 2, 1), "heads": (2, 3, 2), "windows": (7, 3, 2),
    "embedding": 32, "decoder_width": 16, "decoder_heads": 2,
}  # fmt: skip
PUBLISHED_SHA256 = "2b21031a74f58ed92ff788fd773d7c89bcbff4ed3ab8b42ded79b4a8dc6c9a83"
"""Of the lines "name shape" of the file's 435 tensors in the order of their names."""


@pytest.fixture(scope="module")
def halves():
    """The same small weights in the whole network and in both halves of it."""
    torch.manual_seed(5)
    whole = LiteMedSam(**SMALL).eval()
    made = [whole, PlaneEmbedding(**SMALL).eval(), BoxMask(**SMALL).eval()]
    for half in made[1:]:
        half.load_state_dict(whole.state_dict(), strict=True)
    return made


@pytest.fixture
def plane():
    return torch.rand(1, 1, EDGE, EDGE, generator=torch.Generator().manual_seed(1))


BOX = torch.tensor([[4.0, 6.5, 20.0, 25.0]])


def test_the_tensors_have_the_names_and_shapes_of_the_published_file():
    with torch.device("meta"):
        tensors = LiteMedSam().state_dict()
    lines = "".join(f"{name} {tuple(tensors[name].shape)}\n" for name in sorted(tensors))
    assert (len(tensors), hashlib.sha256(lines.encode()).hexdigest()) == (435, PUBLISHED_SHA256)


@torch.inference_mode()
def test_the_halves_one_after_the_other_give_what_the_whole_gives(halves, plane):
    whole, see, draw = halves
    assert torch.equal(draw(see(plane), BOX), whole(plane, BOX))


@torch.inference_mode()
def test_each_half_gives_a_plane_of_the_size_that_it_takes(halves, plane):
    _, see, draw = halves
    assert see(plane).shape == (1, draw.channels_in, EDGE, EDGE)
    assert draw(see(plane), BOX).shape == plane.shape


@torch.inference_mode()
def test_what_is_drawn_depends_on_both_corners_of_the_box(halves, plane):
    whole, _, _ = halves
    plain = whole(plane, BOX)
    moved = [whole(plane, BOX + torch.tensor([shift])) for shift in ((3.0, 0, 0, 0), (0, 0, 0, 3.0))]
    assert not torch.allclose(plain, moved[0]) and not torch.allclose(plain, moved[1])


@torch.inference_mode()
def test_several_boxes_at_once_are_drawn_as_one_by_one(halves, plane):
    whole, _, _ = halves
    boxes = torch.cat([BOX, BOX + 3])
    one_by_one = torch.cat([whole(plane, box[None]) for box in boxes])
    assert torch.allclose(whole(plane, boxes), one_by_one, atol=1e-5)


@pytest.mark.parametrize(("number", "side"), [(1, ()), (2, ("box_ijij",))])
def test_each_half_becomes_a_graph(halves, number, side):
    module, network = halves[number], Network("state_dict", "any", side_inputs=side, dimensions=2)
    made = export_for(
        module, network, channels_of(module, 0), (1, EDGE, EDGE),
        lambda graph: OpenVinoPredictor(lambda shape: graph, network, "exact"),
    )  # fmt: skip
    assert made.error < 1e-4


def test_parameters_of_another_number_of_stages_are_refused():
    with pytest.raises(MedDLError) as caught:
        build_network("sam-tinyvit-image", {"widths": (8, 8)})
    assert caught.value.code == "E401"

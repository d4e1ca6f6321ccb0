"""What is exported comes back as it went, and MONAI reads the bundle as MedDL reads the card."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from MedDLLogic.cli import run
from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import Network, Tiling
from MedDLLogic.models.export import card_files, write_export
from MedDLLogic.models.export_bundle import bundle_files, bundle_notes
from MedDLLogic.models.imports.importing import import_model
from MedDLLogic.models.own import keep
from MedDLLogic.models.registry import FoundCard, find_card, read_card
from MedDLLogic.recipe import Foreground, Gaussian, MinMax, Orient, Pad, Percentile, ResampleFromFirst, Window, ZScore
from MedDLLogic.records import from_json

from ..small_models import card_json, input_json, local_weights, save_card, segment_json
from .imports.files import torch_bytes, unet, write_onnx

STEPS = (
    [Orient("LPS"), Window(-100, 300)],
    [Orient("RAS"), ResampleFromFirst((1.5, 1.0, 2.0)), ZScore()],
    [Orient("SAR"), Pad((24, 16, 32)), MinMax()],
    [Orient("PIL"), Percentile(1, 99), Pad(multiple=8)],
)


@pytest.fixture
def one_channel(own_home, tmp_path):
    """A card for a small U-Net whose weights are a torch file."""
    (tmp_path / "net.pt").write_bytes(torch_bytes(unet(in_channels=1).state_dict()))
    parameters = {"spatial_dims": 3, "in_channels": 1, "out_channels": 3, "channels": [4, 8], "strides": [2]}
    stage = {
        "kind": "network", "name": "find", "inputs": ["image"], "recipe": [{"kind": "orient", "codes": "LPS"}],
        "network": {"format": "state_dict", "architecture": "monai.UNet", "parameters": parameters},
        "weights": local_weights(tmp_path / "net.pt"),
        "decode": {"rule": "argmax", "activation": "softmax", "channels": ["", "one", "two"]},
        "tiling": {"patch_kji": [16, 16, 16], "overlap": 0.25, "blend": "gaussian_floored"},
        "postprocess": [{"kind": "largest_component", "segments": ["two"]}],
    }  # fmt: skip
    segments = [segment_json("one", 1), segment_json("two", 2)]
    card = card_json("net", inputs=[input_json("image", in_patient=False)], stages=[stage], segments=segments)
    return read_card(save_card(tmp_path, card))


def with_recipe(found, steps):
    stage = replace(found.card.network_stages[0], recipe=tuple(steps))
    return FoundCard(replace(found.card, stages=(stage,)), found.folder, is_shipped=False)


@pytest.mark.parametrize("target", ["out", "out.zip", "deeper/out"])
def test_an_exported_card_comes_back_equal(own_home, tmp_path, target):
    foreign = import_model(write_onnx(tmp_path / "net.onnx"))
    kept = keep(foreign.card, foreign.files)
    write_export(card_files(kept), tmp_path / target)
    run(["models", "remove", "net", "--yes"])
    assert run(["models", "add", str(tmp_path / target), "--yes"]) == 0
    assert find_card("net").card == kept.card


def test_weights_of_torch_leave_as_safetensors(one_channel, tmp_path):
    write_export(card_files(one_channel), tmp_path / "out")
    assert (tmp_path / "out" / "net" / "weights.safetensors").is_file()
    foreign = import_model(tmp_path / "out")
    assert foreign.card.network_stages[0].network.format == "safetensors"
    assert keep(foreign.card, foreign.files).card == foreign.card


def test_the_same_model_gives_the_same_bytes(one_channel, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_export(card_files(one_channel), tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_members_of_an_ensemble_have_files_of_their_own(one_channel, tmp_path):
    content = torch_bytes(unet(in_channels=1, strides=[2]).half().float().state_dict())
    (tmp_path / "second.pt").write_bytes(content)
    stage = one_channel.card.network_stages[0]
    second = from_json(type(stage.weights), local_weights(tmp_path / "second.pt"))
    card = replace(one_channel.card, stages=(replace(stage, ensemble=(second,)),))
    files = card_files(FoundCard(card, tmp_path, is_shipped=False))
    assert sum(name.endswith(".safetensors") for name in files) == 2


def test_what_is_there_is_not_written_over(one_channel, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(MedDLError, match=r"E101"):
        write_export(card_files(one_channel), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_damaged_weights_are_not_exported(one_channel, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"damaged")
    with pytest.raises(MedDLError, match=r"E404"):
        card_files(one_channel)


def test_a_chain_is_refused_by_what_it_runs(own_home):
    with pytest.raises(MedDLError, match=r"E101.*brain-t1"):
        card_files(find_card("brain-tissue-t1"))


def test_a_card_in_an_archive_whose_weights_were_changed_is_refused(one_channel, tmp_path):
    files = dict(card_files(one_channel))
    name = "net/weights.safetensors"
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    write_export(files, tmp_path / "out.zip")
    with pytest.raises(MedDLError, match=r"E404"):
        import_model(tmp_path / "out.zip")


@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps[0].codes)
def test_monai_prepares_an_image_as_the_card_does(one_channel, tmp_path, steps):
    from monai.bundle import ConfigParser

    from MedDLLogic.image import Image
    from MedDLLogic.io.write_volume import write_volume
    from MedDLLogic.preprocess.run import apply_recipe
    from MedDLLogic.preprocess.working import Working

    from ..geometries import grid

    is_resampled = any(isinstance(step, ResampleFromFirst) for step in steps)
    # Where an oblique image starts after MONAI's Spacing hangs on the rounding of its matrix.
    geometry = grid((12, 14, 10), (1.2, 0.9, 1.5), degrees=(0, 0, 0) if is_resampled else (5, -8, 3))
    values = np.random.default_rng(0).normal(100, 80, (1, *geometry.shape_kji)).astype(np.float32)
    write_volume(tmp_path / "image.nii.gz", Image(values, geometry))
    found = with_recipe(one_channel, steps)
    config = ConfigParser(json.loads(bundle_files(found)["configs/inference.json"]))
    theirs = config.get_parsed_content("preprocessing")({"image": str(tmp_path / "image.nii.gz")})["image"]
    ours, _ = apply_recipe(found.card.network_stages[0].recipe, Working(Image(values, geometry), {}))
    assert np.allclose(theirs.numpy(), ours.image.voxels, atol=1e-4)


def test_monai_finds_in_an_image_what_the_card_finds(one_channel, tmp_path):
    import MedDLLogic
    from MedDLLogic.image import Image
    from MedDLLogic.io.write_volume import write_volume

    from ..geometries import grid
    from .imports.bundles import labels_of_monai

    found = with_recipe(one_channel, [Orient("RAS"), ZScore()])
    values = np.random.default_rng(1).normal(size=(1, 20, 24, 18)).astype(np.float32)
    image = Image(values, grid((20, 24, 18), (1.2, 0.9, 1.5)))
    write_volume(tmp_path / "image.nii.gz", image)
    write_export(bundle_files(found), tmp_path / "bundle")
    write_export(card_files(found), tmp_path / "card")
    ours = MedDLLogic.segment(image, model=str(tmp_path / "card" / "net.json"), device="cpu").layers[0]
    theirs = labels_of_monai(tmp_path / "bundle", tmp_path / "image.nii.gz")[0][0]
    assert (ours == theirs).mean() > 0.999 and len(np.unique(ours)) > 1


def test_an_archive_of_the_folder_is_read_too(one_channel, tmp_path):
    write_export({f"folder/{name}": content for name, content in card_files(one_channel).items()}, tmp_path / "f.zip")
    assert import_model(tmp_path / "f.zip").card.name == "net"


def test_a_card_without_the_files_beside_it_says_what_to_add(one_channel, tmp_path):
    write_export(card_files(one_channel), tmp_path / "out")
    with pytest.raises(MedDLError, match=r"E403.*the folder that holds"):
        import_model(tmp_path / "out" / "net.json")


def test_a_bundle_comes_back_with_the_same_recipe_and_rule(one_channel, tmp_path):
    found = with_recipe(one_channel, [Orient("LPS"), Window(-100, 300), ZScore()])
    write_export(bundle_files(found), tmp_path / "bundle.zip")
    (back,) = import_model(tmp_path / "bundle.zip").card.network_stages
    (sent,) = found.card.network_stages
    assert (back.recipe, back.tiling, back.postprocess) == (sent.recipe, sent.tiling, sent.postprocess)
    assert (back.decode, back.network.architecture) == (sent.decode, "monai.UNet")


def test_another_gaussian_than_monais_is_told(one_channel):
    assert bundle_notes(one_channel) == ()
    stage = replace(one_channel.card.network_stages[0], tiling=Tiling((16, 16, 16), blend="gaussian"))
    assert "Gaussian" in bundle_notes(replace(one_channel, card=replace(one_channel.card, stages=(stage,))))[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stage: replace(stage, recipe=(Orient("RAS"), Gaussian(1.0))), "step gaussian"),
        (lambda stage: replace(stage, recipe=()), "begin with orient"),
        (lambda stage: replace(stage, recipe=(Orient("RAS"), Foreground(), ZScore("foreground"))), "step foreground"),
        (lambda stage: replace(stage, network=Network("onnx")), "not MONAI's"),
    ],
)
def test_what_a_bundle_cannot_say_is_refused_by_its_name(one_channel, change, words):
    card = replace(one_channel.card, stages=(change(one_channel.card.network_stages[0]),))
    with pytest.raises(MedDLError, match=rf"E407.*{words}"):
        bundle_files(FoundCard(card, one_channel.folder, is_shipped=False))


def test_the_command_writes_a_bundle_and_says_where(one_channel, tmp_path, capsys):
    card_path = str(one_channel.folder / "net.json")
    assert run(["models", "export", card_path, str(tmp_path / "b.zip"), "--format", "bundle", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0] == "configs/inference.json"
    assert zipfile.ZipFile(tmp_path / "b.zip").testzip() is None


def test_a_license_text_goes_with_downloaded_weights(own_home, one_channel):
    from MedDLLogic.models.card import Url
    from MedDLLogic.storage import cache_folder

    stage = one_channel.card.network_stages[0]
    weights = replace(stage.weights, source=Url("https://example.org/net.pt"))
    folder = cache_folder() / "weights" / weights.sha256
    folder.mkdir(parents=True)
    (folder / "net.pt").write_bytes((one_channel.folder / "net.pt").read_bytes())
    (folder / "LICENSE.txt").write_text("Be kind.")
    card = replace(one_channel.card, stages=(replace(stage, weights=weights),))
    assert card_files(FoundCard(card, one_channel.folder, is_shipped=False))["net/LICENSE.txt"] == b"Be kind."

"""An archive of MONAIAuto3DSeg becomes a card with its codes, its own preprocessing, and MONAI's labels."""

import io
import os
import zipfile

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.auto3dseg import READER, read_labels
from MedDLLogic.models.imports.tree import open_tree
from MedDLLogic.recipe import (
    CropToMask,
    DeviationsAboveMinimum,
    Foreground,
    Linear,
    Orient,
    ResampleFromFirst,
    Sigmoid,
    SoftLimit,
    Transpose,
    ZScoreNonzero,
)

from .against_monai import added, agreement
from .auto3dseg_files import BRATS, CONFIG, HEADER, NETWORK, ROWS, labels_of_monai, make_zip
from .bundles import small_image


def read(folder, rows=ROWS, **changes):
    return READER.read(open_tree(make_zip(folder / "m.zip", CONFIG | changes, rows)), "organs")


def recipe_of(folder, **changes):
    return read(folder, **changes).card.network_stages[0].recipe


def refusal(folder, rows=ROWS, **changes):
    with pytest.raises(MedDLError) as caught:
        read(folder, rows, **changes)
    return caught.value.code


@pytest.mark.parametrize("folder", ["", "model/", "a/b/"])
def test_labels_are_found_in_whatever_folder_they_lie(tmp_path, folder):
    tree = open_tree(make_zip(tmp_path / "m.zip", folder=folder))
    assert READER.recognizes(tree) and READER.read(tree, "m").card.segments[0].name == "liver"


def test_a_table_without_weights_beside_it_is_no_model(tmp_path):
    (tmp_path / "labels.csv").write_text(HEADER)
    assert not READER.recognizes(open_tree(tmp_path))


def test_the_recipe_is_auto3dsegs(tmp_path):
    assert recipe_of(tmp_path) == (
        Orient("SAR"),
        Foreground(0.0, "above-zero"),
        CropToMask("above-zero", margin_voxels=10),
        ResampleFromFirst((6.0, 3.0, 3.0), 0.25),
        Linear(0.004, 0.0),
        Sigmoid(),
    )


@pytest.mark.parametrize(
    ("mode", "steps"),
    [
        ("none", []), ("meanstd", [ZScoreNonzero()]), ("mri", [ZScoreNonzero()]),
        ("meanstdtanh", [ZScoreNonzero(), SoftLimit(3.0)]), ("pet", [DeviationsAboveMinimum(), Sigmoid()]),
    ],
)  # fmt: skip
def test_each_way_to_normalize_has_its_steps(tmp_path, mode, steps):
    changes = {"crop_foreground": False, "resample_resolution": None, "orientation_ras": False}
    assert list(recipe_of(tmp_path, normalize_mode=mode, **changes)) == [Transpose(("k", "j", "i")), *steps]


def test_each_image_is_normalized_in_its_own_way(tmp_path):
    network = NETWORK | {"in_channels": 2}
    steps = recipe_of(tmp_path, network=network, extra_modalities={"image2": "mri"}, crop_foreground=False)
    assert steps[2:] == (Linear(0.004, 0.0, (0,)), Sigmoid((0,)), ZScoreNonzero((1,)))


def test_patches_and_decoding_are_auto3dsegs(tmp_path):
    stage = read(tmp_path).card.network_stages[0]
    assert (stage.tiling.patch_kji, stage.tiling.overlap, stage.tiling.blend) == (
        (32, 32, 16),
        0.625,
        "gaussian_floored",
    )
    assert (stage.decode.rule, stage.decode.activation, stage.decode.channels) == (
        "argmax",
        "softmax",
        ("", "liver", "left-kidney"),
    )


def test_segments_have_their_codes(tmp_path):
    liver, kidney = read(tmp_path).card.segments
    assert (liver.terminology.type.value, liver.terminology.type_modifier) == ("10200004", None)
    assert (kidney.value, kidney.terminology.type_modifier.meaning) == (2, "Left")


def test_three_overlapping_channels_are_three_layers(tmp_path):
    found = read(tmp_path, BRATS, sigmoid=True, normalize_mode="mri")
    assert [(s.name, s.layer, s.terminology is None) for s in found.card.segments] == [
        ("necrosis and edema and enhancing", 0, True),
        ("necrosis and enhancing", 1, True),
        ("enhancing", 2, False),
    ]
    assert found.card.network_stages[0].decode.rule == "threshold" and any("BraTS" in note for note in found.notes)


def test_channels_hold_the_labels_that_the_configuration_says(tmp_path):
    found = read(tmp_path, BRATS, sigmoid=True, class_index=[[1], [2], [3, 1]])
    assert [s.name for s in found.card.segments] == ["necrosis", "edema", "enhancing and necrosis"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": NETWORK | {"_target_": "DiNTS"}}, "E407"), ({"network": "$print()"}, "E405"), ({"roi_size": [32]}, "E401"),
        ({"network": NETWORK | {"init_filters": "$__import__('os')"}}, "E405"), ({"normalize_mode": "magic"}, "E407"),
        ({"network": {"_target_": "os.system", "command": "false"}}, "E405"), ({"normalize_mode": None}, "E401"),
        ({"network": NETWORK | {"init_filters": 16}}, "E406"), ({"intensity_bounds": [1, 1]}, "E401"),
        ({"sigmoid": 1}, "E401"), ({"extra_modalities": {"image2": "mri"}}, "E401"), ({"resample_resolution": [0, 0, -1]}, "E401"),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_do_is_refused(tmp_path, changes, code):
    path = make_zip(tmp_path / "m.zip")
    checkpoint = {
        "config": CONFIG | changes,
        "state_dict": torch.load(_weights(path), weights_only=False)["state_dict"],
    }
    with pytest.raises(MedDLError) as caught:
        READER.read(open_tree(_with_weights(path, checkpoint)), "m")
    assert caught.value.code == code


def _weights(path):
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.pt"))


def _with_weights(path, checkpoint):
    """The archive with another checkpoint."""
    content = io.BytesIO()
    torch.save(checkpoint, content)
    made = path.with_name("other.zip")
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("model.pt", content.getvalue())
        archive.writestr("labels.csv", "\n".join((HEADER, *ROWS)))
    return made


@pytest.mark.parametrize("rows", [("9,liver",), ("1,liver", "1,spleen"), ("x,liver",), ("1,",), ()])
def test_labels_that_do_not_fit_are_refused(tmp_path, rows):
    assert refusal(tmp_path, rows) in ("E401", "E402")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n1,2\n", b"", b'LabelValue,Name\n1,"' + b"x" * 200_000])
def test_what_is_no_table_is_refused(content):
    with pytest.raises(MedDLError) as caught:
        read_labels(content)
    assert caught.value.code in ("E401", "E402")


def test_a_pickle_in_the_weights_is_refused_unrun(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'canary'}",)

    path = _with_weights(make_zip(tmp_path / "m.zip"), {"config": Runs(), "state_dict": {}})
    with pytest.raises(MedDLError, match="E405"):
        READER.read(open_tree(path), "m")
    assert not (tmp_path / "canary").exists()


def test_labels_are_those_of_monai(real_data, own_home, tmp_path):
    image = small_image(real_data("ct", "totalsegmentator", "example_ct_sm.nii.gz"), tmp_path / "image.nii.gz", 32)
    config = CONFIG | {"crop_foreground": False, "resample_resolution": [4.5, 4.5, 4.5], "roi_size": [32, 32, 32]}
    foreign = READER.read(open_tree(make_zip(tmp_path / "m.zip", config)), "organs")
    found = agreement(foreign, added(foreign, tmp_path / "card"), [image], *labels_of_monai(config, image))
    assert found.worst >= 0.999 and found.input_difference < 1e-5 and min(found.voxels.values()) > 500

"""A MONAI bundle becomes a card that gives MONAI's own labels, and none of it is run."""

import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.monai_bundle import READER, left_out
from MedDLLogic.models.imports.tree import open_tree
from MedDLLogic.recipe import (
    CropToMask,
    FillHoles,
    Foreground,
    LargestComponent,
    Linear,
    MinMax,
    Orient,
    Pad,
    Percentile,
    ResampleFromFirst,
    ResampleToShape,
    Transpose,
    Window,
    ZScore,
    ZScoreNonzero,
)
from MedDLLogic.records import from_json, to_json

from .bundles import (
    INFERER,
    METADATA,
    PREPROCESSING,
    UNET,
    composed,
    configuration,
    make_bundle,
)
from .watched import Watch

LOAD = PREPROCESSING[0]
ORIENT = PREPROCESSING[2]


def read(folder, config=None, metadata=None, **how):
    return READER.read(open_tree(make_bundle(folder, config, metadata, **how)), "spleen")


def stage_of(folder, **changes):
    return read(folder, configuration(**changes)).card.network_stages[0]


def steps_of(folder, *transforms):
    return stage_of(folder, preprocessing=composed(LOAD, ORIENT, *transforms)).recipe[1:]


def refusal(folder, config, **how):
    with pytest.raises(MedDLError) as caught:
        read(folder, config, network=UNET, **how)
    return caught.value


# -- what a card says ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spleen(tmp_path_factory):
    return read(tmp_path_factory.mktemp("spleen"))


def test_a_bundle_is_recognized_in_a_folder_a_zip_and_a_folder_in_it(tmp_path):
    bundle = make_bundle(tmp_path / "spleen_v0.5.9")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in filter(Path.is_file, bundle.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    trees = [open_tree(path) for path in (bundle, tmp_path / "b.zip", tmp_path)]
    assert all(READER.recognizes(tree) for tree in trees)
    assert READER.read(trees[0], "b").card == READER.read(trees[1], "b").card == READER.read(trees[2], "b").card


def test_the_recipe_is_the_preprocessing(spleen):
    assert spleen.card.network_stages[0].recipe == (
        Orient("SAR"),
        ResampleFromFirst((4.0, 3.0, 3.0)),
        Window(-57.0, 164.0),
    )


def test_network_patches_and_decoding_are_the_bundles(spleen):
    stage = spleen.card.network_stages[0]
    assert (stage.network.architecture, stage.network.parameters["channels"]) == ("monai.UNet", (4, 8, 16))
    assert (stage.tiling.patch_kji, stage.tiling.overlap, stage.tiling.blend) == ((32, 32, 32), 0.5, "constant")
    decode = stage.decode
    assert (decode.rule, decode.activation, decode.restore) == ("argmax", "softmax", "linear")


def test_segments_are_the_channels_that_the_metadata_name(spleen):
    assert [(s.id, s.name, s.value, s.layer) for s in spleen.card.segments] == [
        ("spleen", "spleen", 1, 0),
        ("left-kidney", "left kidney", 2, 0),
    ]


def test_terms_and_figures_are_as_the_bundle_has_them(spleen):
    card = spleen.card
    assert (card.version, card.license.expression, card.inputs[0].modality) == ("0.5.9", "Apache-2.0", "CT")
    assert card.intended_use.startswith("This is an example") and "MONAI team" in card.citation
    assert (card.performance[0].measure, card.performance[0].value) == ("mean_dice", 0.961)
    assert any("Task09" in limit for limit in card.limits) and any("data_license" in limit for limit in card.limits)


def test_weights_are_safetensors_that_the_card_names(spleen):
    weights = spleen.card.network_stages[0].weights
    assert hashlib.sha256(spleen.files[weights.source.path]).hexdigest() == weights.sha256


def test_the_card_goes_to_json_and_back(spleen):
    assert from_json(type(spleen.card), json.loads(json.dumps(to_json(spleen.card)))) == spleen.card


def test_nothing_stays_untold_of_a_plain_bundle(spleen):
    assert spleen.notes == ()


def test_a_bundle_without_metadata_says_so(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "configs" / "metadata.json").unlink()
    found = READER.read(open_tree(folder), "b")
    assert [s.name for s in found.card.segments] == ["Class 1", "Class 2"]
    assert sum("metadata name no" in note for note in found.notes) == 2


def test_channels_of_the_input_are_images_of_their_own(tmp_path):
    image = {"modality": "MR", "num_channels": 4, "channel_def": {"0": "T1c", "1": "T1", "2": "T2", "3": "FLAIR"}}
    metadata = METADATA | {"network_data_format": {"inputs": {"image": image}, "outputs": {}}}
    found = read(tmp_path, configuration(network_def=UNET | {"in_channels": 4}), metadata)
    assert found.card.roles == ("t1c", "t1", "t2", "flair") == found.card.network_stages[0].inputs
    assert {spec.modality for spec in found.card.inputs} == {"MR"}


def test_more_labels_than_channels_are_refused(tmp_path):
    assert refusal(tmp_path, configuration(network_def=UNET | {"out_channels": 2})).code == "E402"


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"_target_": "monai.networks.nets.UNet", "norm": ["GROUP", {"num_groups": 1}]}, ("GROUP", {"num_groups": 1})),
        ({"_target_": "Unet", "norm": "instance"}, "instance"),
        ({"norm": ["BATCH"]}, "BATCH"),
        ({"norm": ["instance_nvfuser", {}]}, ("INSTANCE", {"affine": True})),
    ],
)
def test_a_layer_keeps_its_own_parameters(tmp_path, described, expected):
    plain = UNET | {"norm": list(expected) if isinstance(expected, tuple) else expected}
    stage = read(tmp_path, configuration(network_def=UNET | described), network=plain).card.network_stages[0]
    assert stage.network.parameters["norm"] == expected


def test_levels_of_mixed_sizes_are_written_out(tmp_path):
    net = {"_target_": "DynUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3, "kernel_size": [3, 3, 3]}
    net |= {"strides": [1, 2, [2, 2, 1]], "upsample_kernel_size": [2, [2, 2, 1]], "filters": [4, 8, 8]}
    parameters = stage_of(tmp_path, network_def=net).network.parameters
    assert (parameters["strides"], parameters["kernel_size"]) == (
        ((1, 1, 1), (2, 2, 2), (2, 2, 1)),
        (3, 3, 3),
    )


@pytest.mark.parametrize(
    ("described", "code"),
    [
        ({"_target_": "DiNTS"}, "E407"), ({"_target_": "TorchVisionFCModel"}, "E407"), ({"depth": 3}, "E401"),
        ({"act": {"name": "relu"}}, "E407"), ({"norm": None}, "E407"), ({"channels": [4, "8"]}, "E407"),
        ({"channels": [8, 16, 32]}, "E406"), ({"strides": [2]}, "E401"), ({"spatial_dims": 1}, "E407"),
        ({"channels": [10**9, 10**9, 10**9]}, "E401"),
    ],
)  # fmt: skip
def test_a_network_that_is_none_of_ours_is_refused(tmp_path, described, code):
    assert refusal(tmp_path, configuration(network_def=UNET | described)).code == code


# -- preprocessing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"_target_": "Spacingd", "pixdim": [1, 2, -1], "mode": ["nearest"]}, [ResampleFromFirst((0.0, 2.0, 1.0), 0.0, "nearest")]),
        (
            {"_target_": "Spacingd", "pixdim": [2, 4], "min_pixdim": [1.5, 3], "max_pixdim": [2.5, 5]},
            [ResampleFromFirst((4.0, 4.0, 2.0), 0.25)],
        ),
        ({"_target_": "Resized", "spatial_size": [8, 16, 32], "mode": "trilinear"}, [ResampleToShape((8, 16, 32))]),
        ({"_target_": "SpatialPadd", "spatial_size": [8, -1, 32]}, [Pad((8, 1, 32))]),
        ({"_target_": "DivisiblePadd", "k": 16, "value": -1.0}, [Pad(multiple=16, fill=-1.0)]),
        (
            {"_target_": "CropForegroundd", "source_key": "image", "margin": 10, "allow_smaller": True},
            [Foreground(0.0, "above-zero"), CropToMask("above-zero", margin_voxels=10)],
        ),
        ({"_target_": "ScaleIntensityRanged", "a_min": -100, "a_max": 100, "b_min": -1, "b_max": 1}, [Linear(0.01, 0.0)]),
        (
            {"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 4, "b_min": -1, "b_max": 1, "clip": True},
            [Window(0, 4), Linear(2.0, -1.0)],
        ),
        ({"_target_": "ScaleIntensityd", "minv": -1.0}, [MinMax(), Linear(2.0, -1.0)]),
        ({"_target_": "ScaleIntensity"}, [MinMax()]),
        (
            {"_target_": "ScaleIntensityRangePercentilesD", "lower": 1, "upper": 99, "b_min": 0, "b_max": 1, "clip": True},
            [Percentile(1, 99)],
        ),
        ({"_target_": "NormalizeIntensityDict"}, [ZScore()]),
        ({"_target_": "NormalizeIntensityd", "nonzero": True, "channel_wise": True}, [ZScoreNonzero()]),
        ({"_target_": "NormalizeIntensityd", "subtrahend": 10, "divisor": 4}, [Linear(0.25, -2.5)]),
        ({"_target_": "CastToTyped", "dtype": "$torch.float32"}, []),
    ],
)  # fmt: skip
def test_a_transform_becomes_its_step(tmp_path, transform, expected):
    assert list(steps_of(tmp_path, {"keys": ["image"]} | transform)) == expected


@pytest.mark.parametrize(
    "transform",
    [
        {"_target_": "Spacingd", "pixdim": [1, 1, 1], "mode": 3},
        {"_target_": "Spacingd", "pixdim": [1, 1, 1], "diagonal": True},
        {"_target_": "Resized", "spatial_size": [8, 8, 8]},
        {"_target_": "CropForegroundd", "source_key": "image", "margin": 10},
        {"_target_": "CropForegroundd", "source_key": "image", "k_divisible": 8},
        {"_target_": "CropForegroundd", "source_key": "label"},
        {"_target_": "CropForegroundd", "source_key": "image", "select_fn": "$lambda x: x > 0"},
        {"_target_": "SpatialPadd", "spatial_size": [8, 8, 8], "method": "end"},
        {"_target_": "DivisiblePadd", "k": [8, 8, 16]},
        {"_target_": "ScaleIntensityd", "factor": 0.1},
        {"_target_": "NormalizeIntensityd", "subtrahend": 10},
        {"_target_": "Orientationd", "axcodes": "$'RA'"},
        {"_target_": "LoadImaged", "reader": "PILReader"},
    ],
)
def test_an_argument_without_a_counterpart_is_refused_by_name(tmp_path, transform):
    transforms = composed(LOAD, ORIENT, {"keys": "image"} | transform)
    refused = refusal(tmp_path, configuration(preprocessing=transforms))
    assert refused.code == "E407" and transform["_target_"] in refused.why


def test_all_transforms_without_a_counterpart_are_listed(tmp_path):
    unknown = [{"_target_": name, "keys": "image"} for name in ("HistogramNormalized", "Lambdad", "ScaleIntensityd")]
    refused = refusal(tmp_path, configuration(preprocessing=composed(LOAD, *unknown)))
    assert (refused.code, refused.why) == ("E407", "HistogramNormalized, Lambdad")


def test_what_is_done_to_labels_alone_is_left_out(tmp_path):
    both = {"_target_": "Spacingd", "keys": ["image", "label"], "pixdim": [1, 1, 2], "mode": ["bilinear", "nearest"]}
    label = {"_target_": "AsDiscreted", "keys": "label", "to_onehot": 3}
    load = LOAD | {"keys": ["image", "label"]}
    recipe = stage_of(tmp_path, preprocessing=composed(load, ORIENT, both, label)).recipe
    assert recipe[1:] == (ResampleFromFirst((2.0, 1.0, 1.0)),)


def test_images_without_an_orientation_go_in_as_they_are_stored(tmp_path):
    found = read(tmp_path, configuration(preprocessing=composed(LOAD)))
    assert found.card.network_stages[0].recipe == (Transpose(("k", "j", "i")),)
    assert any("as their files store them" in note for note in found.notes)


# -- inferer and postprocessing --------------------------------------------------------------------


def test_a_network_of_planes_gets_planes_across_its_axis(tmp_path):
    inferer = {"_target_": "SliceInferer", "roi_size": [64, 48], "spatial_dim": 2}
    stage = stage_of(tmp_path, network_def=UNET | {"spatial_dims": 2}, inferer=inferer)
    assert (stage.tiling.patch_kji, stage.network.dimensions, stage.recipe[0]) == ((1, 64, 48), 2, Orient("ARS"))


@pytest.mark.parametrize(
    ("inferer", "patch"),
    [({"_target_": "SimpleInferer"}, None), (INFERER | {"roi_size": [-1, 0, -1]}, None), (INFERER | {"roi_size": 16}, (16, 16, 16))],
)  # fmt: skip
def test_patches_may_be_the_whole_or_cubes(tmp_path, inferer, patch):
    assert stage_of(tmp_path, inferer=inferer).tiling.patch_kji == patch


@pytest.mark.parametrize(
    "inferer",
    [
        INFERER | {"roi_size": [32, -1, 32]}, INFERER | {"roi_size": [32, 32]}, INFERER | {"overlap": [0.5, 0.5, 0.25]},
        INFERER | {"sigma_scale": 0.25}, INFERER | {"with_coord": True}, INFERER | {"mode": "linear"},
        INFERER | {"process_fn": "$print"}, {"_target_": "PatchInferer"}, {"_target_": "SliceInferer", "roi_size": [8, 8]},
    ],
)  # fmt: skip
def test_an_inferer_without_a_counterpart_is_refused(tmp_path, inferer):
    assert refusal(tmp_path, configuration(inferer=inferer)).code == "E407"


def after(folder, *transforms):
    return read(folder, configuration(postprocessing=composed(*({"keys": "pred"} | t for t in transforms))))


SIGMOID = {"_target_": "Activationsd", "sigmoid": True}
THRESHOLD = {"_target_": "AsDiscreted", "threshold": 0.4}
ARGMAX = {"_target_": "AsDiscreted", "argmax": True}


def test_channels_judged_one_by_one_are_segments_in_layers(tmp_path):
    card = after(tmp_path, SIGMOID, THRESHOLD).card
    decode = card.network_stages[0].decode
    assert (decode.rule, decode.activation, decode.threshold) == ("threshold", "sigmoid", 0.4)
    assert [(s.name, s.layer) for s in card.segments] == [("background", 0), ("spleen", 1), ("left kidney", 2)]


def test_code_after_the_threshold_is_left_out_and_told(tmp_path):
    found = after(tmp_path, SIGMOID, THRESHOLD, {"_target_": "Lambdad", "func": "$lambda x: exit()"})
    assert any("Lambdad" in note and "left out" in note for note in found.notes)


def test_cleaning_names_its_segments(tmp_path):
    largest = {"_target_": "KeepLargestConnectedComponentd", "applied_labels": [1, 2]}
    stage = after(tmp_path, ARGMAX, largest, {"_target_": "FillHolesd", "applied_labels": 2}).card.network_stages[0]
    assert stage.postprocess == (LargestComponent(("spleen", "left-kidney")), FillHoles(("left-kidney",)))


@pytest.mark.parametrize(
    ("transforms", "code"),
    [
        ([SIGMOID], "E407"),
        ([ARGMAX, {"_target_": "Lambdad", "func": "$exit"}], "E405"),
        ([ARGMAX, {"_target_": "MeanEnsembled"}], "E407"),
        ([ARGMAX, {"_target_": "KeepLargestConnectedComponentd", "independent": False}], "E407"),
        ([ARGMAX, {"_target_": "KeepLargestConnectedComponentd", "applied_labels": [7]}], "E401"),
        ([ARGMAX, SIGMOID], "E407"),
        ([ARGMAX | {"threshold": 0.5}], "E407"),
        ([{"_target_": "Activationsd", "other": "$torch.tanh"}, ARGMAX], "E405"),
    ],
)
def test_postprocessing_without_a_counterpart_is_refused(tmp_path, transforms, code):
    parts = composed(*({"keys": "pred"} | transform for transform in transforms))
    assert refusal(tmp_path, configuration(postprocessing=parts)).code == code


@pytest.mark.parametrize(("target", "code"), [("EnsembleEvaluator", "E407"), ("scripts.evaluator.Mine", "E405")])
def test_another_evaluator_is_refused(tmp_path, target, code):
    assert refusal(tmp_path, configuration(evaluator={"_target_": target})).code == code


# -- weights ---------------------------------------------------------------------------------------


def test_the_weights_are_those_that_the_configuration_loads(tmp_path):
    path = "$@bundle_root + '/models/' + ('model.pt' if @highres else 'model_lowres.pt')"
    handler = {"_target_": "CheckpointLoader", "load_path": path, "load_dict": {"model": "@network"}}
    folder = make_bundle(tmp_path, configuration(highres=False, handlers=[handler], checkpointloader=None))
    (folder / "models" / "model.pt").rename(folder / "models" / "model_lowres.pt")
    assert READER.read(open_tree(folder), "b").notes == ()


def test_where_the_path_of_weights_is_code_the_usual_ones_are_taken_and_told(tmp_path):
    loader = {"_target_": "CheckpointLoader", "load_path": "$os.path.join(@bundle_root, 'x.pt')"}
    assert any("models/model.pt" in note for note in read(tmp_path, configuration(checkpointloader=loader)).notes)


def test_weights_that_lie_elsewhere_are_named_with_address_and_checksum(tmp_path):
    pytest.importorskip("yaml")
    folder = make_bundle(tmp_path)
    (folder / "models" / "model.pt").unlink()
    row = "- path: models/model.pt\n  url: https://host/model.pt\n  hash_val: be4f\n  hash_type: md5\n"
    (folder / "large_files.yml").write_text(f"large_files:\n{row}")
    (there,) = left_out(open_tree(folder))
    assert (there.url, there.algorithm, there.checksum) == ("https://host/model.pt", "md5", "be4f")
    with pytest.raises(MedDLError, match=r"E403.*https://host/model\.pt"):
        READER.read(open_tree(folder), "b")


def test_a_bundle_of_torchscript_alone_waits_for_trust(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "models" / "model.pt").unlink()
    torch.jit.script(torch.nn.Conv3d(1, 3, 1)).save(str(folder / "models" / "model.ts"))
    found = READER.read(open_tree(folder), "b")
    assert found.card.network_stages[0].network.format == "torchscript"
    assert any("trust" in note for note in found.notes)


# -- hostile ---------------------------------------------------------------------------------------

COMMAND = "touch canary"
HOSTILE = {
    "expression in the network": {"network_def": UNET | {"channels": f"$__import__('os').system('{COMMAND}')"}},
    "network that is eval": {"network_def": {"_target_": "builtins.eval", "source": COMMAND}},
    "network that is a reference to code": {"network_def": {"_target_": "$os.system", "command": COMMAND}},
    "subprocess as a transform": {"preprocessing": composed(LOAD, {"_target_": "subprocess.Popen", "args": COMMAND})},
    "fileConfig as a transform": {
        "preprocessing": composed(LOAD, {"_target_": "logging.config.fileConfig", "fname": "configs/logging.conf"})
    },
    "import as the inferer": {"inferer": "$__import__('subprocess').run('touch canary', shell=True)"},
    "import in the patch": {"inferer": INFERER | {"roi_size": "$__import__('os').listdir('/')"}},
    "getattr in postprocessing": {
        "postprocessing": composed({"_target_": "AsDiscreted", "argmax": "$getattr(1, 'x')"})
    },
    "evaluator of its own": {"evaluator": {"_target_": "os.system", "command": COMMAND}},
    "debugger": {"network_def": UNET | {"_mode_": "debug"}},
    "switch that is code": {"network_def": UNET | {"_disabled_": f"$exec('{COMMAND}')"}},
    "macro to another file": {"network_def": "%/etc/secrets.json::net"},
    "circle": {"network_def": "@network", "network": "@network_def"},
    "power tower": {"inferer": INFERER | {"overlap": "$9 ** 9 ** 9"}},
    "long list": {"inferer": INFERER | {"roi_size": "$[32] * 10 ** 9"}},
    "multiplying references": {"network_def": UNET | {"channels": "@l0"}}
    | {f"l{n}": [f"@l{n + 1}"] * 10 for n in range(12)}
    | {"l12": 1},
}


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    """An audit hook that has seen a plain bundle read, so that what is imported on the way is no event."""
    read(tmp_path_factory.mktemp("plain"))
    watch = Watch()
    sys.addaudithook(watch.hook)
    yield watch
    watch.is_on = False


def watched_refusal(watch, folder, monkeypatch):
    """The refusal of the bundle in a folder, the working folder too, and the events on the way to it."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MEDDL_HOME", str(folder / "home"))
    tree = open_tree(folder)
    watch.events, watch.is_on = [], True
    try:
        READER.read(tree, "b")
    except MedDLError as exc:
        return exc, watch.events
    finally:
        watch.is_on = False
        os.chdir(Path(__file__).parents[3])
    raise AssertionError("the bundle was not refused")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_and_nothing_of_it_runs(watch, tmp_path, monkeypatch, name):
    folder = make_bundle(tmp_path, configuration(**HOSTILE[name]), network=UNET)
    (folder / "configs" / "logging.conf").write_text(f"[handler_x]\nclass=__import__('os').system('{COMMAND}')\n")
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").write_text("open('canary', 'w')")
    refused, events = watched_refusal(watch, folder, monkeypatch)
    assert refused.code in ("E401", "E405", "E408") and events == []
    assert not (folder / "canary").exists() and len(str(refused)) <= 200


def test_code_in_parts_that_are_not_needed_is_never_touched(watch, tmp_path, monkeypatch):
    folder = make_bundle(tmp_path, configuration(run=["$__import__('os').system('touch canary')"], device="$exit()"))
    (folder / "configs" / "logging.conf").write_text("[handler_x]\nclass=exit()\n")
    (folder / "models" / "model.pt").unlink()
    refused, events = watched_refusal(watch, folder, monkeypatch)
    assert (refused.code, events) == ("E403", [])


def test_a_pickle_as_weights_is_refused_unrun(watch, tmp_path, monkeypatch):
    class Runs:
        def __reduce__(self):
            return os.system, (COMMAND,)

    folder = make_bundle(tmp_path)
    torch.save({"model": Runs()}, folder / "models" / "model.pt")
    refused, events = watched_refusal(watch, folder, monkeypatch)
    assert refused.code == "E405" and events == [] and not (folder / "canary").exists()

"""A results folder of nnU-Net v2 becomes a card by its files alone; what MedDL cannot do is refused by name."""

import json

import numpy as np
import pytest
from safetensors.torch import load

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.imports.importing import import_model
from MedDLLogic.models.imports.nnunet import READER
from MedDLLogic.models.imports.tree import open_tree
from MedDLLogic.models.loaders import fill
from MedDLLogic.recipe import Orient
from MedDLLogic.records import from_json, to_json

from .nnunet_files import (
    REGIONS,
    architecture,
    changed,
    dataset_json,
    network_for,
    old_configuration,
    plans_json,
    write_results,
    zipped,
)


def card_of(folder, name="made"):
    return import_model(folder, name).card


def refusal(folder, name="made"):
    with pytest.raises(MedDLError) as caught:
        READER.read(open_tree(folder), name)
    return caught.value


def same(one, other):
    return all(bool((tensor == other[name]).all()) for name, tensor in one.items()) and len(one) == len(other)


def test_a_folder_becomes_a_card_that_survives_its_json(tmp_path):
    card = card_of(write_results(tmp_path))
    assert from_json(ModelCard, to_json(card)) == card and card.origin.format == "nnunet"
    assert [(s.id, s.value, s.layer) for s in card.segments] == [("liver", 1, 0), ("kidney_left", 2, 0)]
    assert [(spec.role, spec.modality) for spec in card.inputs] == [("image", "CT")]


def test_the_weights_are_the_checkpoints_and_fill_the_network(tmp_path):
    foreign = import_model(write_results(tmp_path, folds=("0", "1")), "made")
    (stage,) = foreign.card.network_stages
    expected = [network_for(plans_json(), "3d_fullres", 1, 3, seed).state_dict() for seed in (0, 1)]
    found = [fill(stage.network, load(foreign.files[w.source.path])).state_dict() for w in stage.members]
    assert len(found) == 2 and all(map(same, found, expected))


def test_an_exported_zip_is_the_same_model(tmp_path):
    folder = write_results(tmp_path / "results")
    archive = zipped(tmp_path / "results", tmp_path / "made.zip")
    assert card_of(folder).stages == card_of(archive).stages


def test_patches_and_mirrored_axes_are_those_of_plans_and_checkpoint(tmp_path):
    tiling = card_of(write_results(tmp_path)).network_stages[0].tiling
    assert (tiling.patch_kji, tiling.placement, tiling.overlap) == ((8, 16, 16), "even", 0.5)
    assert tiling.mirror_axes == ("k", "j", "i")


def test_a_network_that_was_not_mirrored_is_not(tmp_path):
    folder = write_results(tmp_path, inference_allowed_mirroring_axes=None)
    assert card_of(folder).network_stages[0].tiling.mirror_axes == ()


def test_a_network_of_planes_gets_patches_of_one_plane(tmp_path):
    (stage,) = card_of(write_results(tmp_path, "2d")).network_stages
    assert stage.network.dimensions == 2 and stage.tiling.patch_kji == (1, 16, 16)
    assert stage.tiling.mirror_axes == ("j", "i")


@pytest.mark.parametrize(("name", "dimensions"), [("made", 3), ("made-2d", 2), ("made-3d-fullres", 3)])
def test_of_several_configurations_the_finest_or_the_one_asked_for_is_taken(tmp_path, name, dimensions):
    write_results(tmp_path), write_results(tmp_path, "2d")
    assert card_of(tmp_path, name).network_stages[0].network.dimensions == dimensions


def test_a_final_checkpoint_comes_before_the_best_one(tmp_path):
    folder = write_results(tmp_path)
    best = write_results(tmp_path / "more", file="checkpoint_best.pth", folds=("1",))
    assert "best one is taken" in " ".join(import_model(best, "made").notes)
    (folder / "fold_0" / "checkpoint_best.pth").write_bytes(b"never read")
    assert len(card_of(folder).network_stages[0].members) == 1


def test_a_fold_of_all_cases_counts_where_there_is_no_other(tmp_path):
    assert card_of(write_results(tmp_path / "a", folds=("all",))).network_stages[0].weights.source.path == (
        "fold_all.safetensors"
    )
    assert len(card_of(write_results(tmp_path / "b", folds=("0", "all"))).network_stages[0].members) == 1


def test_regions_overlap_so_each_has_a_layer(tmp_path):
    card = card_of(write_results(tmp_path, dataset=dataset_json(REGIONS, regions_class_order=[1, 2])))
    assert [(s.id, s.layer) for s in card.segments] == [("whole", 0), ("core", 1)]
    assert card.network_stages[0].decode.rule == "threshold"


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_prefixes_of_compiled_and_parallel_networks_come_off(tmp_path, prefix):
    state = network_for(plans_json(), "3d_fullres", 1, 3).state_dict()
    folder = write_results(tmp_path, network_weights={prefix + name: tensor for name, tensor in state.items()})
    assert same(load(import_model(folder, "made").files["fold_0.safetensors"]), state)


def test_two_copies_of_a_layer_that_differ_are_refused(tmp_path):
    state = network_for(plans_json(), "3d_fullres", 1, 3).state_dict()
    twice = state | {"decoder.encoder.stages.0.0.convs.0.conv.bias": state["encoder.stages.0.0.convs.0.conv.bias"] + 1}
    assert refusal(write_results(tmp_path, network_weights=twice)).code == "E406"


def test_a_cascade_is_refused_by_name(tmp_path):
    error = refusal(write_results(tmp_path, "3d_cascade_fullres"))
    assert error.code == "E407" and "3d_cascade_fullres" in error.why


def test_two_datasets_at_once_are_refused(tmp_path):
    write_results(tmp_path / "a"), write_results(tmp_path / "b")
    assert refusal(tmp_path).code == "E407"


def test_a_checkpoint_that_is_a_program_is_refused_and_not_run(tmp_path, capsys):
    class Runs:
        def __reduce__(self):
            return (print, ("it ran",))

    assert refusal(write_results(tmp_path, logging=Runs())).code == "E405"
    assert "it ran" not in capsys.readouterr().out


def test_weights_of_another_network_are_refused(tmp_path):
    folder = write_results(tmp_path)
    (folder / "dataset.json").write_text('{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}}')
    assert refusal(folder).code == "E406"


def test_a_residual_encoder_is_read_too(tmp_path):
    plans = plans_json(architecture=architecture(3, "ResidualEncoderUNet"))
    del plans["configurations"]["2d"]
    (stage,) = card_of(write_results(tmp_path, plans=plans)).network_stages
    assert stage.network.architecture == "residual-encoder-unet" and stage.network.parameters["blocks"] == (1, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"norm_op": "torch.nn.modules.normalization.GroupNorm"},
        {"nonlin": "os.system"},
        {"conv_op": "torch.nn.modules.conv.Conv2d"},
        {"nonlin_kwargs": {"negative_slope": "steep"}},
        {"block": "dynamic_network_architectures.building_blocks.residual.BottleneckD"},
        {"features_per_stage": [4]},
        {"strides": [[1, 1, 1], [2, 2]]},
        {"n_stages": 10**9},
    ],
)
def test_a_network_that_nnunet_did_not_plan_is_refused(tmp_path, change):
    folder = write_results(tmp_path)
    (folder / "plans.json").write_text(json.dumps(changed(plans_json(), "3d_fullres", **change)))
    assert refusal(folder).code in ("E401", "E407")


def test_a_folder_without_a_checkpoint_is_not_taken_for_a_model(tmp_path):
    folder = write_results(tmp_path, folds=())
    assert not READER.recognizes(open_tree(folder))


def test_logits_are_not_activated_and_interpolated_linearly(tmp_path):
    decode = card_of(write_results(tmp_path)).network_stages[0].decode
    assert (decode.rule, decode.activation, decode.restore) == ("argmax", "none", "linear")
    assert np.array_equal(decode.channels, ("", "liver", "kidney_left"))


def test_a_folder_in_the_way_of_totalsegmentator_is_turned_not_mirrored_and_coded(tmp_path):
    plans = plans_json() | {"image_reader_writer": "NibabelIOWithReorient"}
    plans["configurations"] = {"3d_fullres": old_configuration()}
    labels = {"background": 0, "spleen": 1, "kidney_right": 2}
    folder = write_results(
        tmp_path, plans=plans, dataset=dataset_json(labels), inference_allowed_mirroring_axes=None
    ).rename(tmp_path / "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres")
    card = card_of(folder)
    assert card.network_stages[0].recipe[0] == Orient("RAS") and card.network_stages[0].tiling.mirror_axes == ()
    assert [(s.terminology.type.meaning, s.terminology.type_modifier is None) for s in card.segments] == [
        ("Spleen", True),
        ("Kidney", False),
    ]

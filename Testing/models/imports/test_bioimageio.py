"""A bioimage.io description, in both its layouts, says the recipe and the rule; what MedDL does not do is refused."""

import hashlib

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.importing import import_model
from MedDLLogic.recipe import ApplyMask, Clip, Foreground, Linear, MinMax, Percentile, Sigmoid, ZScore

from .files import onnx_bytes, script_bytes, torch_bytes, unet, write_onnx

yaml = pytest.importorskip("yaml")


def layout_4(**changes):
    tensor = {"axes": "bczyx", "data_type": "float32", "data_range": [float("-inf"), float("inf")]}
    given = tensor | {"name": "raw", "shape": {"min": [1, 2, 16, 16, 16], "step": [0, 0, 8, 8, 8]}}
    same = {"reference_tensor": "raw", "scale": [1, 0, 1, 1, 1], "offset": [0, 1.5, 0, 0, 0]}
    made = tensor | {"name": "out", "shape": same, "halo": [0, 0, 8, 8, 8]}
    return {
        "format_version": "0.4.9", "type": "model", "name": "Nuclei in 3-D", "description": "finds nuclei",
        "license": "MIT", "cite": [{"text": "Somebody et al.", "doi": "10.1/2"}], "timestamp": "2020-01-01T00:00:00",
        "inputs": [given | changes.pop("given", {})], "outputs": [made | changes.pop("made", {})],
        "weights": {"onnx": {"source": "weights.onnx"}},
    } | changes  # fmt: skip


def layout_5(given=None, made=None, **changes):
    space = [{"type": "space", "id": axis, "size": {"min": 16, "step": 8}} for axis in "zyx"]
    same = [axis | {"size": {"tensor_id": "raw", "axis_id": axis["id"]}, "halo": 4} for axis in space]
    names = ["background", "nucleus", "cell wall"]
    channel = {"type": "channel", "channel_names": ["one", "two"]}
    inputs = {"id": "raw", "axes": [{"type": "batch"}, channel, *space]} | (given or {})
    outputs = {"id": "out", "axes": [{"type": "batch"}, channel | {"channel_names": names}, *same]} | (made or {})
    return {
        "format_version": "0.5.11", "type": "model", "name": "Nuclei in 3-D", "inputs": [inputs], "outputs": [outputs],
        "weights": {"onnx": {"source": "weights.onnx"}},
    } | changes  # fmt: skip


def imported(folder, table, file_name="rdf.yaml"):
    (folder / file_name).write_text(yaml.safe_dump(table), encoding="utf-8")
    if not (folder / "weights.onnx").exists():
        write_onnx(folder / "weights.onnx")
    return import_model(folder, "nuclei")


def refusal(folder, table):
    with pytest.raises(MedDLError) as caught:
        imported(folder, table)
    return str(caught.value)


def steps(folder, *processing):
    """The recipe for that preprocessing."""
    foreign = imported(folder, layout_4(given={"preprocessing": list(processing)}))
    return foreign.card.network_stages[0].recipe


def test_the_card_says_what_the_description_says(tmp_path):
    card = imported(tmp_path, layout_4()).card
    assert (card.title, card.description, card.license.expression) == ("Nuclei in 3-D", "finds nuclei", "MIT")
    assert card.citation == ("Somebody et al. 10.1/2",) and card.origin.format == "bioimage.io"


def test_patches_have_a_size_that_the_network_takes_and_overlap_by_its_halo(tmp_path):
    tiling = imported(tmp_path, layout_4()).card.network_stages[0].tiling
    assert tiling.patch_kji == (96, 96, 96) and tiling.overlap == 0.25
    assert imported(tmp_path, layout_4(made={"halo": [0, 0, 24, 24, 24]})).card.network_stages[0].tiling.overlap == 0.5


def test_names_of_channels_name_the_segments(tmp_path):
    card = imported(tmp_path, layout_5(), "bioimageio.yaml").card
    assert [s.name for s in card.segments] == ["nucleus", "cell wall"]
    assert card.network_stages[0].decode.channels == ("", "nucleus", "cell-wall")
    assert [spec.description for spec in card.inputs] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("zero_mean_unit_variance", {"mode": "per_sample", "axes": "zyx"}, (ZScore(),)),
        ("zero_mean_unit_variance", {"mode": "fixed", "mean": 10, "std": 4}, (Linear(0.25, -2.5),)),
        ("scale_range", {"axes": "zyx"}, (MinMax(),)),
        ("scale_range", {"axes": "zyx", "min_percentile": 1, "max_percentile": 99}, (Percentile(1, 99),)),
        ("scale_linear", {"gain": 2, "offset": 3}, (Linear(2, 3),)),
        ("scale_linear", {"gain": [2, 3], "offset": 1}, (Linear(2, 1, (0,)), Linear(3, 1, (1,)))),
        ("clip", {"min": 0, "max": 255}, (Clip(0, 255),)),
        ("sigmoid", {}, (Sigmoid(),)),
        ("ensure_dtype", {"dtype": "float32"}, ()),
    ],
)
def test_preprocessing_becomes_steps(tmp_path, name, arguments, expected):
    assert steps(tmp_path, {"name": name, "kwargs": arguments}) == expected


def test_a_threshold_before_the_network_makes_ones_and_zeros(tmp_path):
    write_onnx(tmp_path / "weights.onnx", onnx_bytes((1, 1, 16, 16, 16)))
    given = {"shape": [1, 1, 16, 16, 16], "preprocessing": [{"name": "binarize", "kwargs": {"threshold": 7}}]}
    recipe = imported(tmp_path, layout_4(given=given, made={"shape": [1, 3, 16, 16, 16]})).card.network_stages[0].recipe
    assert recipe == (Foreground(7, "above-threshold"), Linear(0, 1), ApplyMask("above-threshold"))


@pytest.mark.parametrize(
    ("processing", "rule", "activation", "threshold"),
    [
        ([{"id": "softmax", "kwargs": {"axis": "channel"}}], "argmax", "softmax", 0.5),
        ([{"id": "sigmoid"}], "argmax", "sigmoid", 0.5),
        ([{"id": "sigmoid"}, {"id": "binarize", "kwargs": {"threshold": 0.3}}], "threshold", "sigmoid", 0.3),
        ([{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}], "argmax", "none", 0.5),
    ],
)
def test_postprocessing_becomes_the_rule(tmp_path, processing, rule, activation, threshold):
    decode = imported(tmp_path, layout_5(made={"postprocessing": processing})).card.network_stages[0].decode
    assert (decode.rule, decode.activation, decode.threshold) == (rule, activation, threshold)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (layout_4(given={"preprocessing": [{"name": "zero_mean_unit_variance", "kwargs": {"axes": "czyx"}}]}), "c, x"),
        (layout_4(given={"preprocessing": [{"name": "run_script"}]}), "run_script"),
        (layout_4(given={"preprocessing": [{"name": "scale_range", "kwargs": {"reference_tensor": "a"}}]}), "another"),
        (layout_4(made={"postprocessing": [{"name": "scale_range"}]}), "postprocessing"),
        (layout_4(given={"axes": "bzyxc"}), "bzyxc"),
        (layout_4(made={"shape": [1, 3, 8, 8, 8]}), "another size"),
        (layout_4(format_version="0.3.2"), "0.3.2"),
        (layout_4(type="dataset"), "dataset"),
        (layout_4(inputs=[]), "0 inputs"),
        (layout_4(weights={"keras_hdf5": {"source": "a.h5"}}), "keras_hdf5"),
        (layout_4(weights={}), "no weights"),
        (layout_4(weights={"onnx": {"source": "https://example.org/a.onnx"}}), "elsewhere"),
        (layout_4(weights={"onnx": {"source": "../secret.onnx"}}), "E403"),
        (layout_4(weights={"onnx": {"source": "weights.onnx", "sha256": "0" * 64}}), "E404"),
        (layout_4(given={"shape": [1, 1, 16, 16, 16]}), "E406"),
        (layout_4(made={"shape": {"scale": [1, 1, 1, 1, 1], "offset": [0, 0, 0, 0, 0]}}), "E406"),
        (layout_5(given={"axes": [{"type": "batch"}, {"type": "time", "id": "t"}]}), "(time)"),
        (layout_5(given={"axes": "bczyx"}), "E401"),
        (layout_4(given={"shape": {"min": ["a"] * 5, "step": [0] * 5}}), "E401"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_here_is_refused_by_its_name(tmp_path, table, words):
    assert words in refusal(tmp_path, table)


def test_torchscript_is_taken_where_there_is_no_onnx(tmp_path):
    (tmp_path / "w.pt").write_bytes(script_bytes(unet()))
    foreign = imported(tmp_path, layout_4(weights={"torchscript": {"source": "w.pt"}}))
    assert foreign.card.network_stages[0].network.format == "torchscript" and "trust" in foreign.notes[0]


@pytest.mark.parametrize("layout", [4, 5])
def test_weights_of_a_network_of_monai_are_filled_in(tmp_path, layout):
    (tmp_path / "w.pt").write_bytes(content := torch_bytes(unet().state_dict()))
    arguments = {"spatial_dims": 3, "in_channels": 2, "out_channels": 3, "channels": [4, 8], "strides": [2]}
    said = {"architecture": "monai.networks.nets.UNet", "kwargs": arguments}
    said = (
        said
        if layout == 4
        else {"architecture": {"import_from": "monai.networks.nets", "callable": "UNet", "kwargs": arguments}}
    )
    entry = said | {"source": "w.pt", "sha256": hashlib.sha256(content).hexdigest()}
    make = layout_4 if layout == 4 else layout_5
    (stage,) = imported(tmp_path, make(weights={"pytorch_state_dict": entry})).card.network_stages
    assert stage.network.architecture == "monai.UNet" and stage.weights.source.path == "weights.safetensors"


def test_a_network_that_is_python_code_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(torch_bytes(unet().state_dict()))
    entry = {"source": "w.pt", "architecture": "unet.py:UNet2d"}
    assert "E405" in refusal(tmp_path, layout_4(weights={"pytorch_state_dict": entry}))


def test_a_few_aliases_are_read_and_many_refused(tmp_path):
    shared = {"name": "clip", "kwargs": {"min": 0, "max": 1}}
    assert steps(tmp_path, shared, shared) == (Clip(0, 1), Clip(0, 1))
    assert "E408" in refusal(tmp_path, layout_4(given={"preprocessing": [shared] * 100}))


def test_a_type_to_be_made_is_refused(tmp_path):
    write_onnx(tmp_path / "weights.onnx")
    (tmp_path / "rdf.yaml").write_text("!!python/object/apply:os.system ['echo']", encoding="utf-8")
    with pytest.raises(MedDLError, match=r"E405"):
        import_model(tmp_path)

"""An ONNX file becomes a card by its graph alone; a graph that MedDL cannot run is refused by what is in it."""

import onnx
import pytest
from onnx import TensorProto, helper

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.importing import import_model
from MedDLLogic.models.imports.onnx_file import describe

from .files import onnx_bytes, write_onnx


def refusal(model):
    with pytest.raises(MedDLError) as caught:
        describe(model.SerializeToString())
    return str(caught.value)


def imported(tmp_path, **how):
    return import_model(write_onnx(tmp_path / "Liver Net.onnx", onnx_bytes(**how)))


def test_a_graph_for_any_size_gets_a_card_with_assumed_patches(tmp_path):
    foreign = imported(tmp_path)
    (stage,) = foreign.card.network_stages
    assert foreign.card.name == "liver-net" and len(foreign.card.inputs) == 2
    assert stage.network.format == "onnx" and stage.tiling.patch_kji == (96, 96, 96)
    assert stage.decode.channels == ("", "class-1", "class-2") and any("tiling" in note for note in foreign.notes)


def test_a_fixed_size_is_the_patch(tmp_path):
    foreign = imported(tmp_path, dynamic=())
    assert foreign.card.network_stages[0].tiling.patch_kji == (16, 16, 16)
    assert not any("tiling" in note for note in foreign.notes)


def test_a_network_of_planes_has_patches_of_one_plane(tmp_path):
    (stage,) = imported(tmp_path, shape=(1, 1, 64, 48), dynamic=()).card.network_stages
    assert stage.network.dimensions == 2 and stage.tiling.patch_kji == (1, 64, 48)


@pytest.mark.parametrize(("last", "rule"), [("Softmax", "argmax"), ("Sigmoid", "threshold")])
def test_what_the_graph_ends_with_is_not_applied_again(tmp_path, last, rule):
    decode = imported(tmp_path, last=last).card.network_stages[0].decode
    assert (decode.rule, decode.activation) == (rule, "none")


def test_one_output_channel_is_a_segment_of_its_own(tmp_path):
    decode = imported(tmp_path, channels_out=1).card.network_stages[0].decode
    assert (decode.rule, decode.activation, decode.channels) == ("threshold", "sigmoid", ("class-1",))


def test_the_card_says_which_file_it_was_made_of(tmp_path):
    import hashlib

    foreign = imported(tmp_path)
    sha256 = hashlib.sha256((tmp_path / "Liver Net.onnx").read_bytes()).hexdigest()
    assert (foreign.card.origin.format, foreign.card.origin.sha256) == ("onnx", sha256)
    assert foreign.card.network_stages[0].weights.sha256 == sha256


def test_channels_that_the_file_does_not_state_are_worked_out():
    model = onnx_bytes()
    model.graph.output[0].type.tensor_type.shape.dim[1].Clear()
    assert describe(model.SerializeToString()).channels_out == 3


def test_weights_in_other_files_are_refused():
    model = onnx_bytes()
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert "E408" in refusal(model)


def test_weights_in_other_files_are_found_inside_an_inner_graph():
    model = onnx_bytes()
    inner = helper.make_graph([], "inner", [], [], [TensorProto(name="v", data_location=TensorProto.EXTERNAL)])
    model.graph.node.append(helper.make_node("If", ["x"], ["u"], then_branch=inner, else_branch=inner))
    assert "E408" in refusal(model)


def test_an_operator_of_a_domain_of_its_own_is_refused_by_name():
    model = onnx_bytes()
    model.graph.node.append(helper.make_node("RunShell", ["x"], ["u"], domain="com.evil"))
    assert "com.evil.RunShell" in refusal(model)


def test_a_domain_that_the_file_itself_defines_is_taken():
    model = onnx_bytes()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "Act", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    model.graph.node.append(helper.make_node("Act", ["x"], ["u"], domain="own"))
    assert describe(model.SerializeToString()).channels_in == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.graph.input.append(helper.make_tensor_value_info("x2", TensorProto.FLOAT, [1])), "one input"),
        (lambda m: m.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])), "one output"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.FLOAT16), "float32"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim.pop(), "axes"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[1].Clear(), "number of channels"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 4), "several images"),
        (lambda m: setattr(m, "ir_version", 99), "version"),
        (lambda m: setattr(m.opset_import[0], "version", 999), "version"),
        (lambda m: m.graph.ClearField("node"), "no network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_graph_that_cannot_be_run_is_refused_by_what_is_wrong(change, words):
    model = onnx_bytes()
    change(model)
    assert words in refusal(model)


def test_labels_at_the_end_are_refused():
    assert "ArgMax" in refusal(onnx_bytes(last="ArgMax"))


def test_another_size_out_than_in_is_refused():
    model = onnx_bytes(dynamic=())
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 8
    assert "another size" in refusal(model)


def test_a_damaged_file_is_told(tmp_path):
    content = onnx_bytes().SerializeToString()
    with pytest.raises(MedDLError, match=r"E406"):
        describe(content[: len(content) // 2])


def test_the_reader_opens_no_other_file(tmp_path, monkeypatch):
    write_onnx(tmp_path / "net.onnx")
    monkeypatch.setattr(onnx, "load_external_data_for_model", lambda *_: pytest.fail("external data was loaded"))
    assert import_model(tmp_path / "net.onnx").card.name == "net"

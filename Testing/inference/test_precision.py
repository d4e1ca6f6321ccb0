"""What a job asks for, this machine and this model together say who computes and how."""

from dataclasses import replace

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import precision
from MedDLLogic.inference.precision import FAST_DICE, Choice, remember_check, resolve, thread_count
from MedDLLogic.models.card import Check, Network
from MedDLLogic.models.registry import read_card


@pytest.fixture
def found(unet_card):
    return read_card(unet_card)


@pytest.fixture(params=[True, False], ids=["bfloat16", "no bfloat16"])
def half(request, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda: request.param)
    return request.param


def checked(found, dice):
    samples = dict.fromkeys(found.card.roles, "head")
    return replace(found, card=replace(found.card, check=Check(samples, {"fast": dice})))


def way(found, device="cpu", **choice):
    return resolve(Choice(**choice), found, found.card.network_stages[0], device)


def test_without_a_check_case_float32_is_computed(found, half):
    assert way(found) == ("openvino", "exact")


def test_a_card_whose_check_case_passed_is_fast_where_the_processor_can(found, half):
    assert way(checked(found, FAST_DICE)) == ("openvino", "fast" if half else "exact")
    assert way(checked(found, FAST_DICE - 1e-4)) == ("openvino", "exact")


@pytest.mark.parametrize(("here", "expected"), [(0.9, "exact"), (0.999, "fast")])
def test_what_this_machine_found_counts_more_than_the_card(found, monkeypatch, here, expected):
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    remember_check(found.card.network_stages, {"exact": 1.0, "fast": here})
    assert way(checked(found, 0.9985 if here < FAST_DICE else 0.5)) == ("openvino", expected)


def test_another_network_has_not_passed_by_that(found):
    remember_check(found.card.network_stages, {"fast": 1.0})
    stage = found.card.network_stages[0]
    other = replace(
        stage, network=replace(stage.network, dimensions=2), tiling=replace(stage.tiling, patch_kji=(1, 8, 8))
    )
    assert not precision.is_good_when_fast(found, other)


def test_a_damaged_record_counts_as_none(found):
    remember_check(found.card.network_stages, {"fast": 1.0})
    precision._file().write_text("{", encoding="utf-8")
    assert not precision.is_good_when_fast(found, found.card.network_stages[0])


def test_fast_by_name_is_fast_or_refused(found, half):
    if half:
        assert way(found, precision="fast") == ("openvino", "fast")
    else:
        with pytest.raises(MedDLError, match=r"E504.*choose exact"):
            way(found, precision="fast")


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_engines_of_float32_refuse_to_be_fast(found, backend):
    assert way(found, backend=backend) == (backend, "exact")
    with pytest.raises(MedDLError, match="E504"):
        way(found, backend=backend, precision="fast")


def test_the_reference_is_torch_on_every_device(found):
    assert {way(found, device, precision="reference") for device in ("cpu", "cuda:0")} == {("torch", "reference")}


def test_on_a_graphics_card_torch_computes(found):
    assert way(found, "cuda:0") == ("torch", "exact")
    assert way(checked(found, 1.0), "cuda:0") == ("torch", "fast") == way(found, "cuda:0", precision="fast")
    with pytest.raises(MedDLError, match="E504"):
        way(found, "cuda:0", backend="openvino")


def test_a_model_that_is_a_graph_has_no_reference(found):
    stage = replace(found.card.network_stages[0], network=Network("onnx"))
    assert resolve(Choice(), found, stage, "cuda:0") == ("openvino", "exact")
    for choice in (Choice("reference"), Choice(backend="torch")):
        with pytest.raises(MedDLError, match="E504"):
            resolve(choice, found, stage, "cpu")


@pytest.mark.parametrize(("given", "expected"), [("", 0), ("2", 2)])
def test_the_environment_says_how_many_threads(monkeypatch, given, expected):
    monkeypatch.setenv("MEDDL_THREADS", given)
    assert thread_count() == expected


@pytest.mark.parametrize("given", ["0", "-1", "two", "1025", "²"])
def test_no_other_number_of_threads_is_taken(monkeypatch, given):
    monkeypatch.setenv("MEDDL_THREADS", given)
    with pytest.raises(MedDLError, match="E101"):
        thread_count()

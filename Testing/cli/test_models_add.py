"""`meddl models add`: a model is shown, kept after a yes, found by name, run, and removed with its files."""

import hashlib
import json
import shutil

import numpy as np
import pytest

import MedDLLogic
from MedDLLogic.cli import run
from MedDLLogic.models.registry import find_card
from MedDLLogic.storage import cache_folder, models_folder

from ..models.https_server import https_pages, made_certificate  # noqa: F401 - fixtures
from ..models.imports.files import UNET, onnx_bytes, script_bytes, torch_bytes, unet, write_onnx
from ..small_models import ball


@pytest.fixture
def net(own_home, tmp_path):
    return write_onnx(tmp_path / "net.onnx")


def said(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def here():
    return sorted(path.name for path in models_folder().rglob("*")) if models_folder().exists() else []


def test_a_model_is_added_listed_and_removed(net, capsys):
    assert run(["models", "add", str(net), "--yes"]) == 0
    assert str(models_folder() / "net.json") in capsys.readouterr().out
    assert run(["models", "list", "--json"]) == 0
    assert {"name": "net", "title": "net", "is_here": True, "license": "NOASSERTION"} in said(capsys)[0]
    assert run(["models", "remove", "net", "--yes"]) == 0
    assert here() == ["lock"]


def test_without_a_yes_it_is_shown_and_not_kept(net, capsys):
    assert run(["models", "add", str(net), "--json"]) == 2
    shown, error = said(capsys)
    assert shown["card"]["name"] == "net" and any("Assumed" in note for note in shown["notes"])
    assert error["error"]["code"] == "E105" and here() == []


def test_what_was_assumed_is_told_in_words(net, capsys):
    run(["models", "add", str(net), "--yes"])
    assert "Note       Assumed: patches of (96, 96, 96) voxels" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["net", "brain-t1"])
def test_a_name_that_is_taken_is_refused_before_anything_is_read(net, name, capsys):
    run(["models", "add", str(net), "--yes"])
    assert run(["models", "add", "no-such-file", "--name", name, "--yes"]) == 2
    assert "E101" in capsys.readouterr().err


def test_the_same_file_under_another_name_is_another_model(net):
    run(["models", "add", str(net), "--yes"])
    assert run(["models", "add", str(net), "--name", "second", "--yes"]) == 0
    assert find_card("second").card.network_stages[0].weights.source.path == "second/network.onnx"


def test_weights_and_a_network_become_a_model_that_segments(own_home, tmp_path):
    (tmp_path / "net.pt").write_bytes(torch_bytes(unet(in_channels=1).state_dict()))
    parameters = json.dumps(UNET | {"in_channels": 1})
    add = ["models", "add", str(tmp_path / "net.pt"), "--network", "monai.UNet", "--parameters", parameters, "--yes"]
    assert run(add) == 0
    result = MedDLLogic.segment(ball()[0], model="net", device="cpu")
    assert result.layers[0].shape == ball()[0].geometry.shape_kji and np.isin(result.layers[0], [0, 1, 2]).all()


def test_an_onnx_file_segments_what_its_graph_says(own_home, tmp_path):
    write_onnx(tmp_path / "net.onnx", onnx_bytes((1, 1, 16, 16, 16)))
    assert run(["models", "add", str(tmp_path / "net.onnx"), "--yes"]) == 0
    image = ball()[0]
    labels = MedDLLogic.segment(image, model="net", device="cpu").layers[0]
    above = image.voxels[0] > image.voxels.mean()
    assert np.array_equal(labels == 2, above) and not (labels == 1).any()


def test_a_program_is_added_but_runs_only_after_trust(own_home, tmp_path, capsys):
    (tmp_path / "net.pt").write_bytes(script_bytes(unet(in_channels=1)))
    assert run(["models", "add", str(tmp_path / "net.pt"), "--yes"]) == 0
    with pytest.raises(MedDLLogic.MedDLError, match=r"E405"):
        MedDLLogic.segment(ball()[0], model="net", device="cpu")
    assert run(["models", "trust", "net", "--yes"]) == 0
    assert MedDLLogic.segment(ball()[0], model="net", device="cpu").layers[0].shape == ball()[0].geometry.shape_kji


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--parameters", "{}"], "E101"),
        (["--network", "monai.UNet", "--parameters", "{"], "E101"),
        (["--network", "monai.UNet", "--parameters", "[1]"], "E101"),
        (["--network", "no.such"], "E401"),
        (["--name", "Not A Name"], "E401"),
    ],
)
def test_options_that_cannot_be_are_one_line(net, options, code, capsys):
    assert run(["models", "add", str(net), "--yes", *options]) != 0
    assert capsys.readouterr().err.startswith(f"MEDDL-{code}") and here() == []


def test_a_model_from_the_web_comes_after_a_yes_and_says_where_it_was(own_home, web, capsys):
    address, pages = web
    content = onnx_bytes().SerializeToString()
    pages["/nets/liver.onnx"] = (200, {"Content-Length": str(len(content))}, content)
    assert run(["models", "add", f"{address}/nets/liver.onnx?token=secret", "--yes"]) == 0
    card = find_card("liver").card
    assert card.origin.url == f"{address}/nets/liver.onnx" and "secret" not in capsys.readouterr().out
    assert not list(cache_folder().glob("adding-*"))


def test_without_a_yes_nothing_is_fetched(own_home, web, capsys):
    address, _ = web
    assert run(["models", "add", f"{address}/liver.onnx"]) == 2
    assert "E105" in capsys.readouterr().err


@pytest.fixture
def zoo(web, tmp_path, monkeypatch):
    """A Model Zoo of one bundle."""
    from MedDLLogic.models import model_zoo

    from ..models.imports.bundles import make_bundle

    address, pages = web
    shutil.make_archive(str(tmp_path / "b"), "zip", tmp_path / "zoo", make_bundle(tmp_path / "zoo" / "spleen").name)
    content = (tmp_path / "b.zip").read_bytes()
    listed = {"source": f"{address}/spleen_v0.1.0.zip", "checksum": hashlib.sha1(content).hexdigest()}
    pages["/list.json"] = (200, {}, json.dumps({"spleen_v0.1.0": listed}).encode())
    pages["/spleen_v0.1.0.zip"] = (200, {}, content)
    monkeypatch.setattr(model_zoo, "LIST_URL", f"{address}/list.json")
    return pages


def test_a_bundle_of_the_model_zoo_is_listed_and_added_by_name(own_home, zoo, capsys):
    assert run(["models", "list", "--zoo", "--yes", "--json"]) == 0
    assert said(capsys) == [[{"name": "monai:spleen", "version": "0.1.0"}]]
    assert run(["models", "add", "monai:spleen", "--yes"]) == 0
    assert find_card("spleen").card.origin.url.endswith("/spleen_v0.1.0.zip")


def test_an_archive_of_the_zoo_with_another_checksum_is_refused(own_home, zoo, capsys):
    zoo["/spleen_v0.1.0.zip"] = (200, {}, b"PK\x03\x04 something else")
    assert run(["models", "add", "monai:spleen", "--yes"]) == 4
    assert "E404" in capsys.readouterr().err and here() == []


def test_the_zoo_is_not_asked_without_a_yes(own_home, zoo, capsys):
    zoo.clear()
    assert run(["models", "list", "--zoo"]) == 2 and run(["models", "add", "monai:spleen"]) == 2


@pytest.mark.parametrize("address", ["http://example.org/a.onnx", "file:///etc/passwd", "https://example.org/"])
def test_an_address_that_is_not_https_with_a_name_is_refused(own_home, address, capsys):
    assert run(["models", "add", address, "--yes"]) == 2
    assert "E101" in capsys.readouterr().err


def test_removal_asks(net, capsys):
    run(["models", "add", str(net), "--yes"])
    assert run(["models", "remove", "net"]) == 2
    assert "E105" in capsys.readouterr().err and "net.json" in here()


def test_the_panel_lists_a_model_that_was_added(net):
    from MedDLLogic.models.registry import list_cards

    run(["models", "add", str(net), "--yes"])
    assert [found.card.name for found in list_cards() if not found.is_shipped] == ["net"]

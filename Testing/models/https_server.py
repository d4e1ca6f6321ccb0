"""A web server by https on this machine, which this process trusts for the time of a test."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

_SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from ``pages``: path -> (status, headers, content)."""

    pages: dict

    def do_GET(self):
        status, headers, content = self.pages.get(self.path.partition("?")[0], (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Silent."""


@pytest.fixture(scope="session", name="certificate")
def made_certificate(tmp_path_factory) -> Path:
    """Key and certificate for ``localhost`` in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not here")
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    key, made = path.with_name("key.pem"), path.with_name("cert.pem")
    command = ["openssl", "req", "-x509", *_KEY, "-keyout", str(key), "-out", str(made), "-days", "2", *_SUBJECT]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(key.read_bytes() + made.read_bytes())
    return path


@pytest.fixture(name="web")
def https_pages(certificate, monkeypatch) -> Iterator[tuple[str, dict]]:
    """The server's address and its pages."""
    pages: dict = {}
    handler = type("Pages", (Handler,), {"pages": pages})
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("no_proxy", "localhost")
    yield f"https://localhost:{server.server_port}", pages
    server.shutdown()
    server.server_close()
    thread.join()

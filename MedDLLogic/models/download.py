"""Files by https; the caller has the user's yes. No redirection leads away from https."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import IO
from urllib.error import HTTPError

from ..errors import MedDLError
from .card import Url

TIMEOUT_S = 30.0
_CHUNK = 1 << 20


def download(source: Url, max_bytes: int, on_progress: Callable[[float], None] = lambda fraction: None) -> bytes:
    """What lies at the address.

    Parameters
    ----------
    on_progress : gets the fraction that has arrived, where the server says how much there is; may raise to stop.

    Raises
    ------
    MedDLError : E506 when it cannot be had, E404 when it is longer than ``max_bytes``.
    """
    content = bytearray()
    try:
        with urllib.request.build_opener(_HttpsAlone).open(source.url, timeout=TIMEOUT_S) as answer:
            expected = _length(answer.headers) or max_bytes
            while chunk := answer.read(_CHUNK):
                content += chunk
                if len(content) > max_bytes:
                    raise MedDLError("E404", "download is longer than it may be", f"over {max_bytes} bytes")
                on_progress(min(1.0, len(content) / expected))
            if len(content) < (_length(answer.headers) or 0):
                raise MedDLError("E506", "download ended before its end", "", "try again")
    except (OSError, http.client.HTTPException, ValueError) as exc:
        why = f"answer {exc.code}" if isinstance(exc, HTTPError) else type(exc).__name__
        raise MedDLError("E506", "download did not work", why, "check network and proxy", detail=str(exc)) from exc
    return bytes(content)


class _HttpsAlone(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise MedDLError("E506", "download leads away from https", "", "find another address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _length(headers: Message) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None

"""Which MedDL this is: what the two ends of a session compare before they trust each other."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]
"""The folder MedDLLogic itself."""


@cache
def library_sha256() -> str:
    """SHA-256, in hex, of all Python files of the library with their places in it, as they were when first asked."""
    digest = hashlib.sha256()
    for path in sorted(LIBRARY.rglob("*.py"), key=Path.as_posix):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(LIBRARY).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()

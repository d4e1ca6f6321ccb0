"""Where the files of ``Resources`` are, in each of the three ways in which MedDL is laid out on disk."""

from __future__ import annotations

from pathlib import Path

from .errors import MedDLError

_PACKAGE = Path(__file__).resolve().parent


def resource_path(*parts: str) -> Path:
    """Absolute path of a file or folder in ``Resources``, such as ``resource_path("Models", "brain-t1.json")``.

    A wheel carries the folder inside the package; the source tree and an installed extension have it
    beside the package.

    Raises
    ------
    MedDLError : E901 when it is not there, or would lie outside of ``Resources``.
    """
    for folder in (_PACKAGE / "Resources", _PACKAGE.parent / "Resources"):
        path = folder.joinpath(*parts)
        if path.resolve().is_relative_to(folder.resolve()) and path.exists():
            return path
    raise MedDLError("E901", "a file that belongs to MedDL is missing", "/".join(parts)[:60], "install MedDL again")

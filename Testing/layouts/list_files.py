"""The files that ship, as the CMake lists must name them: ``python -m Testing.layouts.list_files [--write]``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTS: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "MedDLLogic_SCRIPTS": ("CMakeLists.txt", lambda: _files(ROOT, "MedDLLogic", ".py")),
    "MedDLLogic_RESOURCES": ("CMakeLists.txt", lambda: _files(ROOT, "Resources", "")),
    "MODULE_PYTHON_SCRIPTS": ("MedDLExtension/CMakeLists.txt", lambda: _files(ROOT / "MedDLExtension", ".", ".py")),
}
"""Name of a CMake list -> file that holds it, and the files that belong into it."""


def expected(name: str) -> list[str]:
    """What belongs into a list, sorted, as paths from the folder of its CMake file."""
    return LISTS[name][1]()


def listed(name: str) -> list[str]:
    """What the CMake file names, in its order."""
    text = (ROOT / LISTS[name][0]).read_text(encoding="utf-8")
    found = re.search(rf"set\({name}\n(.*?)\n  \)", text, re.DOTALL)
    return found.group(1).split() if found else []


def as_cmake(name: str) -> str:
    """The command that sets a list to what belongs into it."""
    lines = "".join(f"  {path}\n" for path in expected(name))
    return f"set({name}\n{lines}  )"


def write(name: str) -> None:
    """Let the CMake file name what belongs into a list."""
    path = ROOT / LISTS[name][0]
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(rf"set\({name}\n.*?\n  \)", as_cmake(name), text, count=1, flags=re.DOTALL), encoding="utf-8"
    )


def _files(base: Path, folder: str, suffix: str) -> list[str]:
    paths = (path for path in (base / folder).rglob(f"*{suffix}") if path.is_file())
    own = [path.relative_to(base) for path in paths if "__pycache__" not in path.parts]
    return sorted(path.as_posix() for path in own if not any(part.startswith(".") for part in path.parts))


if __name__ == "__main__":
    for name, (cmake_file, _) in LISTS.items():
        if "--write" in sys.argv:
            write(name)
        else:
            sys.stdout.write(f"# {cmake_file}\n{as_cmake(name)}\n\n")

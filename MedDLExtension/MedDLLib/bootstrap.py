"""Finds the MedDLLogic that belongs to this extension, in Slicer's process and in the worker's.

Run as a file, ``python bootstrap.py [--environment PATH] MODULE [ARGUMENTS]`` runs a module of it in another
process: the packages in PATH first, then the extension's own library, never one that pip installed.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

LIBRARY = "MedDLLogic"
OPTION = "--environment"  # as MedDLLogic.environment.launch has it, which this file cannot import yet


def library_root(start: Path = Path(__file__)) -> Path:
    """The folder that holds MedDLLogic and Resources.

    An installed extension has them beside MedDL.py, the source tree one level up.

    Raises
    ------
    ImportError : when neither has them, so the extension is not complete.
    """
    module_folder = start.resolve().parent.parent
    for folder in (module_folder, module_folder.parent):
        if (folder / LIBRARY / "__init__.py").is_file():
            return folder
    raise ImportError("MedDL is not complete: MedDLLogic is missing, please install the extension again")


def use_library() -> Path:
    """Make ``import MedDLLogic`` give the extension's own copy, whatever pip installed; returns its root."""
    root = library_root()
    if str(root) in sys.path:
        sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    loaded = getattr(sys.modules.get(LIBRARY), "__file__", None)
    if loaded and Path(loaded).resolve().parent != root / LIBRARY:
        forget(LIBRARY)
    return root


def forget(*packages: str) -> None:
    """Let the next import read these packages from disk again, as the Reload button wants it."""
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]


def prepare_worker(environment: str) -> None:
    """Put the packages in ``environment``, where one is given, first on the path; MedDLLogic is our own all the same."""
    sys.path[:1] = [str(library_root()), str(Path(__file__).resolve().parent.parent)]
    importlib.import_module(LIBRARY)  # loaded before the packages can offer another copy
    if environment:
        sys.path.insert(0, environment)


if __name__ == "__main__":
    packages = ""
    if sys.argv[1] == OPTION:
        packages = sys.argv[2]
        del sys.argv[1:3]
    prepare_worker(packages)
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)

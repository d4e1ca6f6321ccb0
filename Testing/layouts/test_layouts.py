"""Source tree, installed extension and wheel: each finds its own package and its own Resources."""

from __future__ import annotations

from pathlib import Path

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.resources import resource_path

from .conftest import RunPython
from .list_files import ROOT

WHERE = "from MedDLLogic.resources import resource_path; print(resource_path('Models'))"
BOOTSTRAP = "from MedDLLib import bootstrap; bootstrap.use_library(); import MedDLLogic; print(MedDLLogic.__file__)"


def test_the_source_tree_has_resources_beside_the_package() -> None:
    assert resource_path("UI", "MedDL.ui") == ROOT / "Resources" / "UI" / "MedDL.ui"


def test_an_installed_extension_has_resources_beside_the_package(
    installed_extension: Path, run_python: RunPython
) -> None:
    assert run_python(WHERE, installed_extension) == str(installed_extension / "Resources" / "Models")


def test_a_wheel_has_resources_inside_the_package(unpacked_wheel: Path, run_python: RunPython) -> None:
    assert run_python(WHERE, unpacked_wheel) == str(unpacked_wheel / "MedDLLogic" / "Resources" / "Models")


def test_a_wheel_holds_every_resource_of_the_source_tree(unpacked_wheel: Path) -> None:
    def files(folder: Path) -> set[Path]:
        return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}

    assert files(unpacked_wheel / "MedDLLogic" / "Resources") == files(ROOT / "Resources")


def test_the_extension_in_the_source_tree_finds_the_library(run_python: RunPython) -> None:
    assert run_python(BOOTSTRAP, ROOT / "MedDLExtension") == str(ROOT / "MedDLLogic" / "__init__.py")


def test_an_installed_extension_takes_its_own_library_before_one_that_pip_installed(
    installed_extension: Path, unpacked_wheel: Path, run_python: RunPython
) -> None:
    code = f"import MedDLLogic; {BOOTSTRAP}"
    found = run_python(code, unpacked_wheel, installed_extension)
    assert found == str(installed_extension / "MedDLLogic" / "__init__.py")


def test_the_worker_of_an_installed_extension_takes_its_own_library_too(
    installed_extension: Path, run_python: RunPython
) -> None:
    code = (
        f"sys.argv = ['bootstrap.py', 'MedDLLogic.resources']; import runpy; "
        f"runpy.run_path({str(installed_extension / 'MedDLLib' / 'bootstrap.py')!r}, run_name='__main__'); "
        "import MedDLLogic; print(MedDLLogic.__file__)"
    )
    assert run_python(code) == str(installed_extension / "MedDLLogic" / "__init__.py")


def test_an_extension_without_its_library_says_so(installed_extension: Path, run_python: RunPython) -> None:
    (installed_extension / "MedDLLogic" / "__init__.py").unlink()
    code = "from MedDLLib import bootstrap\ntry: bootstrap.use_library()\nexcept ImportError as e: print(e)"
    assert "install the extension again" in run_python(code, installed_extension)


@pytest.mark.parametrize("parts", [("Models", "nowhere.json"), ("..", "pyproject.toml"), ("/etc/hostname",)])
def test_a_resource_that_is_not_there_is_a_defect_of_the_installation(parts: tuple[str, ...]) -> None:
    with pytest.raises(MedDLError, match="E901"):
        resource_path(*parts)

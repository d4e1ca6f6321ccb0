"""Where the classes come from, each asked in a fresh process."""

import subprocess
import sys

import pytest

EVERY_MODULE = "from MedDLLogic.scene import create, files, segmentations, tables, volumes"


def python(code, *hiding_folders):
    """What a fresh process prints, with folders in front of everything else on its path."""
    lines = ["import sys", f"sys.path[:0] = {[str(folder) for folder in hiding_folders]!r}", code]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.fixture
def a_folder_with(tmp_path):
    def make(**packages):
        for name, content in packages.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(content, encoding="utf-8")
        return tmp_path

    return make


def test_scene_code_loads_no_library_that_slicer_side_code_must_not_have():
    heavy = "{'torch', 'monai', 'SimpleITK', 'scipy', 'skimage', 'pydicom'}"
    assert python(f"{EVERY_MODULE}\nprint({heavy} & set(sys.modules))") == "set()"


def test_another_package_called_slicer_does_not_get_in_the_way(a_folder_with):
    folder = a_folder_with(slicer="")
    assert python(f"{EVERY_MODULE}\nprint(create.new_scene().GetClassName())", folder) == "vtkMRMLScene"


def test_a_missing_scene_library_is_told(a_folder_with):
    folder = a_folder_with(slicer="", slicer_core="raise ImportError")
    assert "MEDDL-E104" in python(EVERY_MODULE, folder)

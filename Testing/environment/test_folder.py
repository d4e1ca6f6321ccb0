"""What a glance at the folders tells."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from MedDLLogic.environment import folder as places
from MedDLLogic.environment.folder import current_environment, environment_state
from MedDLLogic.environment.launch import worker_arguments
from MedDLLogic.errors import MedDLError

from . import tiny


def base_of(home):
    return home / "data" / "environments"


def test_nothing_is_missing_before_something_was_installed(tmp_path):
    assert environment_state(base=tmp_path).kind == "missing"
    assert current_environment(base=tmp_path) is None


def test_a_ready_environment_names_its_folder_and_versions(installed):
    state = tiny.state_in(installed)
    assert (state.kind, state.build, state.versions) == (
        "ready",
        "tiny",
        {"torch": tiny.VERSION, "helping": tiny.VERSION},
    )
    assert Path(state.path).is_dir()


@pytest.mark.parametrize("name", ["torch/__init__.py", f"torch-{tiny.VERSION}.dist-info/RECORD", "torch/big.bin"])
def test_a_missing_file_of_weight_is_a_broken_environment(installed, name):
    (Path(tiny.state_in(installed).path) / name).unlink()
    state = tiny.state_in(installed)
    assert (state.kind, state.is_usable, "torch" in state.message) == ("broken", False, True)


def test_half_a_package_is_a_broken_environment(installed):
    inside = Path(tiny.state_in(installed).path)
    (inside / "torch").rename(inside / "torch-away")
    assert tiny.state_in(installed).kind == "broken"


def test_a_library_cut_short_is_a_broken_environment(installed):
    (Path(tiny.state_in(installed).path) / "torch" / "big.bin").write_bytes(b"half")
    assert tiny.state_in(installed).kind == "broken"


@pytest.mark.parametrize("text", ["", "{}", '{"folder": "../elsewhere"}', '{"folder": "env-gone"}'])
def test_a_pointer_to_nothing_is_a_broken_environment(installed, text):
    (base_of(installed) / "current.json").write_text(text)
    assert tiny.state_in(installed).kind == "broken"


def test_other_packages_today_make_it_outdated_but_usable(installed):
    today = replace(tiny.tiny_stack(), constraints=("helping==0.0.8",))
    state = tiny.state_in(installed, today)
    assert (state.kind, state.is_usable) == ("outdated", True)


def test_an_environment_for_another_python_is_outdated_and_not_usable(installed):
    state = environment_state(base=base_of(installed), python="3.99", stack_of=lambda name: tiny.tiny_stack())
    assert (state.kind, state.is_usable) == ("outdated", False)


def test_a_build_that_is_no_longer_offered_is_outdated(installed):
    assert environment_state(base=base_of(installed)).kind == "outdated"


def test_the_worker_gets_the_folder_before_the_module(installed):
    folder = current_environment(base=base_of(installed))
    assert worker_arguments(folder) == ("--environment", str(folder))
    assert worker_arguments(None) == ()


def test_a_glance_imports_nothing_heavy_and_starts_nothing(installed):
    code = (
        "import sys, json, subprocess; subprocess.Popen = None\n"
        "from pathlib import Path\n"
        "from MedDLLogic.environment.folder import environment_state\n"
        "environment_state(base=Path(sys.argv[1]))\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    said = subprocess.check_output([sys.executable, "-c", code, base_of(installed)], text=True)
    assert not {"torch", "helping", "numpy", "urllib.request", "ctypes"} & set(json.loads(said))


def test_while_one_is_built_it_cannot_be_removed(installed):
    with places.only_one(base_of(installed)), pytest.raises(MedDLError) as caught:
        places.remove_environment(base_of(installed))
    assert caught.value.code == "E601"


def test_a_new_environment_never_takes_the_place_of_one_in_use(tmp_path):
    (tmp_path / "env-01234567").mkdir()
    (tmp_path / "env-01234567-2").mkdir()
    assert places.free_place(tmp_path, "0123456789abcdef").name == "env-01234567-3"

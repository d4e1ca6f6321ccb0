"""Installing with the real pip: whatever happens, the environment ends usable or as it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from MedDLLogic.environment.folder import PARTIAL_PREFIX
from MedDLLogic.scratch import FolderLock
from Testing.faults import rig

from . import tiny

STACK = tiny.tiny_stack()


def install(home, wheelhouse, *arguments, stack=STACK):
    return tiny.run(home, "install", "--wheelhouse", str(wheelhouse), *arguments, stack=stack)


def folder_of(home, stack=STACK):
    return Path(tiny.state_in(home, stack).path)


def cancel_in(home, wheelhouse, stage, *, how, stack=STACK):
    """Start an installation, and end it by ``how(child)`` when it tells of that stage; the events before and after."""
    argv, variables = tiny.command(home, "install", "--wheelhouse", str(wheelhouse), stack=stack)
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, env=variables, text=True, **streams) as child:
        lines = [child.stdout.readline()]
        while f'"stage": "{stage}"' not in lines[-1] and lines[-1]:
            lines.append(child.stdout.readline())
        how(child)
        lines += child.stdout.readlines()
    return tiny.events_in(line for line in lines if line.strip())


def say_cancel(child):
    child.stdin.write("cancel\n")
    child.stdin.flush()


def test_a_fresh_installation_from_a_package_index_is_ready(home, wheelhouse, tmp_path):
    stack = tiny.tiny_stack(index_url=tiny.make_index(wheelhouse, tmp_path / "index"))
    told = tiny.run(home, "install", "--index-url", stack.build.index_url, stack=stack)
    assert told.end.kind == "finished", told.log
    assert told.stages == ["check", "download", "install", "test"]
    state = tiny.state_in(home, stack)
    assert (state.kind, state.device, state.versions["torch"]) == ("ready", "cpu", tiny.VERSION)


def test_what_was_downloaded_goes_after_success(home, wheelhouse, tmp_path):
    url = tiny.make_index(wheelhouse, tmp_path / "index")
    tiny.run(home, "install", "--index-url", url, stack=tiny.tiny_stack(index_url=url))
    assert not (home / "cache" / "wheels").exists()


def test_a_folder_of_wheels_needs_no_index(installed):
    assert tiny.state_in(installed).kind == "ready"


def test_a_folder_of_wheels_is_not_filled_up_from_elsewhere(home, wheelhouse, tmp_path, monkeypatch):
    incomplete = shutil.copytree(wheelhouse, tmp_path / "incomplete")
    next(incomplete.glob("helping-*.whl")).unlink()
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    told = install(home, incomplete)
    assert (told.end.kind, told.end.code) == ("failed", "E506")


def test_packages_are_imported_from_the_environment(installed):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import torch, helping; print(helping.answer, torch.__file__)"
    said = subprocess.check_output([sys.executable, "-c", code, folder_of(installed)], text=True)
    assert said == f"42 {folder_of(installed)}/torch/__init__.py\n"


def test_a_second_installation_of_the_same_has_nothing_to_do(installed, wheelhouse):
    before = tiny.tree(installed)
    assert install(installed, wheelhouse).stages == []
    assert tiny.tree(installed) == before


def test_the_python_that_installs_keeps_its_own_packages(home, wheelhouse):
    before = subprocess.check_output([sys.executable, "-m", "pip", "freeze"])
    install(home, wheelhouse)
    assert subprocess.check_output([sys.executable, "-m", "pip", "freeze"]) == before


def test_progress_never_goes_back(installed, wheelhouse):
    told = tiny.run(installed, "repair", "--wheelhouse", str(wheelhouse), stack=STACK)
    fractions = [event.fraction for event in told.events if event.kind == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_a_file_that_went_is_a_broken_environment_and_repair_mends_it(installed, wheelhouse):
    (folder_of(installed) / "torch" / "__init__.py").unlink()
    assert tiny.state_in(installed).kind == "broken"
    assert tiny.run(installed, "repair", "--wheelhouse", str(wheelhouse), stack=STACK).end.kind == "finished"
    assert tiny.state_in(installed).kind == "ready"
    assert len(tiny.environments(installed)) == 1


def test_installing_over_a_broken_environment_builds_it_anew(installed, wheelhouse):
    (folder_of(installed) / "torch" / "__init__.py").unlink()
    assert install(installed, wheelhouse).end.kind == "finished"
    assert tiny.state_in(installed).kind == "ready"


def test_verify_finds_a_changed_file_that_a_glance_misses(installed):
    inside = folder_of(installed) / "helping" / "__init__.py"
    inside.write_text(inside.read_text().replace("42", "43"))
    assert tiny.state_in(installed).kind == "ready"
    told = tiny.run(installed, "verify", stack=STACK)
    assert (told.end.code, "helping" in told.end.message) == ("E507", True)
    assert tiny.state_in(installed).kind == "broken"


def test_verify_passes_a_sound_environment(installed):
    assert tiny.run(installed, "verify", stack=STACK).end.kind == "finished"


def test_a_wheel_that_is_missing_is_named(home, tmp_path):
    tiny.make_wheel(tmp_path / "half", "torch", {"torch/__init__.py": tiny.TORCH})
    told = install(home, tmp_path / "half")
    assert (told.end.code, "helping" in told.end.message) == ("E506", True)
    assert tiny.environments(home) == []


def test_a_package_index_out_of_reach_is_told(home):
    told = tiny.run(home, "install", "--index-url", "http://localhost:9/simple", stack=STACK)
    assert told.end.code == "E506"
    assert "network" in told.end.message


def test_a_damaged_wheel_is_told(home, wheelhouse, tmp_path):
    copy = tiny.make_wheelhouse(tmp_path / "damaged")
    torch = next(copy.glob("torch*"))
    torch.write_bytes(torch.read_bytes()[:5000])
    assert install(home, copy).end.code == "E506"


@pytest.mark.parametrize("torch", ["raise ImportError('DLL load failed: fbgemm.dll')", "import os; os.abort()", ""])
def test_a_torch_that_does_not_work_leaves_the_old_environment(installed, tmp_path, torch):
    before = tiny.tree(installed)
    broken = tiny.make_wheelhouse(tmp_path / "broken", torch=torch)
    told = tiny.run(installed, "repair", "--wheelhouse", str(broken), stack=STACK)
    assert told.end.code == "E507"
    assert tiny.tree(installed) == before


def test_a_missing_runtime_library_is_named(home, tmp_path):
    broken = tiny.make_wheelhouse(tmp_path / "broken", torch="raise ImportError('DLL load failed: fbgemm.dll')")
    assert "Visual C++" in install(home, broken).end.message


def test_a_card_that_torch_cannot_use_means_the_processor_and_a_warning(home, wheelhouse):
    stack = tiny.tiny_stack("cuda")
    told = install(home, wheelhouse, stack=stack)
    assert [event.code for event in told.events if event.kind == "warning"] == ["E504"]
    assert tiny.state_in(home, stack).device == "cpu"


def test_too_little_room_is_told_before_anything_is_fetched(home, wheelhouse):
    told = install(home, wheelhouse, stack=tiny.tiny_stack(installed_bytes=10**15))
    assert (told.end.code, told.stages) == ("E501", ["check"])


@pytest.mark.skipif(not rig.can_mount(), reason="only an administrator of Linux can mount a small disk")
@pytest.mark.parametrize("size_kib", [300, 1500, 4000])
def test_a_disk_that_fills_up_on_the_way_is_told_and_left_as_it_was(tmp_path, size_kib):
    large = tiny.make_wheelhouse(tmp_path / "large", extra={"helping/large.bin": os.urandom(6_000_000)})
    with rig.small_disk(tmp_path / "disk", size_kib) as disk:
        told = install(disk / "home", large, stack=tiny.tiny_stack(installed_bytes=1))
        assert (told.end.code, tiny.environments(disk / "home")) == ("E501", [])
        assert tiny.state_in(disk / "home").kind == "missing"


@pytest.mark.parametrize("stage", ["check", "download", "install", "test"])
def test_a_cancelled_installation_leaves_the_old_environment(installed, wheelhouse, stage):
    (folder_of(installed) / "torch" / "__init__.py").unlink()
    before = tiny.tree(installed)
    assert cancel_in(installed, wheelhouse, stage, how=say_cancel)[-1].kind == "cancelled"
    assert tiny.tree(installed) == before


def test_the_end_of_its_input_cancels(home, wheelhouse):
    assert cancel_in(home, wheelhouse, "download", how=lambda child: child.stdin.close())[-1].kind == "cancelled"
    assert tiny.environments(home) == []


def test_a_signal_cancels(home, wheelhouse):
    ask = lambda child: child.send_signal(signal.SIGTERM)
    assert cancel_in(home, wheelhouse, "download", how=ask)[-1].kind == "cancelled"


def test_an_installation_that_is_killed_takes_pip_along_and_is_swept_by_the_next(home, wheelhouse):
    cancel_in(home, wheelhouse, "download", how=lambda child: child.kill())
    (partial,) = tiny.environments(home)
    assert partial.startswith(PARTIAL_PREFIX)
    assert no_process_knows(partial)
    assert install(home, wheelhouse).end.kind == "finished"
    assert not any(name.startswith(PARTIAL_PREFIX) for name in tiny.environments(home))


def no_process_knows(word):
    """Wait until no living process has the word on its command line; False when one stays."""
    for _ in range(100):
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        if not any(word.encode() in line for line in lines):
            return True
        time.sleep(0.1)
    return False


def test_one_installation_at_a_time(home, wheelhouse):
    base = home / "data" / "environments"
    base.mkdir(parents=True)
    with FolderLock(base):
        assert install(home, wheelhouse).end.code == "E601"


def test_removing_frees_the_bytes(installed):
    assert tiny.run(installed, "remove").end.kind == "finished"
    assert (tiny.state_in(installed).kind, tiny.environments(installed)) == ("missing", [])


def test_standard_output_holds_events_alone(installed):
    told = tiny.run(installed, "verify", stack=STACK)
    assert all(json.dumps(event.kind) for event in told.events)
    assert "torch computes on cpu" in told.log


def test_an_installation_that_cannot_be_pointed_to_leaves_nothing(home, wheelhouse):
    environments = home / "data" / "environments"
    (environments / "current.json").mkdir(parents=True)
    assert install(home, wheelhouse).end.code == "E503"
    assert not list(environments.glob("env-*")) + list(environments.glob("partial-*"))

"""The border to other processes: how they are started, and what Qt tells of them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from MedDLLogic.errors import MedDLError

from .application import EXTENSION, Application
from .conftest import use_python

BOOTSTRAP = EXTENSION / "MedDLLib" / "bootstrap.py"


@pytest.fixture
def launch(application: Application) -> Any:
    return importlib.import_module("MedDLLib.launch")


class Ears:
    """What a process told."""

    def __init__(self) -> None:
        self.output = self.log = b""
        self.endings: list[Any] = []

    def received(self, data: bytes) -> None:
        self.output += data

    def logged(self, data: bytes) -> None:
        self.log += data

    def ended(self, exit_code: int) -> None:
        self.endings.append(exit_code)

    def not_started(self, reason: str) -> None:
        self.endings.append(reason)


@pytest.fixture
def python(application: Application) -> Callable[[str], tuple[Any, Ears]]:
    """``python("print(1)")``: a process of Qt that does this, and what it told."""
    module = importlib.import_module("MedDLLib.qt_process")

    def start(code: str, program: str = sys.executable) -> tuple[Any, Ears]:
        from MedDLLogic.jobs.process import Launch

        ears = Ears()
        process = module.QtProcess(Launch(program, ("-c", code), dict(os.environ)), ears)
        process.start()
        return process, ears

    return start


def test_output_log_and_end_are_told(python: Any, application: Application) -> None:
    _, ears = python("import sys; print('out'); print('log', file=sys.stderr); sys.exit(3)")
    application.wait_until(lambda: ears.endings != [])
    assert (ears.output, ears.log, ears.endings) == (b"out\n", b"log\n", [3])


def test_what_is_written_arrives_and_the_end_of_input_too(python: Any, application: Application) -> None:
    process, ears = python("import sys; print(len(sys.stdin.buffer.read()))")
    process.write(b"x" * 300_000)
    process.close_input()
    application.wait_until(lambda: ears.endings != [])
    assert ears.output == b"300000\n"


def test_a_killed_process_is_told_by_its_signal(python: Any, application: Application) -> None:
    process, ears = python("import time; time.sleep(60)")
    process.kill()
    application.wait_until(lambda: ears.endings != [])
    assert ears.endings == [-9]


def test_a_process_that_hears_the_request_to_end_ends(python: Any, application: Application) -> None:
    process, ears = python("import time; print('up', flush=True); time.sleep(60)")
    application.wait_until(lambda: ears.output != b"")
    process.terminate()
    application.wait_until(lambda: ears.endings != [])
    assert ears.endings == [-15]


def test_a_child_of_the_process_is_killed_with_it(python: Any, application: Application) -> None:
    code = "import os, subprocess, sys; os.setsid()\n"
    code += "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    process, ears = python(code + "print(child.pid, flush=True); child.wait()")
    application.wait_until(lambda: ears.output != b"")
    process.kill()
    application.wait_until(lambda: ears.endings != [])
    assert not runs(int(ears.output))


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie, after a moment in which it may still go."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(50):
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.02)
    return True


def test_a_program_that_cannot_start_is_told_once(python: Any, application: Application, tmp_path: Path) -> None:
    process, ears = python("", program=str(tmp_path / "nowhere"))
    application.wait_until(lambda: ears.endings != [])
    process.write(b"x")
    process.kill()
    application.app.processEvents()
    assert len(ears.endings) == 1 and isinstance(ears.endings[0], str)


def test_a_process_nobody_holds_any_more_still_tells_its_end(python: Any, application: Application) -> None:
    ears = python("print('here')")[1]
    importlib.import_module("gc").collect()
    application.wait_until(lambda: ears.endings != [])
    assert ears.endings == [0]


def test_killed_processes_can_be_waited_for_without_qt_going_on(python: Any, application: Application) -> None:
    process, ears = python("import time; time.sleep(60)")
    process.kill()
    importlib.import_module("MedDLLib.qt_process").wait_for_processes()
    assert ears.endings == [-9]


class Work:
    """Busy for a number of ticks."""

    def __init__(self, ticks: int) -> None:
        self.left, self.done = ticks, 0

    @property
    def is_busy(self) -> bool:
        return self.left > 0

    def tick(self) -> None:
        self.left -= 1
        self.done += 1


def test_the_ticker_ticks_while_something_is_busy_and_rests_otherwise(application: Application) -> None:
    ticker, work = importlib.import_module("MedDLLib.qt_process").Ticker(), Work(3)
    ticker.follow(work)
    application.wait_until(lambda: not ticker._timer.isActive())
    work.left = 2
    ticker.wake()
    application.wait_until(lambda: not ticker._timer.isActive())
    assert work.done == 5


def test_a_work_that_breaks_is_told_once_and_the_others_go_on(application: Application, caplog: Any) -> None:
    ticker, broken, work = importlib.import_module("MedDLLib.qt_process").Ticker(), Work(3), Work(3)
    broken.tick = lambda: 1 / 0  # type: ignore[method-assign,assign,return-value]
    ticker.follow(broken)
    ticker.follow(work)
    application.wait_until(lambda: not ticker._timer.isActive())
    assert (work.done, len(caplog.records)) == (3, 1)


def test_a_closed_ticker_does_not_tick(application: Application) -> None:
    ticker, work = importlib.import_module("MedDLLib.qt_process").Ticker(), Work(3)
    ticker.follow(work)
    ticker.close()
    ticker.wake()
    for _ in range(5):
        application.app.processEvents()
    assert work.done == 0


def test_the_worker_starts_without_slicers_python_variables(launch: Any, application: Application) -> None:
    use_python(application, sys.executable)
    application.app.environment_at_start = {"PYTHONHOME": "x", "HTTPS_PROXY": "p"}
    assert launch.module_launch("m").environment == {"HTTPS_PROXY": "p", "PYTHONUTF8": "1"}


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"])
@pytest.mark.parametrize(("is_foreign", "kept"), [(True, "{home}-too:/cuda"), (False, "{home}/lib:{home}-too:/cuda")])
def test_a_foreign_python_does_not_load_slicers_libraries(
    launch: Any, application: Application, is_foreign: bool, kept: str, name: str
) -> None:
    home = application.app.slicerHome
    clean = launch.clean_variables({name: f"{home}/lib:{home}-too:/cuda"}, is_foreign=is_foreign)
    assert clean[name] == kept.format(home=home)


def test_without_a_setting_slicers_own_python_is_taken(launch: Any, tmp_path: Path, monkeypatch: Any) -> None:
    own = tmp_path / "PythonSlicer"
    own.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.module_launch("m").program == str(own)


def test_a_slicer_built_without_pythonslicer_uses_the_python_it_runs_on(
    launch: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.module_launch("m").program == sys.executable


def test_slicer_itself_is_never_taken_for_a_python(launch: Any, tmp_path: Path, monkeypatch: Any) -> None:
    application = tmp_path / "SlicerApp-real"
    application.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(application))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(MedDLError, match="E101"):
        launch.module_launch("m")


def test_a_python_that_is_not_there_is_refused(launch: Any, application: Application) -> None:
    use_python(application, "/nowhere/python")
    with pytest.raises(MedDLError, match="E101"):
        launch.worker_launch(Path())


def test_a_worker_without_packages_is_refused_and_the_page_is_named(launch: Any) -> None:
    with pytest.raises(MedDLError, match=r"E507.*Environment"):
        launch.worker_launch(Path())


def test_the_environment_goes_first_and_the_library_is_our_own_all_the_same(tmp_path: Path) -> None:
    for name in ("numpy", "MedDLLogic"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("is_of_the_environment = True\n")
    (tmp_path / "asked.py").write_text("import MedDLLogic, numpy; print(numpy.__file__, MedDLLogic.__file__)\n")
    command = [sys.executable, str(BOOTSTRAP), "--environment", str(tmp_path), "asked"]
    numpy_file, library_file = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert Path(numpy_file).is_relative_to(tmp_path) and not Path(library_file).is_relative_to(tmp_path)


def test_the_bootstrap_gives_a_module_its_own_arguments(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text("import sys; print(__name__, sys.argv[1:])\n")
    command = [sys.executable, str(BOOTSTRAP), "--environment", str(tmp_path), "asked", "a b", "--environment"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == "__main__ ['a b', '--environment']\n"

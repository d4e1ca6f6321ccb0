"""What is installed is what the library says it needs, in the versions it is tested with."""

from __future__ import annotations

import re
import tomllib

from MedDLLogic.environment.builds import all_builds
from MedDLLogic.environment.stack import WORKER_MODULES, fingerprint, standard_requirements, standard_stack
from Testing.packaging.resolver import CONSTRAINTS, ROOT

NOT_IN_THE_WORKER = {"typer", "rich", "slicer-core"}


def names(lines):
    return {re.split(r"[<>=; ]", line)[0] for line in lines}


def test_the_environment_has_what_the_library_needs_without_its_terminal_and_its_scene():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["standalone"]]
    assert set(standard_requirements()) == {line for line in needed if names([line]) - NOT_IN_THE_WORKER}


def test_versions_are_those_of_the_constraints():
    tested = {line.split("#")[0].strip() for line in CONSTRAINTS.read_text().splitlines()}
    assert set(standard_stack("cpu").constraints) <= tested


def test_each_package_but_torch_is_pinned():
    assert names(standard_requirements()) - names(standard_stack("cpu").constraints) == {"torch"}


def test_each_requirement_is_tested_by_an_import():
    assert set(WORKER_MODULES) == names(standard_requirements())


def test_builds_of_torch_are_new_enough():
    assert all(re.fullmatch(r"torch==2\.1[0-9]\.\d(\+\w+)?", build.requirement) for build in all_builds())


def test_another_build_python_or_system_is_another_environment():
    made = [
        fingerprint(standard_stack(name), python, system)
        for name, python, system in (
            ("cpu", "3.12", "linux-x86_64"),
            ("cu130", "3.12", "linux-x86_64"),
            ("cpu", "3.11", "linux-x86_64"),
            ("cpu", "3.12", "windows-x86_64"),
        )
    ]
    assert len(set(made)) == 4

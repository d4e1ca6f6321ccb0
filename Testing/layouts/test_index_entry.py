"""The entry for the Slicer Extensions Index is one that its checks accept."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import jsonschema
import pytest

from .list_files import ROOT

ENTRY = ROOT / "Resources" / "ExtensionsIndex" / "MedDL.json"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["$schema", "category", "scm_url"],
    "properties": {
        "$schema": {"type": "string", "pattern": r"slicer-extension-catalog-entry-schema-v1\.0\.2\.json#$"},
        "category": {"enum": ["Segmentation", "Pipelines", "Analysis", "Utilities"]},
        "scm_url": {"type": "string", "pattern": r"^https://\S+\.git$"},
        "scm_revision": {"type": "string"},
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "dicom_support_rule": {"type": "string"},
        "build_subdirectory": {"type": "string"},
        "enabled": {"type": "boolean"},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}
"""What version 1.0.2 of Slicer's schema allows, and the categories of the index that suit."""

MAX_REPOSITORY_BYTES = 20_000_000


@pytest.fixture
def entry() -> Any:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def test_its_fields_are_those_of_the_current_schema(entry: Any) -> None:
    jsonschema.validate(entry, SCHEMA)


def test_it_is_named_like_the_project_and_lies_where_the_homepage_says(entry: Any) -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f"project({ENTRY.stem})\n" in cmake
    assert f'set(EXTENSION_HOMEPAGE "{entry["scm_url"].removesuffix(".git")}")' in cmake


def test_the_module_and_the_entry_name_the_same_category(entry: Any) -> None:
    module = (ROOT / "MedDLExtension" / "MedDL.py").read_text(encoding="utf-8")
    assert f'translate("qSlicerAbstractCoreModule", "{entry["category"]}")' in module


def test_icon_and_screenshots_are_files_of_the_repository() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    places = re.findall(r'set\(EXTENSION_(?:ICONURL|SCREENSHOTURLS) "([^"]+)"\)', cmake)
    files = [url.partition("/main/")[2] for line in places for url in line.split()]
    assert len(files) > 1 and all((ROOT / name).is_file() for name in files)


def test_the_repository_is_small() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert sum(path.stat().st_size for path in files if path.is_file()) < MAX_REPOSITORY_BYTES

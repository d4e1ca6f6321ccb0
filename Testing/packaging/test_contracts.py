"""Who may import what: the contracts of pyproject.toml, and the extension's one file outside a package."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

from .resolver import ROOT


def test_the_import_contracts_hold() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "MedDLExtension"), "COLUMNS": "160"}
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout


def test_the_module_file_imports_only_slicer_and_its_own_folder_at_file_scope() -> None:
    tree = ast.parse((ROOT / "MedDLExtension" / "MedDL.py").read_text(encoding="utf-8"))
    assert _imported_at_file_scope(tree) - sys.stdlib_module_names <= {"MedDLLib", "ctk", "qt", "slicer", "vtk"}


def _imported_at_file_scope(tree: ast.Module) -> set[str]:
    plain = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    taken = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | taken}

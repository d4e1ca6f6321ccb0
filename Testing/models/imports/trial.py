"""All hostile files, each tried in a child that is watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .files import UNET, script_bytes, torch_bytes, unet, write_onnx
from .hostile import make_all

TIMEOUT_S = 300
CONTROL, CONTROL_FILE = "careless", "pickle"
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Answer:
    """What became of one hostile file."""

    name: str
    status: int
    said: str
    events: tuple[str, ...]
    written: tuple[str, ...]
    left_canary: bool

    @property
    def is_refused(self) -> bool:
        """One line with a code that is no defect's, and an exit status to go with it."""
        is_line = self.said.startswith("MEDDL-E") and self.said.count("\n") == 1 and len(self.said) <= 201
        return is_line and self.status not in (0, 70)


def try_all(folder: Path) -> tuple[Answer, ...]:
    """Every hostile file, offered with a yes; ``folder`` is empty and takes them.

    The last answer is ``CONTROL``: what is seen where a careless tool loads the first of them.
    """
    home, canary, control = folder / "home", folder / "canary", folder / "control-canary"
    files = make_all(folder / "files", canary)
    (careless,) = make_all(folder / "control", control, only=CONTROL_FILE)
    tried = [_entry(file.name, str(file.path), "--yes", *file.options) for file in files]
    last = _entry(CONTROL, str(careless.path)) | {"is_unsafe": True}
    todo = folder / "todo.json"
    todo.write_text(json.dumps([*_harmless(folder / "harmless"), *tried, last]), encoding="utf-8")
    answers = [found for found in _run(todo, home) if found["name"]]
    kept = sorted(path.name for path in (home / "data").rglob("*") if path.name not in ("models", "lock"))
    return tuple(_answer(found, kept, control if found["name"] == CONTROL else canary) for found in answers)


def _entry(name: str, *arguments: str) -> dict:
    return {"name": name, "arguments": list(arguments), "is_watched": True, "is_unsafe": False}


def _harmless(folder: Path) -> list[dict]:
    """One model of each kind, so that no import that belongs to MedDL counts as an event."""
    folder.mkdir()
    write_onnx(folder / "net.onnx")
    (folder / "net.pt").write_bytes(torch_bytes(unet().state_dict()))
    (folder / "net.ts").write_bytes(script_bytes(unet()))
    (folder / "rdf.yaml").write_text("type: none", encoding="utf-8")
    network = ["--network", "monai.UNet", "--parameters", json.dumps(UNET)]
    every = [[str(folder / "net.onnx")], [str(folder / "net.pt"), *network], [str(folder / "net.ts")]]
    every.append([str(folder / "rdf.yaml")])
    return [_entry("", *arguments, "--json") | {"is_watched": False} for arguments in every]


def _run(todo: Path, home: Path) -> list[dict]:
    environment = os.environ | {"MEDDL_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "Testing.models.imports.watched", str(todo)]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _answer(found: dict, kept: list[str], canary: Path) -> Answer:
    return Answer(found["name"], found["status"], found["said"], tuple(found["events"]), tuple(kept), canary.exists())

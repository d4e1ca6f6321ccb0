"""``python -m Testing.schemas`` writes ``Resources/schemas``."""

from __future__ import annotations

from pathlib import Path

from .generate import DOCUMENTS, schema_text

FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "schemas"

if __name__ == "__main__":
    for name in DOCUMENTS:
        (FOLDER / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8", newline="\n")

"""``meddl models export``: a card with its weights, or a MONAI bundle, in a folder or a zip."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..models.export import card_files, write_export
from ..models.export_bundle import bundle_files, bundle_notes
from ..models.registry import find_card
from .models import show_licenses
from .terminal import Terminal, size_text


def run_export(terminal: Terminal, name: str, target: Path, *, form: Literal["card", "bundle"]) -> None:
    """Write the model; its license goes with it and is shown.

    Raises
    ------
    MedDLError : E101 when the target is there or the card runs others, E403, E404 for its weights, E407 for a card
        that a bundle cannot say, E5xx from writing.
    """
    found = find_card(name)
    files = card_files(found) if form == "card" else bundle_files(found)
    write_export(files, target)
    show_licenses(terminal, found)
    notes = () if form == "card" else bundle_notes(found)
    for note in notes:
        terminal.say(f"Note       {note}")
    size = size_text(sum(map(len, files.values())))
    terminal.say(f"{found.card.name} is in {target} ({len(files)} files, {size}).")
    terminal.data({"name": found.card.name, "target": str(target), "files": sorted(files), "notes": list(notes)})

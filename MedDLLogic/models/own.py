"""The user's own models: a card with its files comes into the folder of cards as a whole, and goes as a whole.

``<models>/NAME.json``, and what it names in ``<models>/NAME/``. The card comes last and goes first, so that files
without a card may be left by a kill, but never a card without its files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..disk import disk_errors, flush
from ..errors import MedDLError
from ..io.write import PARTIAL_PREFIX, sweep_partials, write_bytes, write_text
from ..records import to_json_text
from ..resources import resource_path
from ..scratch import FolderLock, ScratchFolder
from ..storage import models_folder
from .card import CardStage, LocalFile, ModelCard, NetworkStage, Weights
from .registry import FoundCard, find_card


def keep(card: ModelCard, files: Mapping[str, bytes]) -> FoundCard:
    """The card as it was put into the user's folder, ``files`` (by the paths the card names them with) beside it.

    Raises
    ------
    MedDLError : E101 when a model of that name is there, E401 for files that the card does not name, E501, E503,
        E505 from writing, E601 while another process adds or removes one.
    """
    placed, contents = _placed(card, files)
    with _locked():
        require_free_name(card.name)
        sweep_partials(models_folder())
        folder = models_folder() / card.name
        _write_files(folder, contents)
        try:
            write_text(card_file(card.name), to_json_text(placed) + "\n")
        except BaseException:
            _remove_files(folder, contents)
            raise
    return find_card(card.name)


def require_free_name(name: str) -> None:
    """Raise E101 when a model of that name is there."""
    if card_file(name).exists() or (resource_path("Models") / f"{name}.json").exists():
        raise MedDLError("E101", "a model of this name is there", name, "give another one with --name")


def card_file(name: str) -> Path:
    """Where the user's own card of that name lies, or would."""
    return models_folder() / f"{name}.json"


def is_own(found: FoundCard) -> bool:
    """Whether the card lies in the user's folder of cards."""
    return not found.is_shipped and found.folder == models_folder().resolve()


def remove_own(found: FoundCard) -> int:
    """Bytes freed by removing a card of the user's folder and the files that were added with it; E503, E601."""
    name = found.card.name
    with _locked(), disk_errors():
        size = card_file(name).stat().st_size
        card_file(name).unlink()
        paths = [PurePosixPath(path) for path in local_paths(found.card)]
        added = [path.name for path in paths if path.parent == PurePosixPath(name)]
        return size + _remove_files(models_folder() / name, added)


def local_paths(card: ModelCard) -> tuple[str, ...]:
    """The files beside the card that it names."""
    every = (weights.source for stage in card.network_stages for weights in stage.members)
    return tuple(dict.fromkeys(source.path for source in every if isinstance(source, LocalFile)))


def with_paths(card: ModelCard, new_paths: Mapping[str, str]) -> ModelCard:
    """The card with other paths to the files beside it."""

    def moved(weights: Weights) -> Weights:
        source = weights.source
        return replace(weights, source=LocalFile(new_paths[source.path])) if isinstance(source, LocalFile) else weights

    def of_stage(stage: NetworkStage | CardStage) -> NetworkStage | CardStage:
        if not isinstance(stage, NetworkStage):
            return stage
        return replace(stage, weights=moved(stage.weights), ensemble=tuple(map(moved, stage.ensemble)))

    return replace(card, stages=tuple(map(of_stage, card.stages)))


def _placed(card: ModelCard, files: Mapping[str, bytes]) -> tuple[ModelCard, dict[str, bytes]]:
    """The card with its files in a folder of its name, and the files by their names there."""
    names = {path: PurePosixPath(path).name for path in local_paths(card)}
    if set(names) != set(files) or len(set(names.values())) != len(names):
        raise MedDLError("E401", "files of the model", "not those that its card names")
    placed = with_paths(card, {path: f"{card.name}/{file_name}" for path, file_name in names.items()})
    return placed, {names[path]: content for path, content in files.items()}


def _write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """All files, or none of them under their final names."""
    if not contents:
        return
    with disk_errors(), ScratchFolder(folder.parent, PARTIAL_PREFIX) as working:
        whole = working / folder.name
        whole.mkdir()
        for name, content in contents.items():
            write_bytes(whole / name, content)
        _remove_files(folder, contents)  # what a kill left of the same model
        if folder.exists():
            raise MedDLError("E503", "a folder of this name is there", folder.name, "give another name")
        whole.rename(folder)
        flush(folder.parent)


def _remove_files(folder: Path, names: Mapping[str, bytes] | list[str]) -> int:
    """Bytes freed; a folder that holds something else too stays, with that."""
    freed = 0
    for path in (folder / name for name in names):
        if path.is_file() and not path.is_symlink():
            freed += path.stat().st_size
            path.unlink()
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
    return freed


@contextmanager
def _locked() -> Iterator[None]:
    with disk_errors():
        models_folder().mkdir(parents=True, exist_ok=True)
        try:
            lock = FolderLock(models_folder())
        except BlockingIOError as exc:
            raise MedDLError("E601", "a model is being added or removed", "", "wait for its end") from exc
    with lock:
        yield

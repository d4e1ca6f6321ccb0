"""A TorchScript file as a card. It is a program, so nothing of it is loaded: its archive is read as text and numbers."""

from __future__ import annotations

import io
import pickletools
import zipfile
from itertools import islice
from pathlib import PurePosixPath

from ...archives import ARCHIVE_ERRORS
from ...errors import MedDLError
from ..card import Network
from ..content import content_of, require_sound_archive
from .draft import Draft, drafted
from .foreign import Foreign
from .tree import ModelTree

MAX_TABLE_BYTES = 32 << 20
MAX_OPCODES = 4_000_000
_FILE_NAME = "network.ts"
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}


class TorchScriptReader:
    """Knows TorchScript archives."""

    format = "torchscript"

    def recognizes(self, tree: ModelTree) -> bool:
        """Whether the only file of its kind is TorchScript by its members."""
        name = tree.only(".ts", ".pt", ".pth")
        return bool(name) and content_of(tree.content(name)) == "torchscript"

    def read(self, tree: ModelTree, name: str) -> Foreign:
        """The program with a card that assumes what its weights' sizes do not say; E406 when damaged."""
        content = tree.content(tree.only(".ts", ".pt", ".pth"))
        require_sound_archive(content)
        sizes = tensor_sizes(_table(content))
        kernels = [number for number, size in enumerate(sizes) if len(size) in (4, 5)]
        if not kernels:
            raise MedDLError("E407", "TorchScript program is no network for images", "it holds no convolution")
        first, channels_out = sizes[kernels[0]], _channels_out(sizes[kernels[-1] :])
        network = Network("torchscript", dimensions=2 if len(first) == 4 else 3)
        draft = Draft(network, _FILE_NAME, content, first[1], channels_out)
        foreign = drafted(draft, name, "TorchScript")
        guess = "Assumed from its first and last weights: the numbers of channels. Edit inputs and decode."
        trust = f"It is a program, and runs only after: meddl models trust {name}"
        return Foreign(foreign.card, foreign.files, (trust, guess, *foreign.notes))


def tensor_sizes(table: bytes) -> list[tuple[int, ...]]:
    """The size of each tensor that a pickle names, in order, read from its instructions; none is carried out."""
    sizes = []
    try:
        steps = islice(pickletools.genops(table), MAX_OPCODES)
        for opcode, _, _ in steps:
            if opcode.name != "BINPERSID":
                continue
            numbers: list[int] = []
            for inner, argument, _ in steps:
                if inner.name in _TUPLES:
                    break
                if isinstance(argument, int) and "PUT" not in inner.name:
                    numbers.append(argument)
            sizes.append(tuple(numbers[1:]))  # the first is where the tensor starts in its storage
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise MedDLError("E406", "TorchScript file damaged", detail=str(exc)) from exc
    return sizes


def _channels_out(last: list[tuple[int, ...]]) -> int:
    """Of the last convolution: that of its bias where one follows, since transposed ones name their output second."""
    kernel = last[0]
    is_bias = len(last) > 1 and len(last[1]) == 1 and last[1][0] in kernel[:2]
    return last[1][0] if is_bias else kernel[0]


def _table(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            name = next((n for n in archive.namelist() if PurePosixPath(n).name == "data.pkl"), "data.pkl")
            if archive.getinfo(name).file_size > MAX_TABLE_BYTES:
                raise MedDLError("E408", "TorchScript file's table too large")
            return archive.read(name)
    except ARCHIVE_ERRORS as exc:
        raise MedDLError("E406", "TorchScript file damaged", detail=str(exc)) from exc


READER = TorchScriptReader()

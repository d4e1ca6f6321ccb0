"""Feeds damaged headers to the guard: ``python -m Testing.io.fuzz_guard [RUNS] [SEED]``."""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.guard import metaimage, mgh, nifti, nrrd
from MedDLLogic.io.guard.header import VolumeHeader
from Testing.io import formats

NOWHERE = Path("/nowhere/at all/v.nrrd")
_WORDS = [b"nan", b"inf", b"-1", b"0", b"9" * 30, b"(", b")", b"\n", b"\n\n", b"none", b":", b"=", b"1e999", b"LIST"]
_WORDS += [b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0" * 8, b"\xff" * 8]

Guard = Callable[[bytes], VolumeHeader]


def seeds() -> list[tuple[Guard, bytes]]:
    """Each guard with a sound header of each of its dialects."""
    packed = partial(nifti.parse, path=NOWHERE, compressed=True)
    headers: list[tuple[Guard, bytes]] = [
        (packed, formats.nifti(version=version, order=order)) for version in (1, 2) for order in "<>"
    ]
    headers += [(packed, formats.nifti(sform_code=0, quatern=(0.5, 0.5, 0.5), xyzt_units=3))]
    headers += [(partial(mgh.parse, path=NOWHERE, compressed=False), formats.mgh())]
    for content in (formats.nrrd(), formats.nrrd(space_units='"um" "um" "um"'), formats.nrrd(data_file="a b.raw")):
        headers.append((partial(nrrd.parse, path=NOWHERE), content))
    for content in (formats.metaimage(), formats.metaimage(ElementDataFile="v.raw", HeaderSize="-1")):
        headers.append((partial(metaimage.parse, path=NOWHERE), content))
    return headers


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The header with one to six bytes or words changed, moved, doubled or lost."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(damaged) + 1)
        length = chance.choice((0, 1, 2, 4, 8))
        word = chance.choice((*_WORDS, chance.randbytes(1), chance.randbytes(4), bytes(damaged[at : at + 9])))
        damaged[at : at + chance.choice((0, length, len(word)))] = word
    return bytes(damaged) if chance.random() < 0.95 else bytes(damaged[: chance.randrange(len(damaged) + 1)])


def outcome(guard: Guard, head: bytes) -> str:
    """The code of the refusal, or "accepted"; anything but a MedDLError, a warning too, comes through."""
    try:
        guard(head)
    except MedDLError as exc:
        return exc.code
    return "accepted"


def fuzz(runs: int, seed: int) -> tuple[Counter[str], float]:
    """How often each outcome came, and the slowest run in seconds."""
    chance, kinds = random.Random(seed), seeds()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(runs):
            guard, content = chance.choice(kinds)
            head = mutated(content, chance)
            start = time.perf_counter()
            outcomes[outcome(guard, head)] += 1
            slowest = max(slowest, time.perf_counter() - start)
    return outcomes, slowest


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:3]]
    runs, seed = [*arguments, *(20_000, 1)[len(arguments) :]]
    started = time.perf_counter()
    counts, slowest_s = fuzz(runs, seed)
    sys.stdout.write(
        f"{runs / (time.perf_counter() - started):.0f} runs a second, slowest {slowest_s:.3f} s: {dict(counts)}\n"
    )

"""What a label's name means, as SNOMED CT has it: names that trained models give the body's structures."""

from __future__ import annotations

import json
from functools import cache

from ...labels import Code, Terminology
from ...resources import resource_path

_STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")
_SIDES = {"_left": Code("SCT", "7771000", "Left"), "_right": Code("SCT", "24028007", "Right")}


def terminology_of(name: str) -> Terminology | None:
    """The coded meaning of names such as ``"kidney_left"``; None for one that the table does not have, letter by letter.

    A name without a side may stand for both.
    """
    structures = _structures()
    if name in structures:
        return Terminology(_STRUCTURE, structures[name])
    for ending, side in _SIDES.items():
        base = name.removesuffix(ending)
        if base != name and base in structures:
            return Terminology(_STRUCTURE, structures[base], side)
    return None


@cache
def _structures() -> dict[str, Code]:
    table = json.loads(resource_path("Terminologies", "structures.json").read_text(encoding="utf-8"))
    return {name: Code("SCT", value, meaning) for name, (value, meaning) in table["structures"].items()}

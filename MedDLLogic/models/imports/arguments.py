"""A component's arguments, taken one by one: whatever nobody took would have changed the result, and is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import MedDLError
from .monai_config import Component

HARMLESS = frozenset({
    "allow_missing_keys", "data_type", "device", "drop_meta", "dtype", "image_only", "keys", "lazy", "meta_key_postfix",
    "meta_keys", "orig_meta_keys", "overwriting", "simple_keys", "to_tensor", "track_meta", "wrap_sequence",
})  # fmt: skip
"""Change where values are kept or what MONAI notes beside them, not what they are."""


class Arguments:
    """Of a transform with one entry for each of its keys: those for ``key``.

    Raises
    ------
    MedDLError : E407 for values of a kind that has no counterpart, with the transform's and the argument's name.
    """

    def __init__(self, component: Component, key: str = "") -> None:
        self._component, self._key, self._taken = component, key, set(HARMLESS)

    @property
    def key(self) -> str:
        """The entry of the data that counts here."""
        return self._key

    @property
    def target(self) -> str:
        """The component's name."""
        return self._component.target

    def keys(self) -> tuple[str, ...]:
        """The entries of the data that the transform works on."""
        found = self._component.argument("keys", ())
        keys = (found,) if isinstance(found, str) else found
        if not isinstance(keys, (list, tuple)) or not all(isinstance(key, str) for key in keys):
            raise self.refusal("keys")
        return tuple(keys)

    def ignore(self, *names: str) -> None:
        """Take arguments that make no difference here, without a look at them."""
        self._taken |= set(names)

    def value(self, name: str, default: Any = None) -> Any:
        """What the argument comes to; of a list with one entry for each key, the key's own."""
        self._taken.add(name)
        found = self._component.argument(name, default)
        keys = self.keys() if self._key else ()
        is_list = isinstance(found, (list, tuple)) and len(found) == len(keys) and self._key in keys
        # Numbers may be one for each axis: none of MONAI's numbers for an axis differs from key to key.
        return found[keys.index(self._key)] if is_list and not _is_number(found[0]) else found

    def number(self, name: str, default: float | None = None) -> float | None:
        """A number, None where none is given and none is the default."""
        found = self.value(name, default)
        keys = self.keys() if self._key else ()
        if isinstance(found, (list, tuple)) and len(found) == len(keys) and self._key in keys:
            found = found[keys.index(self._key)]
        if found is not None and not _is_number(found):
            raise self.refusal(name)
        return found  # type: ignore[no-any-return]

    def needed(self, name: str) -> float:
        """A number that must be given."""
        found = self.number(name)
        if found is None:
            raise self.refusal(name)
        return found

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        found = self.value(name, default)
        if not isinstance(found, bool):
            raise self.refusal(name)
        return found

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        found = self.value(name, default)
        if not isinstance(found, str):
            raise self.refusal(name)
        return found

    def three(self, name: str) -> tuple[float, float, float]:
        """A number for each axis in MONAI's order; the last of fewer, and a single one, is for all that follow."""
        found = self.value(name)
        numbers = list(found) if isinstance(found, (list, tuple)) else [found]
        if not 1 <= len(numbers) <= 3 or not all(map(_is_number, numbers)):
            raise self.refusal(name)
        first, second, third = (*numbers, *([numbers[-1]] * (3 - len(numbers))))
        return first, second, third

    def require(self, name: str, *allowed: Any) -> None:
        """Refuse an argument with any other value than these; MONAI's default is the first."""
        if self.value(name, allowed[0]) not in allowed:
            raise self.refusal(name)

    def require_no_others(self, known: Iterable[str] = ()) -> None:
        """Refuse whatever was not taken by now."""
        others = sorted(set(self._component.names) - self._taken - set(known))
        if others:
            raise self.refusal(others[0])

    def refusal(self, name: str) -> MedDLError:
        """What to say of an argument whose value has no counterpart."""
        return MedDLError("E407", "part of the bundle has no counterpart here", f"{self.target[:40]}, its {name[:40]}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

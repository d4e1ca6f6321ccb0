"""How values lie in a parameter node: the same names and texts as a true Slicer writes, so scenes can be exchanged."""

from __future__ import annotations

import enum
import pathlib
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import slicer as headless


class Default:
    """The value before anybody sets one."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._generator() if self._generator else self._value


class Validator:
    """Refuses a value by raising."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError


class Choice(Validator):
    """One out of a list."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


class WithinRange(Validator):
    """A number between two others, both allowed."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    """A number not below another."""

    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    """A number not above another."""

    def __init__(self, maximum: float) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class _IsA(Validator):
    def __init__(self, kinds: Any, *, may_be_none: bool = False) -> None:
        self._kinds, self._may_be_none = kinds, may_be_none

    def validate(self, value: Any) -> None:
        if value is None and not self._may_be_none:
            raise ValueError("Value must not be None")
        if value is not None and not isinstance(value, self._kinds):
            raise TypeError(f"Value must be of type '{self._kinds}', is type '{type(value)}' value '{value}'")


class Kind:
    """One kind of value: where it lies and how it is written."""

    validators: tuple[Validator, ...] = ()

    def default(self) -> Any:
        raise NotImplementedError

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def fits(self, value: Any) -> bool:
        try:
            self.validate(value)
        except (TypeError, ValueError):
            return False
        return True

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def put(self, node: Any, name: str, value: Any) -> None:
        """Validate and write."""
        self.validate(value)
        self.write(node, name, value)

    def write(self, node: Any, name: str, value: Any) -> None:
        raise NotImplementedError

    def read(self, node: Any, name: str) -> Any:
        raise NotImplementedError

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class Plain(Kind):
    """A text, number, truth value, path or member of an enumeration: one parameter."""

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self.validators = (_IsA((int, float) if kind is float else kind),)

    def default(self) -> Any:
        if issubclass(self._kind, enum.Enum):
            return next(iter(self._kind))
        return 0 if self._kind in {int, float} else self._kind()

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any, name: str) -> Any:
        text = node.GetParameter(name)
        if self._kind is bool:
            return text == "True"
        if issubclass(self._kind, enum.Enum):
            if text not in self._kind.__members__:
                raise ValueError(f"Found {text!r} in parameter node but it is not a name in {self._kind!r}")
            return self._kind[text]
        return self._kind(text)


class NodeOf(Kind):
    """A node: a reference, and an empty parameter that says that there is one."""

    def __init__(self, kind: type) -> None:
        self.validators = (_IsA(kind, may_be_none=True),)

    def default(self) -> Any:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class Nothing(Kind):
    """None, as one of several kinds."""

    def default(self) -> Any:
        return None

    def validate(self, value: Any) -> None:
        if value is not None:
            raise ValueError("Value must be None")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True")

    def read(self, node: Any, name: str) -> Any:
        return None


class OneOf(Kind):
    """One of several kinds, each under its number."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = tuple(kinds)

    def default(self) -> Any:
        is_optional = len(self._kinds) == 2 and isinstance(self._kinds[1], Nothing)
        return None if is_optional else self._kinds[0].default()

    def is_in(self, node: Any, name: str) -> bool:
        return any(kind.is_in(node, f"{name}_{index}") for index, kind in enumerate(self._kinds))

    def validate(self, value: Any) -> None:
        super().validate(value)
        if not any(kind.fits(value) for kind in self._kinds):
            raise TypeError(f"Unable to write value '{value}' of type '{type(value)}'")

    def write(self, node: Any, name: str, value: Any) -> None:
        # None is a value of a node, too; a kind of its own for it goes first, as in the true one.
        order = sorted(
            range(len(self._kinds)), key=lambda i: not (value is None and isinstance(self._kinds[i], Nothing))
        )
        index = next(index for index in order if self._kinds[index].fits(value))
        with modifying(node):
            self.remove(node, name)
            self._kinds[index].write(node, f"{name}_{index}", value)

    def read(self, node: Any, name: str) -> Any:
        for index, kind in enumerate(self._kinds):
            if kind.is_in(node, f"{name}_{index}"):
                return kind.read(node, f"{name}_{index}")
        raise KeyError(f"Unable to find value for name: {name}")

    def remove(self, node: Any, name: str) -> None:
        for index, kind in enumerate(self._kinds):
            kind.remove(node, f"{name}_{index}")


class ListOf(Kind):
    """A list: its length, and each value under its number."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def default(self) -> Any:
        return []

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(f"{name}_len"))

    def write(self, node: Any, name: str, value: Any) -> None:
        values = list(value)
        for one in values:
            self._kind.validate(one)
        with modifying(node):
            for index in range(len(values), self._length(node, name)):
                self._kind.remove(node, f"{name}_{index}")
            for index, one in enumerate(values):
                self._kind.write(node, f"{name}_{index}", one)
            node.SetParameter(f"{name}_len", str(len(values)))

    def read(self, node: Any, name: str) -> Any:
        return KeptList(self, node, name, self.values(node, name))

    def values(self, node: Any, name: str) -> list[Any]:
        return [self._kind.read(node, f"{name}_{index}") for index in range(self._length(node, name))]

    def remove(self, node: Any, name: str) -> None:
        for index in range(self._length(node, name)):
            self._kind.remove(node, f"{name}_{index}")
        node.UnsetParameter(f"{name}_len")

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}_len") or 0)


class TupleOf(Kind):
    """A tuple: each value under its number."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = tuple(kinds)

    def default(self) -> Any:
        return tuple(kind.default() for kind in self._kinds)

    def is_in(self, node: Any, name: str) -> bool:
        return self._kinds[0].is_in(node, f"{name}_0")

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) != len(self._kinds):
            raise ValueError("Unexpected number of tuple values")
        for kind, one in zip(self._kinds, value, strict=True):
            kind.validate(one)

    def write(self, node: Any, name: str, value: Any) -> None:
        with modifying(node):
            for index, (kind, one) in enumerate(zip(self._kinds, value, strict=True)):
                kind.write(node, f"{name}_{index}", one)

    def read(self, node: Any, name: str) -> Any:
        return tuple(kind.read(node, f"{name}_{index}") for index, kind in enumerate(self._kinds))

    def remove(self, node: Any, name: str) -> None:
        for index, kind in enumerate(self._kinds):
            kind.remove(node, f"{name}_{index}")


class DictOf(Kind):
    """A dictionary: a list of pairs."""

    def __init__(self, key: Kind, value: Kind) -> None:
        self._pairs = ListOf(TupleOf((key, value)))

    def default(self) -> Any:
        return {}

    def is_in(self, node: Any, name: str) -> bool:
        return self._pairs.is_in(node, name)

    def write(self, node: Any, name: str, value: Any) -> None:
        self._pairs.write(node, name, list(value.items()))

    def read(self, node: Any, name: str) -> Any:
        return KeptDict(self, node, name, dict(self._pairs.values(node, name)))

    def remove(self, node: Any, name: str) -> None:
        self._pairs.remove(node, name)


class KeptList(typing.MutableSequence[Any]):
    """A list whose changes go into the parameter node; it cannot be added to another."""

    def __init__(self, kind: ListOf, node: Any, name: str, values: list[Any]) -> None:
        self._kind, self._node, self._name, self._values = kind, node, name, values

    def _keep(self) -> None:
        self._kind.write(self._node, self._name, self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[index] = value
        self._keep()

    def __delitem__(self, index: Any) -> None:
        del self._values[index]
        self._keep()

    def insert(self, index: int, value: Any) -> None:
        self._values.insert(index, value)
        self._keep()

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, KeptList) else other)

    __hash__ = None  # type: ignore[assignment]


class KeptDict(typing.MutableMapping[Any, Any]):
    """A dictionary whose changes go into the parameter node."""

    def __init__(self, kind: DictOf, node: Any, name: str, values: dict[Any, Any]) -> None:
        self._kind, self._node, self._name, self._values = kind, node, name, values

    def _keep(self) -> None:
        self._kind.write(self._node, self._name, self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def get(self, key: Any) -> Any:  # type: ignore[override]
        """The true one takes no default."""
        return self._values.get(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[key] = value
        self._keep()

    def __delitem__(self, key: Any) -> None:
        del self._values[key]
        self._keep()

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, KeptDict) else other)

    __hash__ = None  # type: ignore[assignment]


def split_annotations(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The bare type and what is annotated to it."""
    arguments = typing.get_args(Annotated[hint, None])
    return arguments[0], arguments[1:-1]


def kind_of(hint: Any) -> Kind:
    """How values of this annotated type are kept.

    Raises
    ------
    TypeError : the wrapper does not know such a type; nor does the true one.
    """
    bare, annotations = split_annotations(hint)
    kind = _bare_kind_of(bare)
    kind.validators += tuple(item for item in annotations if isinstance(item, Validator))
    return kind


def _bare_kind_of(bare: Any) -> Kind:
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if origin is typing.Union:
        return OneOf([kind_of(part) for part in arguments])
    if origin is types.UnionType:
        raise TypeError(f"{bare}: write Union or Optional, the wrapper knows no X | Y")
    if origin is list:
        return ListOf(kind_of(arguments[0]))
    if origin is tuple:
        return TupleOf([kind_of(part) for part in arguments])
    if origin is dict:
        return DictOf(kind_of(arguments[0]), kind_of(arguments[1]))
    if bare is type(None):
        return Nothing()
    if isinstance(bare, type) and issubclass(bare, headless.vtkMRMLNode):
        return NodeOf(bare)
    is_plain = isinstance(bare, type) and (
        bare in {str, int, float, bool} or issubclass(bare, (enum.Enum, pathlib.PurePath))
    )
    if is_plain:
        return Plain(bare)
    raise TypeError(f"Unable to create serializer for type: {bare}")


def node_classes_of(hint: Any) -> list[str]:
    """Names of the node classes in a node type or a union of them; empty for anything else."""
    bare, _ = split_annotations(hint)
    parts = typing.get_args(bare) if typing.get_origin(bare) is typing.Union else (bare,)
    kinds = [split_annotations(part)[0] for part in parts]
    are_nodes = all(isinstance(k, type) and issubclass(k, (headless.vtkMRMLNode, type(None))) for k in kinds)
    return [kind().GetClassName() for kind in kinds if kind is not type(None)] if are_nodes else []


def modifying(node: Any) -> Any:
    """The true ``slicer.util.NodeModify``."""
    return sys.modules["slicer"].util.NodeModify(node)

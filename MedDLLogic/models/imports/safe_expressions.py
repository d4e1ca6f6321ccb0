"""The small arithmetic of foreign configurations, worked out from its syntax tree: nothing is ever compiled or run.

Numbers, texts, lists, comparisons, conditions, indices and nine plain functions are known. Whatever else stands
there is refused by its name.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...errors import MedDLError

MAX_LENGTH = 1000
"""Characters of one expression."""

MAX_ENTRIES = 10_000
"""Entries of a list with those of the lists in it, and characters of a text."""

MAX_MAGNITUDE = 1e15
MAX_EXPONENT = 64
MAX_DIGITS = 15
MAX_DEPTH = 40

NAME = "<expression of a model>"
"""What Python's parser is told as the file's name."""

_NUMBERS = (int, float)
_SEQUENCES = (list, tuple)

_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_SIGNS: Mapping[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _range(*numbers: int) -> list[int]:
    found = range(*numbers)
    if len(found) > MAX_ENTRIES:
        raise OverflowError("a range too long")
    return list(found)


def _round(number: float, digits: int = 0) -> float:
    if abs(digits) > MAX_DIGITS:
        raise OverflowError("a rounding too fine")
    return round(number, digits) if digits else round(number)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "float": float,
    "int": int,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "range": _range,
    "round": _round,
    "sum": sum,
    "tuple": tuple,
}


def evaluate(text: str, known: Mapping[str, Any]) -> Any:
    """What an expression comes to: numbers, texts, lists of these, and what ``known`` holds, untouched.

    Parameters
    ----------
    known : names that may stand in the text, and their values.

    Raises
    ------
    MedDLError : E405 for anything that is not plain arithmetic, by its name; E401 for what does not work out.
    """
    if len(text) > MAX_LENGTH:
        raise _refused("an expression too long")
    try:
        tree = ast.parse(text.strip(), NAME, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise _refused("a program", text) from exc
    try:
        return _Reckoner(known).value(tree.body)
    except RecursionError as exc:
        raise _refused("an expression too deep") from exc
    except (TypeError, ValueError, ArithmeticError, LookupError) as exc:
        raise MedDLError("E401", "expression of the model does not work out", text[:60], detail=str(exc)) from exc


class _Reckoner:
    """Works out one tree; kinds of nodes without a method here are refused."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known, self._depth = known, 0

    def value(self, node: ast.expr) -> Any:
        found_how = self._KINDS.get(type(node))
        if found_how is None:
            raise _refused(type(node).__name__, ast.unparse(node))
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _refused("an expression too deep")
        found = found_how(self, node)
        self._depth -= 1
        return _modest(found)

    def _constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, (*_NUMBERS, str)) or node.value is None:
            return node.value
        raise _refused(type(node.value).__name__)

    def _name(self, node: ast.Name) -> Any:
        if node.id not in self._known:
            raise _refused("the name", node.id)
        return self._known[node.id]

    def _list(self, node: ast.List | ast.Tuple) -> list[Any]:
        return [self.value(part) for part in node.elts]

    def _signed(self, node: ast.UnaryOp) -> Any:
        if type(node.op) not in _SIGNS:
            raise _refused(type(node.op).__name__)
        return _SIGNS[type(node.op)](self.value(node.operand))

    def _arithmetic(self, node: ast.BinOp) -> Any:
        if type(node.op) not in _ARITHMETIC:
            raise _refused(type(node.op).__name__)
        return _worked_out(node.op, self.value(node.left), self.value(node.right))

    def _logic(self, node: ast.BoolOp) -> Any:
        found: Any = None
        for part in node.values:
            found = self.value(part)
            if bool(found) != isinstance(node.op, ast.And):
                return found
        return found

    def _comparison(self, node: ast.Compare) -> bool:
        left = self.value(node.left)
        for sign, part in zip(node.ops, node.comparators, strict=True):
            if type(sign) not in _COMPARISONS:
                raise _refused(type(sign).__name__)
            right = self.value(part)
            if not _COMPARISONS[type(sign)](left, right):
                return False
            left = right
        return True

    def _condition(self, node: ast.IfExp) -> Any:
        return self.value(node.body) if self.value(node.test) else self.value(node.orelse)

    def _part(self, node: ast.Subscript) -> Any:
        of, place = self.value(node.value), node.slice
        if isinstance(place, ast.Slice):
            ends = (place.lower, place.upper, place.step)
            return of[slice(*(None if end is None else self.value(end) for end in ends))]
        return of[self.value(place)]

    def _call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise _refused("the call", ast.unparse(node.func))
        return _FUNCTIONS[node.func.id](*(self.value(part) for part in node.args))

    _KINDS: ClassVar[Mapping[type, Callable[[Any, Any], Any]]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.List: _list,
        ast.Tuple: _list,
        ast.UnaryOp: _signed,
        ast.BinOp: _arithmetic,
        ast.BoolOp: _logic,
        ast.Compare: _comparison,
        ast.IfExp: _condition,
        ast.Subscript: _part,
        ast.Call: _call,
    }


def _worked_out(sign: ast.operator, left: Any, right: Any) -> Any:
    operation = _ARITHMETIC[type(sign)]
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        if isinstance(sign, ast.Pow) and abs(right) > MAX_EXPONENT:
            raise _refused("an exponent too large")
        return operation(left, right)
    if isinstance(sign, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(sign, ast.Add) and isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
        return [*left, *right]
    if isinstance(sign, ast.Mult) and isinstance(left, _SEQUENCES) and isinstance(right, int):
        if right * len(left) > MAX_ENTRIES:
            raise _refused("a list too long")
        return list(left) * right
    raise _refused("arithmetic with other things than numbers, texts and lists")


def _modest(found: Any) -> Any:
    """The value itself, unless it is larger than any setting of a model needs to be."""
    if isinstance(found, _NUMBERS) and not (math.isfinite(found) and abs(found) <= MAX_MAGNITUDE):
        raise _refused("a number too large")
    if isinstance(found, (str, *_SEQUENCES)) and _entries(found, MAX_ENTRIES) > MAX_ENTRIES:
        raise _refused("a list or text too long")
    return found


def _entries(found: Any, most: int) -> int:
    """Characters and entries, inner ones too; counting ends soon after ``most``."""
    if isinstance(found, str):
        return len(found)
    if not isinstance(found, _SEQUENCES):
        return 1
    count = 0
    for item in found:
        count += 1 + (_entries(item, most - count) if isinstance(item, _SEQUENCES) else 0)
        if count > most:
            break
    return count


def _refused(what: str, name: str = "") -> MedDLError:
    why = f"{what} {name[:60]}".strip()
    return MedDLError("E405", "model contains an expression that MedDL does not work out", why)

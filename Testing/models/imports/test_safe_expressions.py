"""Small arithmetic works out as in Python; whatever else stands there is refused by name, at once."""

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.safe_expressions import evaluate

KNOWN = {"n": 3, "sizes": [96, 96, 32], "fine": True, "net": object()}


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 * 3 - 4 / 8", "7 // 2 + 7 % 4", "2 ** 10", "-n", "not fine", "sizes[0] // 2", "sizes[1:]", "sizes + [n]",
        "[n] * 2", "len(sizes) + max(sizes) - min(1, 2)", "int(1.9) + float('2.5')", "round(2.5)", "round(1.234, 2)",
        "'/models' + '/model.pt'", "[1.5, 1.5] if fine else [3.0]", "1 < n <= 3 and fine", "n == 4 or sizes",
        "sum(range(4))", "list(range(0, 6, 2))", "abs(-2)", "None", "sizes[-1]", "(1, 2)[1]", "n != 3 or n >= 3 > 1",
    ],
)  # fmt: skip
def test_it_comes_to_what_python_says(text):
    assert evaluate(text, KNOWN) == eval(text, dict(KNOWN))


def test_what_is_known_passes_through_untouched():
    assert evaluate("[net] + []", KNOWN) == [KNOWN["net"]]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("__import__('os').system('ls')", "os"), ("open('x')", "open"), ("().__class__", "Attribute"),
        ("eval('1')", "eval"), ("torch.device('cpu')", "torch.device"), ("lambda: 1", "Lambda"),
        ("[x for x in sizes]", "ListComp"), ("f'{n}'", "JoinedStr"), ("{'a': 1}", "Dict"), ("b'x'", "bytes"),
        ("import os", "import os"), ("x := 1", "x := 1"), ("net + 1", "numbers"), ("'%99d' % 5", "numbers"),
        ("'a' * 9", "numbers"), ("max(sizes, key=len)", "max"), ("n @ n", "MatMult"), ("n in sizes", "In"), ("y", "y"),
        ("~n", "Invert"), ("await n", "await"), ("[*sizes]", "Starred"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(text, name):
    with pytest.raises(MedDLError) as caught:
        evaluate(text, KNOWN)
    assert caught.value.code == "E405" and name in caught.value.why


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9", "2 ** 65", "1e300 * 1e300", "[0] * 10 ** 9", "[[0] * 9999] * 9999", "range(10 ** 12)",
        "round(7, -10 ** 9)", "float('inf')", "-" * 500 + "1", "(" * 400 + "1" + ")" * 400, "lambda:" * 140 + "1",
        "1" * 1001, "sizes[0]" + "[0]" * 300, "1 / 0", "sizes[9]", "int('x')",
    ],
)  # fmt: skip
def test_bombs_and_nonsense_are_refused_before_they_go_off(text):
    with pytest.raises(MedDLError) as caught:
        evaluate(text, KNOWN)
    assert caught.value.code in ("E401", "E405")


def test_lists_cannot_grow_from_reference_to_reference():
    grown = evaluate("[n] * 9000", KNOWN)
    with pytest.raises(MedDLError, match="too long"):
        evaluate("[grown] * 9000", {"grown": grown})

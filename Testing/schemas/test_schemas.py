"""The shipped JSON Schemas are those of the records, and accept whatever the records accept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from MedDLLogic.errors import MedDLError
from MedDLLogic.records import from_json, to_json

from .generate import DOCUMENTS, schema, schema_text
from .samples import CARDS, SAMPLES, SCHEMA_FOLDER, STEPS, all_kinds

STRANGE = (None, True, 0, 2.5, "", "text", [], ["text"], {}, {"kind": "nothing"})
VALIDATORS = {name: Draft202012Validator(schema(name)) for name in DOCUMENTS}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sample" in metafunc.fixturenames:
        pairs = [(name, sample) for name, samples in SAMPLES.items() for sample in samples]
        metafunc.parametrize(("name", "sample"), pairs, ids=[f"{name}-{n}" for n, (name, _) in enumerate(pairs)])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_shipped_schema_is_the_records_own(name: str) -> None:
    shipped = (SCHEMA_FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text(name), "run python -m Testing.schemas"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_shipped_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_shipped_card_fits_the_schema(path: Any) -> None:
    VALIDATORS["card"].validate(json.loads(path.read_text(encoding="utf-8")))


def test_the_samples_hold_a_step_of_every_kind() -> None:
    assert {step["kind"] for step in STEPS} == all_kinds()


def test_a_document_that_the_record_wrote_fits_the_schema(name: str, sample: Any) -> None:
    VALIDATORS[name].validate(to_json(from_json(DOCUMENTS[name], sample)))


def test_an_unknown_key_is_refused_wherever_it_stands(name: str, sample: Any) -> None:
    assert [changed for changed in _with_a_key_more(sample) if VALIDATORS[name].is_valid(changed)] == []


def test_the_schema_accepts_whatever_the_record_accepts(name: str, sample: Any) -> None:
    changes = [changed for change in (_without, _strange) for changed in change(sample)]
    wronged = [changed for changed in changes if _reads(name, changed) and not VALIDATORS[name].is_valid(changed)]
    assert wronged == []


def _reads(name: str, document: Any) -> bool:
    try:
        from_json(DOCUMENTS[name], document)
    except MedDLError:
        return False
    return True


Path = tuple[Any, ...]


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to each value inside a document, the document itself not counted."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from _places(item, (*path, key))


def _changed(document: Any, path: Path, change: Callable[[Any, Any], None]) -> Any:
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return changed


def _with_a_key_more(document: Any) -> Iterator[Any]:
    yield document | {"surplus": {}}
    for path in _places(document):
        yield _changed(document, path, _add_a_key)


def _add_a_key(parent: Any, key: Any) -> None:
    """To an object; where keys are free, as among a network's parameters, the value is none that fits."""
    parent[key] = {**parent[key], "surplus": {"surplus": None}} if isinstance(parent[key], dict) else {"surplus": None}


def _without(document: Any) -> Iterator[Any]:
    for path in _places(document):
        yield _changed(document, path, lambda parent, key: parent.pop(key))


def _strange(document: Any) -> Iterator[Any]:
    for path in _places(document):
        for value in STRANGE:
            yield _changed(document, path, lambda parent, key, value=value: parent.__setitem__(key, value))

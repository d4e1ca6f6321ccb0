"""Tensors come out of files; programs, damage and growth do not get as far as that."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.imports.tensors import read_checkpoint, read_state, safetensors_bytes, state_of

from .files import torch_bytes


class Runs:
    def __reduce__(self):
        return (print, ("it ran",))


def refusal(content):
    with pytest.raises(MedDLError) as caught:
        read_checkpoint(content)
    return caught.value.code


def test_numbers_texts_and_numpy_values_come_with_the_tensors():
    value = {"weights": torch.ones(2), "epoch": 3, "name": "a", "best": np.float32(0.5), "loss": np.arange(3.0)}
    found = read_checkpoint(torch_bytes(value))
    assert found["epoch"] == 3 and found["best"] == 0.5 and found["loss"].tolist() == [0.0, 1.0, 2.0]


def test_a_program_is_refused_and_does_not_run(capsys):
    assert refusal(torch_bytes({"weights": Runs()})) == "E405"
    assert refusal(pickle.dumps(Runs())) in ("E405", "E406")
    assert capsys.readouterr().out == ""


def test_a_flipped_bit_is_found_by_its_checksum():
    content = bytearray(torch_bytes({"weights": torch.arange(1000.0)}))
    content[len(content) // 2] ^= 1
    assert refusal(bytes(content)) == "E406"


def test_an_archive_that_grows_when_read_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data/0", "w") as member:
        for _ in range(80):
            member.write(bytes(1 << 20))
    assert refusal(file.getvalue()) in ("E406", "E408")


def test_a_table_under_a_key_is_found_and_other_things_are_refused():
    table = {"weights": torch.ones(2)}
    assert state_of({"net": table, "epoch": 1}, "model", "net") == table
    for wrong in ({}, [1], {"weights": 1}, {1: torch.ones(1)}):
        with pytest.raises(MedDLError, match=r"E406"):
            state_of(wrong)


def test_safetensors_hold_the_same_values_where_tensors_share_memory():
    shared = torch.arange(4.0)
    written = load(safetensors_bytes({"a": shared, "b": shared[::2]}))
    assert written["a"].tolist() == [0, 1, 2, 3] and written["b"].tolist() == [0, 2]


def test_a_damaged_safetensors_file_is_refused():
    content = safetensors_bytes({"a": torch.ones(3)})
    with pytest.raises(MedDLError, match=r"E406"):
        read_state(content[:-4])

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.jobs.exchange import (
    get_image,
    new_exchange_folder,
    put_image,
    read_result,
    sweep_exchange,
    write_result,
)
from MedDLLogic.labels import Code, LabelTable, Segment, Terminology
from MedDLLogic.result import AppliedStep, Measurement, Provenance, Result

GRID = Geometry((3, 4, 5), np.array([[0, -0.7, 0, 1], [0.1, 0, 0, 2], [0, 0, 1 / 3, 3], [0, 0, 0, 1.0]]))


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    return caught.value.code


@pytest.fixture
def image():
    voxels = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    return Image(voxels, GRID, ("t1", "t2"), "MR", "HU", "1.2.3")


@pytest.fixture
def result():
    tissue = Code("SCT", "85756007", "Tissue")
    table = LabelTable(
        (Segment("a", "A", 1, (1, 2, 3), Terminology(tissue, tissue)), Segment("b", "B", 300, (4, 5, 6), layer=1))
    )
    layers = (np.eye(12).reshape(3, 4, 12)[..., :5].astype(np.uint8), np.full((3, 4, 5), 300, np.uint16))
    provenance = Provenance("card", device="cpu", steps=(AppliedStep("s", {"kind": "orient"}, {"found": [1, 2.5]}),))
    probabilities = {"b": np.linspace(0, 1, 60).reshape(3, 4, 5).astype(np.float16)}
    doubt = {"entropy": np.full((3, 4, 5), 0.25, np.float32), "variance": np.zeros((3, 4, 5), np.float32)}
    return Result(GRID, layers, table, probabilities, (Measurement("a", "volume", 1.5, "ml"),), provenance, doubt)


def assert_same_image(one: Image, other: Image):
    assert one.voxels.dtype == other.voxels.dtype
    assert one.voxels.tobytes() == other.voxels.tobytes()
    assert [getattr(one, f) for f in ("geometry", "channel_names", "modality", "units", "frame_of_reference")] == [
        getattr(other, f) for f in ("geometry", "channel_names", "modality", "units", "frame_of_reference")
    ]


def test_an_image_comes_back_bit_for_bit(tmp_path, image):
    assert_same_image(get_image(tmp_path, put_image(tmp_path, image)), image)


kinds = st.sampled_from(["bool", "uint8", "int16", ">i2", "uint64", "float16", "float32", ">f8"])
arrays = kinds.flatmap(lambda kind: st_numpy.arrays(kind, st.tuples(*[st.integers(1, 4)] * 4)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=arrays, order=st.permutations(range(4)))
def test_any_array_comes_back_bit_for_bit(tmp_path, array, order):
    voxels = array.transpose(order)
    names = tuple(str(n) for n in range(len(voxels)))
    image = Image(voxels, Geometry(voxels.shape[1:], np.eye(4), UNKNOWN), names)
    assert_same_image(get_image(tmp_path, put_image(tmp_path, image)), image)


def test_the_same_image_is_stored_once(tmp_path, image):
    handle = put_image(tmp_path, image)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert put_image(tmp_path, image) == handle
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_the_handle_tells_apart_all_that_makes_an_image(tmp_path, image):
    others = [
        image,
        image.with_voxels(image.voxels + np.float32(1)),
        image.with_voxels(image.voxels.astype(np.float64)),
        image.with_voxels(image.voxels, GRID.transformed(np.diag([1, 1, 2.0, 1]))),
        replace(image, channel_names=("t2", "t1")),
        replace(image, units="SUV"),
    ]
    assert len({put_image(tmp_path, other) for other in others}) == len(others)


@pytest.mark.parametrize("handle", ["", "../x", "0" * 63, "0" * 64, "A" * 64, "0" * 60 + "/../"])
def test_a_handle_that_names_nothing_is_refused(tmp_path, handle):
    assert code_of(lambda: get_image(tmp_path, handle)) == "E301"


def flip_a_bit(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize("spoil", [flip_a_bit, lambda c: c[:-1], lambda c: c[:20], lambda c: b"", lambda c: b"PK" + c])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_spoiled_image_is_refused(tmp_path, image, suffix, spoil):
    handle = put_image(tmp_path, image)
    path = tmp_path / f"{handle}{suffix}"
    path.write_bytes(spoil(path.read_bytes()))
    assert code_of(lambda: get_image(tmp_path, handle)) == "E305"


def test_objects_are_never_unpickled(tmp_path, image):
    handle = put_image(tmp_path, image)
    np.save(tmp_path / f"{handle}.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert code_of(lambda: get_image(tmp_path, handle)) == "E305"


def test_a_record_of_another_image_is_refused(tmp_path, image):
    handle, other = put_image(tmp_path, image), put_image(tmp_path, replace(image, units="SUV"))
    (tmp_path / f"{other}.json").replace(tmp_path / f"{handle}.json")
    assert code_of(lambda: get_image(tmp_path, handle)) == "E305"


def test_a_result_comes_back_whole(tmp_path, result):
    write_result(tmp_path / "r", result)
    back = read_result(tmp_path / "r")
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(back.layers, result.layers, strict=True))
    assert np.array_equal(back.probabilities["b"], result.probabilities["b"])
    assert {kind: volume.tobytes() for kind, volume in back.uncertainty.items()} == {
        kind: volume.tobytes() for kind, volume in result.uncertainty.items()
    }
    assert (back.geometry, back.table, back.measurements) == (result.geometry, result.table, result.measurements)
    assert back.provenance == result.provenance


def change(record: dict, *keys, value):
    for key in keys[:-1]:
        record = record[key]
    record[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("layers",), []),
        (("geometry", "shape_kji"), [3, 4, 6]),
        (("geometry", "ijk_to_lps"), [[0, 0, 0, 0]] * 4),
        (("segments", 0, "value"), 0),
        (("segments", 0, "extra"), 1),
        (("layers", 0, "dtype"), "|O"),
        (("layers", 0, "shape"), [10**9, 10**9, 10**9]),
    ],
)
def test_a_result_that_cannot_be_is_refused(tmp_path, result, keys, value):
    write_result(tmp_path, result)
    record = json.loads((tmp_path / "result.json").read_text())
    change(record, *keys, value=value)
    (tmp_path / "result.json").write_text(json.dumps(record))
    assert code_of(lambda: read_result(tmp_path)) in {"E305", "E307", "E306", "E332", "E402"}


def test_a_result_that_is_not_there_is_told(tmp_path):
    assert code_of(lambda: read_result(tmp_path)) == "E301"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_an_exchange_folder_is_its_owners_alone_and_goes(tmp_path, image):
    with new_exchange_folder(tmp_path / "base") as folder:
        put_image(folder, image)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)] == [0o700, 0o700]
    assert not folder.exists()


def test_folders_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path):
    living = new_exchange_folder(tmp_path)
    dead = new_exchange_folder(tmp_path)
    os.close(dead._descriptor)
    assert sweep_exchange(tmp_path) == 1
    assert living.path.is_dir()
    living.close()


def test_an_exchange_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    assert code_of(lambda: new_exchange_folder(tmp_path / "file" / "base")) == "E503"

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.write_picture import write_picture


def pixels_of(dtype: str, *shape: int):
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize(
    ("dtype", "shape"), [("uint8", (7, 9)), ("uint16", (7, 9)), ("uint8", (7, 9, 3)), ("uint8", (7, 9, 4))]
)
def test_pixels_come_back_as_they_were(tmp_path, suffix, dtype, shape):
    pixels = pixels_of(dtype, *shape)
    write_picture(tmp_path / f"a{suffix}", pixels)
    with Image.open(tmp_path / f"a{suffix}") as stored:
        assert np.array_equal(np.asarray(stored), pixels)


def test_tiff_holds_real_numbers(tmp_path):
    pixels = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    write_picture(tmp_path / "a.tif", pixels)
    with Image.open(tmp_path / "a.tif") as stored:
        assert np.array_equal(np.asarray(stored), pixels)


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "code"),
    [
        ("a.jpg", "uint8", (7, 9), "E101"),
        ("a.png", "float32", (7, 9), "E310"),
        ("a.png", "int64", (7, 9), "E310"),
        ("a.png", "uint8", (7, 9, 2), "E310"),
        ("a.png", "uint16", (7, 9, 3), "E310"),
        ("a.png", "uint8", (0, 9), "E310"),
    ],
)
def test_pixels_that_a_format_cannot_hold_are_refused(tmp_path, name, dtype, shape, code):
    with pytest.raises(MedDLError) as caught:
        write_picture(tmp_path / name, pixels_of(dtype, *shape))
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []

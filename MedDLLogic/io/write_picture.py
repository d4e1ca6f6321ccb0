"""Pictures into PNG and TIFF files, each read back before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from ..errors import MedDLError
from .write import WrittenFile, differs, write_atomically

PICTURE_SUFFIXES = (".png", ".tif", ".tiff")


def write_picture(path: Path, pixels: NDArray[Any]) -> WrittenFile:
    """Write a picture, pixel for pixel, without any metadata.

    Parameters
    ----------
    pixels : (j, i) of 8 or 16 bits, or single precision (TIFF only); (j, i, 3) RGB or (j, i, 4) RGBA of 8 bits.

    Raises
    ------
    MedDLError : E101 suffix not among ``PICTURE_SUFFIXES``, E310 pixels that the format cannot hold;
        and what ``write_atomically`` raises.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise MedDLError("E101", "picture not written", "suffix not known", f"use {', '.join(PICTURE_SUFFIXES)}")
    _require_pixels(pixels, suffix)
    picture = PillowImage.fromarray(np.ascontiguousarray(pixels))

    def verify(partial: Path) -> None:
        with PillowImage.open(partial) as stored:
            if not np.array_equal(np.asarray(stored), pixels):
                raise differs("other pixels were read back")

    return write_atomically(path, picture.save, verify)


def _require_pixels(pixels: NDArray[Any], suffix: str) -> None:
    gray_types = {np.dtype(np.uint8), np.dtype(np.uint16)} | ({np.dtype(np.float32)} if suffix != ".png" else set())
    is_gray = pixels.ndim == 2 and pixels.dtype in gray_types
    is_color = pixels.ndim == 3 and pixels.shape[2] in (3, 4) and pixels.dtype == np.uint8
    if not (is_gray or is_color) or not pixels.size:
        raise MedDLError("E310", "picture not written", f"{pixels.dtype} {pixels.shape}", "this format cannot hold it")

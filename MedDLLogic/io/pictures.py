"""PNG, JPEG and TIFF as gray 2-D images whose place in the patient nobody knows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ..errors import MedDLError
from ..geometry import UNKNOWN, Geometry
from ..image import Image, Voxels
from .finite import FiniteFilter
from .guard.header import file_size, plain_facts
from .guard.stream import open_bytes
from .verdict import ReadImage

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "TIFF")
_MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
_EXIF_ORIENTATION = 0x0112
_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def is_picture_name(path: Path) -> bool:
    """Whether the name's ending is one of a picture format that is read here."""
    return path.name.lower().endswith(ENDINGS)


def read_picture(path: Path, *, nan_fill: float | None = None) -> ReadImage:
    """The picture as (1, 1, j, i) voxels with spacing 1 in an unknown frame.

    A color picture is accepted only where its three channels are equal.

    Raises
    ------
    MedDLError : E301, E302, E304 for a bomb, E305 for a damaged picture, E309, E310 for color, several
        pages, transparency or an orientation tag.
    """
    _require_picture(path)
    with _translated(), Pillow.open(path, formats=_FORMATS) as first:
        _require_one_frame(first)
        first.verify()  # walks the checksums, which decoding does not; the picture must be opened anew
    with _translated(), Pillow.open(path, formats=_FORMATS) as picture:
        _require_plain(picture)
        picture.load()
        gray = _gray(picture)
        name = str(picture.format)
    finite = FiniteFilter(nan_fill)
    voxels = finite(gray)[None, None]
    geometry = Geometry((1, *voxels.shape[2:]), np.eye(4), UNKNOWN)
    return ReadImage(Image(voxels, geometry), finite.findings(), plain_facts(name, geometry, voxels.dtype))


def _require_picture(path: Path) -> None:
    if file_size(path) == 0:
        raise MedDLError("E305", "", "the file is empty", "get the file again")
    with open_bytes(path, start=0, compressed=False) as file:
        if not file.read(8).startswith(_MAGICS):
            raise MedDLError("E302", "", "neither PNG, JPEG nor TIFF", "check the name's ending")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            yield
    except MedDLError:
        raise
    except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError) as exc:
        raise MedDLError("E304", "", f"more than {Pillow.MAX_IMAGE_PIXELS} pixels declared") from exc
    except MemoryError as exc:
        raise MedDLError("E502", "", "the picture is too large") from exc
    except (PermissionError, IsADirectoryError) as exc:
        raise MedDLError("E301", "", type(exc).__name__, "check the file and its permissions") from exc
    except Exception as exc:  # Pillow's plug-ins raise whatever a damaged file provokes
        raise MedDLError("E305", "", "the picture is damaged or cut short", "get the file again") from exc


def _require_one_frame(picture: Pillow.Image) -> None:
    try:
        picture.seek(1)  # counting the frames instead would walk through all of them
    except EOFError:
        return
    raise MedDLError("E310", "", "several pages or frames", "give one picture a file")


def _require_plain(picture: Pillow.Image) -> None:
    if picture.mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile.args) for tile in getattr(picture, "tile", ())):
        raise MedDLError("E310", "", "color of 16 bits a channel", "save one gray channel")
    if picture.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        raise MedDLError("E310", "", "a tag says that it is to be turned", "save the picture upright")
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO and picture.mode not in ("1", "L"):
        raise MedDLError("E310", "", "white is stored as 0", "save it with black as 0")


def _gray(picture: Pillow.Image) -> Voxels:
    """(j, i) gray values of a picture whose channels agree and that nothing shines through."""
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode in ("P", "PA", "LA"):
        picture = picture.convert("RGBA")
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        return pixels.astype(pixels.dtype.newbyteorder("="))
    if picture.mode not in ("RGB", "RGBA"):
        raise MedDLError("E310", "", f"color model {picture.mode}", "save one gray channel")
    if pixels.shape[2] == 4 and pixels[..., 3].min() < 255:
        raise MedDLError("E310", "", "it is transparent in places", "save one gray channel")
    if (pixels[..., :3] != pixels[..., :1]).any():
        raise MedDLError("E310", "", "it is in color", "save one gray channel")
    return np.ascontiguousarray(pixels[..., 0])

"""The one door for images: judges a file or folder, or reads it."""

from __future__ import annotations

from pathlib import Path

from ..errors import MedDLError
from ..geometry import Geometry
from .guard.dispatch import is_volume_name, judge
from .pictures import is_picture_name, read_picture
from .verdict import ReadImage, Verdict, finding_of
from .volumes import check_volume, read_volume


def check(path: str | Path, series: str = "") -> Verdict:
    """The verdict on an image file or DICOM folder: findings, geometry and plain facts.

    Reads all of it, so that what it accepts can be read and what it refuses cannot, by the same code.
    Never raises for a bad input. ``series`` chooses one series of a DICOM folder.
    """
    try:
        return _check(Path(path), series)
    except MedDLError as exc:
        return Verdict((finding_of(exc),))


def read_image(path: str | Path, series: str = "", *, nan_fill: float | None = None) -> ReadImage:
    """The image at ``path``, (1, k, j, i), with the warnings that belong into its record.

    Parameters
    ----------
    path : ``.nii .nii.gz .nrrd .nhdr .mha .mhd .mgh .mgz``, a DICOM file or folder, ``.png .jpg .tif``.
    series : which series of a DICOM folder.
    nan_fill : number to put in place of NaN and Inf, in units of the voxels; without it they are refused.

    Raises
    ------
    MedDLError : E301 to E329, as ``check`` would name it; E502 when the memory does not suffice.
    """
    file = Path(path)
    if _is_dicom(file):
        from .dicom import read_dicom

        return read_dicom(file, series, nan_fill=nan_fill)
    _require_no_series(series)
    return read_volume(file, nan_fill=nan_fill) if is_volume_name(file) else read_picture(file, nan_fill=nan_fill)


def read_grid(path: str | Path, series: str = "") -> Geometry:
    """The grid of the image that ``read_image`` would give, of the header alone where the format has one.

    Raises
    ------
    MedDLError : E301 to E329, as far as the header shows them.
    """
    file = Path(path)
    if _is_dicom(file):
        from .dicom import grid_of_dicom

        return grid_of_dicom(file, series)
    _require_no_series(series)
    return judge(file).geometry if is_volume_name(file) else read_picture(file).image.geometry


def _check(path: Path, series: str) -> Verdict:
    if _is_dicom(path):
        from .dicom import check_dicom

        return check_dicom(path, series)
    _require_no_series(series)
    if is_volume_name(path):
        return check_volume(path)
    picture = read_picture(path)
    return Verdict(picture.warnings, picture.image.geometry, picture.facts)


def _is_dicom(path: Path) -> bool:
    """Whether DICOM's reader is to take it; E301 or E302 when no reader is."""
    try:
        if path.is_dir():
            return True
        if is_volume_name(path) or is_picture_name(path):
            return False
        if not path.exists():
            raise MedDLError("E301", "", "no such file or folder", "check the name")
    except (OSError, ValueError) as exc:
        raise MedDLError("E301", "", type(exc).__name__, "check the name") from exc
    from .dicom import looks_like_dicom

    if path.is_file() and looks_like_dicom(path):
        return True
    raise MedDLError("E302", "", "no image format that is read here", "give NIfTI, NRRD, MetaImage, MGH, DICOM or PNG")


def _require_no_series(series: str) -> None:
    if series:
        raise MedDLError("E101", "", "a series was named, but this is no DICOM input", "leave the series out")

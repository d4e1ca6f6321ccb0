"""DICOM in: list the series at a path, judge one, read one as an image.

Headers are parsed with pydicom; every file meets the checks in ``header`` and ``pixels`` before a decoder sees it.
"""

from __future__ import annotations

from .read import check_dicom, grid_of_dicom, list_series, read_dicom
from .series import Series, looks_like_dicom

__all__ = ["Series", "check_dicom", "grid_of_dicom", "list_series", "looks_like_dicom", "read_dicom"]

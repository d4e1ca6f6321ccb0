"""JPEG of 12 bits, lossless JPEG and JPEG-LS, decoded by the GDCM inside SimpleITK.

The GDCM that pydicom would call lets its C++ exceptions end the process on damaged frames; ITK catches them. pydicom
hands 12-bit JPEG to nobody, and CharLS alone refuses some valid JPEG-LS files and takes seconds over some damaged ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, SecondaryCaptureImageStorage, generate_uid

_KEPT = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation")


def decode_by_itk(encoded: Sequence[bytes], described_by: Dataset, syntax: UID) -> NDArray[Any]:
    """(frame, j, i) or (frame, j, i, sample) of the frames, whose format ``described_by`` states.

    Raises RuntimeError for damaged frames.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "frame.dcm")
        return np.stack([_decoded(frame, described_by, syntax, file) for frame in encoded])


def _decoded(frame: bytes, described_by: Dataset, syntax: UID, file: Path) -> NDArray[Any]:
    _plain(frame, described_by, syntax).save_as(file, enforce_file_format=True)
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))[0]
    spare = 8 * pixels.itemsize - described_by.BitsStored
    return np.asarray((pixels << spare) >> spare)  # the sign, where the encoding has none


def _plain(frame: bytes, described_by: Dataset, syntax: UID) -> Dataset:
    """The frame as a file of its own, without the rescale or inversion that ITK would apply, and without identity."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    for keyword in _KEPT:
        setattr(data, keyword, described_by[keyword].value)
    data.HighBit = described_by.BitsStored - 1
    data.PhotometricInterpretation = "MONOCHROME2" if described_by.SamplesPerPixel == 1 else "RGB"
    if described_by.SamplesPerPixel > 1:
        data.PlanarConfiguration = described_by.get("PlanarConfiguration", 0)
    data.PixelData = encapsulate([frame])
    data["PixelData"].is_undefined_length = True
    return data

"""Small DICOM series and pictures made by code."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

Slices = list[Dataset]
ROOT = "1.2.826.0.1.3680043.8.498."
SERIES = ROOT + "1"
OTHER_SERIES = ROOT + "2"
SPACE = ROOT + "9"
CANARY = "CANARY^PATIENT"
SHAPE_JI = (6, 7)
STEP_MM = 2.0
AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def ct_series(count: int = 5, *, axes: tuple[tuple[float, ...], ...] = AXES, step: float = STEP_MM) -> Slices:
    """CT slices of SHAPE_JI, stored in no order of place, with a rescale to HU."""
    normal = np.cross(*np.array(axes))
    slices = [_ct_slice(k, np.array([-10.0, 20.0, 30.0]) + k * step * normal, axes) for k in range(count)]
    return slices[1::2] + slices[::2]


def mr_series(count: int = 5) -> Slices:
    """MR slices without a rescale."""
    slices = ct_series(count)
    for data in slices:
        data.SOPClassUID, data.Modality = MRImageStorage, "MR"
        del data.RescaleSlope, data.RescaleIntercept
    return slices


def picture(storage: str = DigitalXRayImageStorageForPresentation, modality: str = "DX") -> Dataset:
    """One projection image of 12 bits, 0 at its first pixel."""
    data = _ct_slice(0, np.zeros(3), AXES)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept"):
        delattr(data, keyword)
    data.SOPClassUID, data.Modality, data.BitsStored, data.HighBit = storage, modality, 12, 11
    data.PixelRepresentation = 0
    data.PixelData = np.arange(np.prod(SHAPE_JI), dtype="<u2").tobytes()
    return data


def color_picture(*, gray: bool) -> Dataset:
    """One ultrasound picture in RGB."""
    data = picture(UltrasoundImageStorage, "US")
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    values = np.repeat(np.arange(np.prod(SHAPE_JI), dtype="u1"), 3).reshape(-1, 3)
    values[0, 1] += 0 if gray else 1
    data.PixelData = values.tobytes()
    return data


def enhanced(slices: Iterable[Dataset], storage: str = EnhancedMRImageStorage) -> Dataset:
    """The slices as frames of one enhanced file, in the order given."""
    slices = list(slices)
    data = deepcopy(slices[0])
    data.SOPClassUID, data.NumberOfFrames = storage, len(slices)
    data.PixelData = b"".join(one.PixelData for one in slices)
    data.SharedFunctionalGroupsSequence = Sequence([_group("PixelMeasuresSequence", slices[0], "PixelSpacing")])
    data.PerFrameFunctionalGroupsSequence = Sequence([_frame_groups(one) for one in slices])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        data.pop(keyword, None)
    data.pop("RescaleIntercept", None)
    return data


def table_of(data: Dataset, *, first: int, entries: list[int]) -> Dataset:
    """The same image with a modality table in place of a rescale."""
    del data.RescaleSlope, data.RescaleIntercept
    data.ModalityLUTSequence = lut_item([len(entries), first, 16], entries)
    return data


def save(data: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write one file; the data set's pixels must already be in the encoding of ``syntax``."""
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", SecondaryCaptureImageStorage)
    data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", ROOT + "77")
    dcmwrite(path, data, enforce_file_format=True)
    return path


def save_all(slices: Iterable[Dataset], folder: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write a series into the folder; returns the folder."""
    for number, data in enumerate(slices):
        save(data, folder / f"im{number:03d}.dcm", syntax)
    return folder


def nested(depth: int) -> Dataset:
    """A data set of that many levels."""
    inner = Dataset()
    for _ in range(depth - 1):
        outer = Dataset()
        outer.ReferencedStudySequence = Sequence([inner])
        inner = outer
    return inner


def big_endian(data: Dataset) -> Dataset:
    """The same slice with its pixels stored large end first."""
    data = deepcopy(data)
    data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(">i2").tobytes()
    return data


def _ct_slice(number: int, position: np.ndarray, axes: tuple[tuple[float, ...], ...]) -> Dataset:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, f"{ROOT}3.{number + 1}"
    data.SeriesInstanceUID, data.StudyInstanceUID, data.FrameOfReferenceUID = SERIES, ROOT + "4", SPACE
    data.Modality, data.PatientName, data.PatientID, data.SeriesDescription = "CT", CANARY, CANARY, CANARY
    data.InstanceNumber = 99 - number
    data.ImagePositionPatient = [f"{part:.6f}" for part in position]
    data.ImageOrientationPatient = [f"{part:.10f}" for axis in axes for part in axis]
    data.PixelSpacing, data.SliceThickness = [0.8, 0.5], STEP_MM
    data.Rows, data.Columns, data.SamplesPerPixel = *SHAPE_JI, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 1
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.PixelData = (np.arange(np.prod(SHAPE_JI), dtype="<i2") + 50 * number).tobytes()
    return data


def _group(sequence: str, source: Dataset, *keywords: str) -> Dataset:
    item, groups = Dataset(), Dataset()
    for keyword in keywords:
        setattr(item, keyword, source[keyword].value)
    setattr(groups, sequence, Sequence([item]))
    return groups


def _frame_groups(source: Dataset) -> Dataset:
    groups = _group("PlanePositionSequence", source, "ImagePositionPatient")
    groups.update(_group("PlaneOrientationSequence", source, "ImageOrientationPatient"))
    if "RescaleSlope" in source:
        groups.update(_group("PixelValueTransformationSequence", source, "RescaleSlope", "RescaleIntercept"))
    return groups


def lut_item(descriptor: list[int], entries: list[int]) -> Sequence:
    item = Dataset()
    item.LUTDescriptor, item.LUTData, item.ModalityLUTType = descriptor, entries, "HU"
    item["LUTDescriptor"].VR, item["LUTData"].VR = "SS", "US"
    return Sequence([item])

"""Every generated DICOM input with the verdict it must get."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from Testing.io.dicom_build import (
    ROOT,
    SHAPE_JI,
    color_picture,
    ct_series,
    enhanced,
    lut_item,
    mr_series,
    picture,
    save,
    save_all,
)
from Testing.io.dicom_faults import (
    Fault,
    among_junk,
    beside,
    big_endian_series,
    changed,
    cut,
    deep,
    deflated_bomb,
    deflated_header_bomb,
    dicm_only,
    doubled,
    drifting,
    each,
    empty,
    encapsulated,
    endlessly_deep,
    enhanced_case,
    float_map,
    headless,
    huge,
    jpeg_2000_header,
    jpeg_header,
    leaning,
    lone_slice,
    mixed_roles,
    moved,
    one,
    one_of_series,
    other_pixels,
    padded,
    polyglot,
    raw,
    rle,
    rle_cut,
    series,
    single,
    start_of_file,
    text_file,
    two_enhanced,
    unknown_encoding,
    with_other_series,
    with_report,
    without_meta,
    without_preamble,
    without_storage,
)


@dataclass(frozen=True)
class Case:
    """A name, what to write into an empty folder (returns the path to give), and the first code; "" accepts."""

    name: str
    write: Callable[[Path], Path]
    code: str
    outcome: str = "refuse"


def cases() -> list[Case]:
    """All cases, each in its own words."""
    return [*_series_cases(), *_value_cases(), *_file_cases(), *_object_cases(), *_folder_cases()]


def _series_cases() -> list[Case]:
    same: Fault = list
    coronal = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    oblique = ((0.936293, 0.275096, -0.218351), (-0.289629, 0.956425, -0.036957))
    return [
        Case("CT series", series(same), "", "accept"),
        Case("MR series", series(same, mr_series), "", "accept"),
        Case("coronal series", lambda folder: save_all(ct_series(axes=coronal), folder), "", "accept"),
        Case("oblique series", lambda folder: save_all(ct_series(axes=oblique), folder), "", "accept"),
        Case("one slice", series(lambda slices: slices[:1]), "", "accept"),
        Case("one slice without thickness", series(lambda s: each(SliceThickness=None)(s[:1])), "E306", "warn"),
        Case("missing slice", series(lambda s: s[:2] + s[3:]), "E322"),
        Case("three missing slices", series(lambda s: s[:1] + s[4:], lambda: ct_series(8)), "E322"),
        Case("two gaps", series(lambda s: s[:1] + s[2:4] + s[6:], lambda: ct_series(9)), "E322"),
        Case("identical copy", series(doubled(same)), "E323", "warn"),
        Case("identical copies of all", series(lambda s: s + deepcopy(s)), "E323", "warn"),
        Case("slice twice, pixels differ", series(doubled(other_pixels)), "E323"),
        Case("slice twice, rescale differs", series(doubled(each(RescaleIntercept=0))), "E323"),
        Case("two volumes at the same places", series(lambda s: s + other_pixels(deepcopy(s))), "E310"),
        Case("uneven by 2.5 %", series(moved(2, (0.0, 0.0, 0.05))), "E324"),
        Case("uneven by 0.5 %", series(moved(2, (0.0, 0.0, 0.01))), "", "accept"),
        Case("distances that drift", series(drifting, lambda: ct_series(31)), "E324"),
        Case("gantry tilt", series(leaning), "E325"),
        Case("one slice shifted sideways", series(moved(2, (1.0, 0.0, 0.0))), "E326"),
        Case("another size", series(one(Rows=3, Columns=14)), "E326"),
        Case("another pixel spacing", series(one(PixelSpacing=[0.8, 0.6])), "E326"),
        Case("another orientation", series(one(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])), "E326"),
        Case("flipped orientation", series(one(ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])), "E326"),
        Case("another frame of reference", series(one(FrameOfReferenceUID=ROOT + "8")), "E326"),
        Case("two stacks side by side", series(lambda s: s + beside(s)), "E326"),
        Case("no position in one slice", series(one(ImagePositionPatient=None)), "E327"),
        Case("no position in any slice", series(each(ImagePositionPatient=None)), "E327"),
        Case("no place at all", series(each(ImagePositionPatient=None, ImageOrientationPatient=None)), "E327"),
        Case("orientation zero", series(each(ImageOrientationPatient=[0] * 6)), "E327"),
        Case("orientation of length 2", series(each(ImageOrientationPatient=[2, 0, 0, 0, 1, 0])), "E307"),
        Case("orientation not orthogonal", series(each(ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0])), "E307"),
        Case("two coordinates", series(each(ImagePositionPatient=[1, 2])), "E327"),
        Case("orientation NaN", raw("ImageOrientationPatient", b"NaN\\0\\0\\0\\1\\0"), "E307"),
        Case("position NaN", raw("ImagePositionPatient", b"NaN\\0\\0"), "E327"),
        Case("position infinite", raw("ImagePositionPatient", b"inf\\0\\0"), "E327"),
        Case("position is text", raw("ImagePositionPatient", b"a\\b\\c"), "E327"),
    ]


def _value_cases() -> list[Case]:
    table = {"RescaleSlope": None, "RescaleIntercept": None}
    return [
        Case("spacing zero", series(each(PixelSpacing=[0, 0.5])), "E306"),
        Case("spacing negative", series(each(PixelSpacing=[-0.8, 0.5])), "E306"),
        Case("spacing missing", series(each(PixelSpacing=None)), "E306"),
        Case("spacing of one number", series(each(PixelSpacing=0.5)), "E306"),
        Case("spacing NaN", raw("PixelSpacing", b"NaN\\0.5"), "E306"),
        Case("spacing infinite", raw("PixelSpacing", b"1e999\\0.5"), "E306"),
        Case("slope zero", series(one(RescaleSlope=0)), "E312"),
        Case("slope NaN", raw("RescaleSlope", b"NaN"), "E312"),
        Case("slope infinite", raw("RescaleSlope", b"inf"), "E312"),
        Case("slope is text", raw("RescaleSlope", b"much"), "E312"),
        Case("slope too large for a float", series(one(RescaleSlope="1e300")), "E312"),
        Case("intercept NaN", raw("RescaleIntercept", b"NaN"), "E312"),
        Case("slope without intercept", series(one(RescaleIntercept=None)), "E312"),
        Case("intercept without slope", series(one(RescaleSlope=None)), "E312"),
        Case("CT without rescale", series(each(**table)), "E312", "warn"),
        Case("rescale per slice", series(one(RescaleSlope=0.5)), "", "accept"),
        Case(
            "modality table",
            series(each(ModalityLUTSequence=lut_item([3, 0, 16], [5, 6, 7]), **table)),
            "",
            "accept",
        ),
        Case(
            "modality table of 12 bits",
            series(each(ModalityLUTSequence=lut_item([2, -1, 12], [1, 9]))),
            "",
            "accept",
        ),
        Case("modality table too short", series(each(ModalityLUTSequence=lut_item([9, 0, 16], [5, 6]))), "E312"),
        Case("MONOCHROME1 CT", series(each(PhotometricInterpretation="MONOCHROME1")), "E312", "warn"),
        Case("rows zero", series(each(Rows=0)), "E303"),
        Case("rows missing", series(each(Rows=None)), "E303"),
        Case("more bits stored than allocated", series(each(BitsStored=17)), "E303"),
        Case("sign of the pixels missing", series(each(PixelRepresentation=None)), "E303"),
        Case("64 bits a pixel", series(each(BitsAllocated=64, BitsStored=64)), "E310"),
        Case("no storage class", without_storage, "E303", "warn"),
        Case("no instance number", series(each(InstanceNumber=None)), "", "accept"),
        Case("no series identifier", series(each(SeriesInstanceUID=None)), "E303", "warn"),
        Case("modality not of the standard", series(each(Modality="CANARY")), "E303", "warn"),
        Case("unknown character set", series(each(SpecificCharacterSet="ISO 999")), "", "accept"),
    ]


def _file_cases() -> list[Case]:
    first = lambda: ct_series(1)[0]
    return [
        Case("pixels cut short in the file", cut(5), "E305"),
        Case("all pixels gone", cut(84), "E305"),
        Case("pixels cut short in the element", single(changed(first, PixelData=bytes(40))), "E305"),
        Case("pixel element empty", single(changed(first, PixelData=b"")), "E305"),
        Case("bytes after the last pixel", series(padded), "E305", "warn"),
        Case("size over what the file holds", single(changed(first, Rows=3000, Columns=3000)), "E304"),
        Case("size over the budget", huge, "E304"),
        Case("frames over the budget", single(changed(lambda: enhanced(ct_series()), NumberOfFrames=2**30)), "E303"),
        Case("deflated bomb behind the pixels", deflated_bomb, "E304"),
        Case("deflated bomb in the header", deflated_header_bomb, "E304"),
        Case("deflated", single(first, DeflatedExplicitVRLittleEndian), "", "accept"),
        Case("implicit VR", lambda folder: save_all(ct_series(), folder, ImplicitVRLittleEndian), "", "accept"),
        Case("large end first", big_endian_series, "", "accept"),
        Case("RLE", rle, "", "accept"),
        Case("RLE cut short in the file", rle_cut, "E305"),
        Case("JPEG that does not end", encapsulated(jpeg_header(*SHAPE_JI) + bytes(50), JPEGLosslessSV1), "E305"),
        Case("JPEG without an image", encapsulated(jpeg_header(*SHAPE_JI) + b"\xff\xd9", JPEGLosslessSV1), "E328"),
        Case("RLE of rubbish", encapsulated(b"\x01" * 64, RLELossless), "E328"),
        Case("JPEG 2000 of rubbish", encapsulated(b"\x01" * 64, JPEG2000Lossless), "E328"),
        Case("JPEG of another size", encapsulated(jpeg_header(60000, 60000), JPEGLosslessSV1), "E328"),
        Case("JPEG-LS of 70 bits", encapsulated(jpeg_header(*SHAPE_JI, frame=0xF7, bits=70), JPEGLSLossless), "E328"),
        Case("JPEG 2000 of another size", encapsulated(jpeg_2000_header(60000, 60000), JPEG2000Lossless), "E328"),
        Case("unknown encoding", unknown_encoding, "E328"),
        Case("60 levels", deep(60), "", "accept"),
        Case("65 levels", deep(65), "E329"),
        Case("150 levels", deep(150), "E329"),
        Case("20000 levels", endlessly_deep, "E329"),
        Case("no preamble", without_preamble, "", "accept"),
        Case("no file header", without_meta, "E303", "warn"),
        Case("a program in the preamble", polyglot, "", "accept"),
        Case("only the first 140 bytes", start_of_file, "E305"),
        Case("text file", text_file, "E302"),
        Case("nothing there", lambda folder: folder / "absent.dcm", "E301"),
        Case("a name with a NUL", lambda folder: folder / "a\0b", "E301"),
    ]


def _object_cases() -> list[Case]:
    mixed = lambda: enhanced(ct_series())
    no_image = {"SEG": "66.4", "SR": "88.33", "RTSTRUCT": "481.3", "RTPLAN": "481.5", "PDF": "104.1", "ECG": "9.1.1"}
    storage = "1.2.840.10008.5.1.4.1.1."
    return [
        Case("enhanced", enhanced_case(list), "", "accept"),
        Case("enhanced in any order", lambda folder: save(mixed(), folder / "multi.dcm"), "", "accept"),
        Case("enhanced, one frame missing", enhanced_case(lambda s: s[:2] + s[3:]), "E322"),
        Case("enhanced, two echoes", enhanced_case(lambda s: s + other_pixels(deepcopy(s))), "E310"),
        Case("enhanced, two stacks", enhanced_case(one(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])), "E326"),
        Case("enhanced, tilt", enhanced_case(leaning), "E325"),
        Case("enhanced, frames not described", single(changed(mixed, NumberOfFrames=4)), "E303"),
        Case("enhanced, no places", single(changed(mixed, PerFrameFunctionalGroupsSequence=[Dataset()] * 5)), "E310"),
        Case("two enhanced files", two_enhanced, "E310"),
        Case("film", single(changed(mixed, PerFrameFunctionalGroupsSequence=None)), "E310"),
        Case("digital radiograph", single(picture), "", "accept"),
        Case("MONOCHROME1", single(changed(picture, PhotometricInterpretation="MONOCHROME1")), "E312", "warn"),
        Case("two radiographs in one series", lambda folder: save_all([picture(), picture()], folder), "E326"),
        Case("secondary capture", single(lambda: picture(SecondaryCaptureImageStorage, "OT")), "", "accept"),
        Case("color ultrasound", single(lambda: color_picture(gray=False)), "E310"),
        Case("gray ultrasound in RGB", single(lambda: color_picture(gray=True)), "E310", "warn"),
        Case("palette color", single(changed(picture, PhotometricInterpretation="PALETTE COLOR")), "E310"),
        Case("lone slice without a place", lone_slice, "E327", "warn"),
        Case("dose grid", single(changed(mixed, SOPClassUID=storage + "481.2")), "E310"),
        Case("parametric map", single(float_map), "E320"),
        Case("image without pixels", single(changed(picture, PixelData=None)), "E320"),
        *(
            Case(name, single(changed(picture, SOPClassUID=storage + tail, Modality=name)), "E320")
            for name, tail in no_image.items()
        ),
    ]


def _folder_cases() -> list[Case]:
    return [
        Case("last slice cut in its header", headless, "E320", "warn"),
        Case("middle slice cut in its header", lambda folder: headless(folder, 2), "E322"),
        Case("a file that says DICM and no more", dicm_only, "E305", "warn"),
        Case("two series", with_other_series, "E321"),
        Case("series among junk", among_junk, "", "accept"),
        Case("series and its report", with_report, "", "accept"),
        Case("slices and a picture in one series", mixed_roles, "E326"),
        Case("one file of a series", one_of_series, "", "accept"),
        Case("empty folder", empty, "E320"),
    ]

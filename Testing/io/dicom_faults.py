"""Faults put into small DICOM series, and hostile files written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from Testing.io.dicom_build import (
    OTHER_SERIES,
    SHAPE_JI,
    Slices,
    big_endian,
    ct_series,
    enhanced,
    nested,
    picture,
    save,
    save_all,
)

Fault = Callable[[Slices], Slices]


def by_place(slices: Slices) -> Slices:
    return sorted(slices, key=lambda data: float(data.ImagePositionPatient[2]))


def series(fault: Fault, source: Callable[[], Slices] = ct_series) -> Callable[[Path], Path]:
    return lambda folder: save_all(fault(by_place(source())), folder)


def each(**values: object) -> Fault:
    def change(slices: Slices) -> Slices:
        for data in slices:
            for keyword, value in values.items():
                if value is None:
                    data.pop(keyword, None)
                else:
                    setattr(data, keyword, value)
        return slices

    return change


def one(**values: object) -> Fault:
    return lambda slices: [*each(**values)(slices[:1]), *slices[1:]]


def raw(keyword: str, text: bytes) -> Callable[[Path], Path]:
    """A series whose first file states ``text`` as a decimal string, which pydicom itself would not write."""

    def write(folder: Path) -> Path:
        slices = by_place(ct_series())
        slices[0][keyword].VR = "LO"  # same layout in the file, no check of the text
        slices[0][keyword].value = text.decode()
        save_all(slices, folder)
        path = folder / "im000.dcm"
        group, element = divmod(int(slices[0][keyword].tag), 1 << 16)
        tag = struct.pack("<HH", group, element)
        path.write_bytes(path.read_bytes().replace(tag + b"LO", tag + b"DS"))
        return folder

    return write


def moved(at: int, offset: tuple[float, float, float]) -> Fault:
    def change(slices: Slices) -> Slices:
        position = np.array(slices[at].ImagePositionPatient, dtype=float) + offset
        slices[at].ImagePositionPatient = [f"{part:.6f}" for part in position]
        return slices

    return change


def leaning(slices: Slices) -> Slices:
    for k, data in enumerate(slices):
        moved(0, (0.0, 0.3 * k, 0.0))([data])
    return slices


def drifting(slices: Slices) -> Slices:
    # 21 distances that grow from 1.982 to 2.018 mm: each within 1 %, the middle slice 0.1 mm and more off
    places = np.concatenate([[0.0], np.cumsum(np.linspace(1.982, 2.018, len(slices) - 1))])
    for data, place in zip(slices, places, strict=True):
        data.ImagePositionPatient = [-10.0, 20.0, f"{place:.6f}"]
    return slices


def doubled(fault: Fault) -> Fault:
    return lambda slices: [*slices, *fault(deepcopy(slices[2:3]))]


def other_pixels(slices: Slices) -> Slices:
    for data in slices:
        data.PixelData = data.PixelData[::-1]
    return slices


def beside(slices: Slices) -> Slices:
    second = deepcopy(slices)
    for data in second:
        moved(0, (50.0, 0.0, 0.0))([data])
    return second


def without_storage(folder: Path) -> Path:
    slices = ct_series()
    for number, data in enumerate(slices):
        del data.SOPClassUID
        save(data, folder / f"{number}.dcm")
    return folder


def single(build: Callable[[], Dataset], syntax: UID = ExplicitVRLittleEndian) -> Callable[[Path], Path]:
    return lambda folder: save(build(), folder / "one.dcm", syntax)


def changed(build: Callable[[], Dataset], **values: object) -> Callable[[], Dataset]:
    return lambda: each(**values)([build()])[0]


def cut(bytes_off: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        save_all(by_place(ct_series()), folder)
        path = folder / "im002.dcm"
        path.write_bytes(path.read_bytes()[:-bytes_off])
        return folder

    return write


def padded(slices: Slices) -> Slices:
    for data in slices:
        data.PixelData = data.PixelData + bytes(10)
    return slices


def deflated_bomb(folder: Path) -> Path:
    data = ct_series(1)[0]
    data.PixelData = data.PixelData + bytes(64 << 20)
    return save(data, folder / "bomb.dcm", DeflatedExplicitVRLittleEndian)


def deflated_header_bomb(folder: Path) -> Path:
    data = ct_series(1)[0]
    data.add_new(0x00091001, "LO", "CANARY")
    data.add_new(0x00091002, "OB", bytes(64 << 20))
    return save(data, folder / "bomb.dcm", DeflatedExplicitVRLittleEndian)


def deep(depth: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        data = ct_series(1)[0]
        data.ReferencedStudySequence = Sequence([nested(depth)])
        return save(data, folder / "deep.dcm")

    return write


def endlessly_deep(folder: Path) -> Path:
    """Twenty thousand levels of undefined length, which no parser that calls itself survives."""
    path = save(ct_series(1)[0], folder / "deep.dcm")
    opening = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    whole = path.read_bytes()
    at = whole.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(whole[:at] + opening * 20_000 + whole[at:])
    return path


def without_preamble(folder: Path) -> Path:
    path = save(ct_series(1)[0], folder / "one.dcm")
    path.write_bytes(path.read_bytes()[132:])
    return path


def without_meta(folder: Path) -> Path:
    path = save(ct_series(1)[0], folder / "one.dcm")
    whole = path.read_bytes()
    path.write_bytes(whole[whole.index(b"\x08\x00\x16\x00UI") :])
    return path


def polyglot(folder: Path) -> Path:
    path = save(ct_series(1)[0], folder / "one.dcm")
    path.write_bytes(b"MZ\x90\0" + path.read_bytes()[4:])
    return path


def encapsulated(frame: bytes, syntax: UID) -> Callable[[Path], Path]:
    return single(changed(lambda: ct_series(1)[0], PixelData=encapsulate([frame])), syntax)


def rle(folder: Path) -> Path:
    for number, data in enumerate(ct_series()):
        save(data, folder / f"{number}.dcm")
        data.compress(RLELossless, generate_instance_uid=False)
        dcmwrite(folder / f"{number}.dcm", data)
    return folder


def rle_cut(folder: Path) -> Path:
    path = rle(folder) / "0.dcm"
    path.write_bytes(path.read_bytes()[:-20])
    return folder


def huge(folder: Path) -> Path:
    return save(changed(lambda: ct_series(1)[0], Rows=60000, Columns=60000)(), folder / "huge.dcm")


def jpeg_header(rows: int, columns: int, *, frame: int = 0xC3, bits: int = 16) -> bytes:
    start = struct.pack(">2HBHBHHB", 0xFFD8, 0xFF00 | frame, 0, 11, bits, rows, columns, 1)
    return start[:4] + start[5:] + b"\x01\x11\0" + b"\xff\xda\0\x08\x01\x01\0\x01\0\0"


def jpeg_2000_header(rows: int, columns: int) -> bytes:
    return b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">8IHB", columns, rows, 0, 0, columns, rows, 0, 0, 1, 15)


def big_endian_series(folder: Path) -> Path:
    return save_all([big_endian(data) for data in ct_series()], folder, ExplicitVRBigEndian)


def unknown_encoding(folder: Path) -> Path:
    path = save(ct_series(1)[0], folder / "one.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.8\0"))
    return path


def start_of_file(folder: Path) -> Path:
    path = save(ct_series(1)[0], folder / "one.dcm")
    path.write_bytes(path.read_bytes()[:140])
    return path


def text_file(folder: Path) -> Path:
    (folder / "notes.txt").write_text("not an image", encoding="ascii")
    return folder / "notes.txt"


def enhanced_case(fault: Fault) -> Callable[[Path], Path]:
    return lambda folder: save(enhanced(fault(by_place(ct_series()))), folder / "multi.dcm")


def lone_slice(folder: Path) -> Path:
    data = ct_series(1)[0]
    del data.ImagePositionPatient, data.ImageOrientationPatient
    return save(data, folder / "one.dcm")


def float_map() -> Dataset:
    data = picture()
    del data.PixelData
    data.BitsAllocated, data.FloatPixelData = 32, np.zeros(SHAPE_JI, "<f4").tobytes()
    return data


def two_enhanced(folder: Path) -> Path:
    save(enhanced(ct_series()), folder / "a.dcm")
    save(enhanced(ct_series()), folder / "b.dcm")
    return folder


def with_other_series(folder: Path) -> Path:
    (folder / "b").mkdir()
    save_all(ct_series(), folder)
    save_all(each(SeriesInstanceUID=OTHER_SERIES)(ct_series(3)), folder / "b")
    return folder


def among_junk(folder: Path) -> Path:
    save_all(ct_series(), folder)
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(50))
    (folder / "Thumbs.db").write_bytes(bytes(4096))
    (folder / "leer").touch()
    (folder / "readme.txt").write_text("nothing", encoding="ascii")
    return folder


def headless(folder: Path, at: int = 4) -> Path:
    save_all(by_place(ct_series()), folder)
    path = folder / f"im{at:03d}.dcm"
    path.write_bytes(path.read_bytes()[:600])
    return folder


def dicm_only(folder: Path) -> Path:
    save_all(ct_series(), folder)
    (folder / "torn.dcm").write_bytes(bytes(128) + b"DICM")
    return folder


def with_report(folder: Path) -> Path:
    save_all(ct_series(), folder)
    report = changed(
        picture, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR", SeriesInstanceUID=OTHER_SERIES
    )
    save(report(), folder / "report.dcm")
    return folder


def mixed_roles(folder: Path) -> Path:
    save_all([*ct_series(), picture(SecondaryCaptureImageStorage, "CT")], folder)
    return folder


def one_of_series(folder: Path) -> Path:
    return save_all(ct_series(), folder) / "im003.dcm"


def empty(folder: Path) -> Path:
    return folder

"""Hostile and odd files, made by code and never stored, each with the verdict that it must get.

``expected`` is ``"accept"``, ``"warn E308"`` or ``"refuse E304"``.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from Testing.io.formats import metaimage, mgh, nifti, nrrd, packed, ramp

NAN, INF = float("nan"), float("inf")
RAW = ramp().tobytes()
FLOATS = ramp("f4")
SURPLUS = bytes(3 << 20)


@dataclass(frozen=True)
class Case:
    """A file to write and the verdict expected; ``beside`` are further files of the same folder."""

    name: str
    file: str
    content: Callable[[], bytes]
    expected: str
    beside: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        for name, content in self.beside.items():
            (folder / name).write_bytes(content)
        path = folder / self.file
        path.write_bytes(self.content())
        return path


def with_values(*values: float, dtype: str = "<f4") -> bytes:
    """The voxels of the standard volume with these at its end."""
    voxels = ramp(dtype)
    voxels.reshape(-1)[-len(values) :] = values
    return voxels.tobytes()


# Faults of a NIfTI header that both versions, byte orders and packings share: fields and verdict.
NIFTI_FAULTS: dict[str, tuple[dict, str]] = {
    "plain": ({}, "accept"),
    "4-D of one frame": ({"dim": (4, 5, 4, 3, 1, 1, 1, 1)}, "accept"),
    "unused dims are zero": ({"dim": (3, 5, 4, 3, 0, 0, 0, 0)}, "accept"),
    "left-handed qform": ({"pixdim": (-1, 2, 3, 4, 0, 0, 0, 0), "sform_code": 0}, "accept"),
    "qform only": ({"sform_code": 0}, "accept"),
    "sform only": ({"qform_code": 0}, "accept"),
    "slope 0": ({"scl_slope": 0.0, "scl_inter": 5.0}, "accept"),
    "slope NaN": ({"scl_slope": NAN}, "accept"),
    "slope negative": ({"scl_slope": -2.0, "scl_inter": 1.0}, "accept"),
    "slope Inf": ({"scl_slope": INF}, "refuse E312"),
    "intercept NaN": ({"scl_slope": 2.0, "scl_inter": NAN}, "refuse E312"),
    "intercept Inf": ({"scl_inter": -INF}, "refuse E312"),
    "slope that overflows": ({"scl_slope": 3e38}, "refuse E309"),
    "no orientation": ({"qform_code": 0, "sform_code": 0}, "warn E327"),
    "micrometre": ({"xyzt_units": 3}, "warn E306"),
    "metre": ({"xyzt_units": 1}, "warn E306"),
    "unknown unit": ({"xyzt_units": 5}, "warn E306"),
    "bitpix wrong": ({"bitpix": 8}, "warn E303"),
    "zero spacing": ({"pixdim": (1, 2, 0, 4, 0, 0, 0, 0)}, "refuse E306"),
    "negative spacing": ({"pixdim": (1, 2, -3, 4, 0, 0, 0, 0)}, "refuse E306"),
    "NaN spacing": ({"pixdim": (1, NAN, 3, 4, 0, 0, 0, 0)}, "refuse E306"),
    "Inf spacing": ({"pixdim": (1, INF, 3, 4, 0, 0, 0, 0)}, "refuse E306"),
    "NaN qfac": ({"pixdim": (NAN, 2, 3, 4, 0, 0, 0, 0)}, "refuse E307"),
    "tiny spacing": ({"pixdim": (1, 1e-30, 3, 4, 0, 0, 0, 0)}, "refuse E306"),
    "NaN sform": ({"srow_x": (NAN, 0, 0, 10)}, "refuse E307"),
    "Inf sform": ({"srow_z": (1, 0, INF, 30)}, "refuse E307"),
    "Inf offset": ({"srow_z": (0, 0, 4, INF)}, "refuse E307"),
    "far away": ({"srow_z": (0, 0, 4, 1e30), "qform_code": 0}, "refuse E307"),
    "singular sform": ({"srow_z": (0, 0, 0, 30)}, "refuse E307"),
    "parallel axes": ({"srow_y": (0, 0, 0, 20), "srow_x": (2, 3, 0, 10)}, "refuse E307"),
    "zero sform": ({"srow_x": (0,) * 4, "srow_y": (0,) * 4, "srow_z": (0,) * 4}, "refuse E307"),
    "sheared sform": ({"srow_x": (2, 0.3, 0, 10), "qform_code": 0, "srow_y": (0, 2.985, 0, 20)}, "refuse E307"),
    "quaternion too long": ({"quatern": (1, 1, 1), "sform_code": 0}, "refuse E307"),
    "quaternion NaN": ({"quatern": (NAN, 0, 0)}, "refuse E307"),
    "sform of other spacing": ({"srow_x": (5, 0, 0, 10)}, "refuse E308"),
    "sform 1 % off": ({"srow_x": (2.03, 0, 0, 10), "qform_code": 0}, "refuse E308"),
    "sform mirrored": ({"srow_x": (-2, 0, 0, 10)}, "refuse E308"),
    "sform moved": ({"srow_x": (2, 0, 0, 14)}, "warn E308"),
    "sform turned": ({"quatern": (0, 0, 0.05)}, "warn E308"),
    "float32 noise": ({"srow_x": (2, 1e-5, 0, 10.0001)}, "accept"),
    "0-D": ({"dim": (0, 5, 4, 3, 1, 1, 1, 1)}, "refuse E303"),
    "8-D": ({"dim": (8, 5, 4, 3, 1, 1, 1, 1)}, "refuse E303"),
    "negative dims": ({"dim": (-3, 5, 4, 3, 1, 1, 1, 1)}, "refuse E303"),
    "size 0": ({"dim": (3, 5, 0, 3, 1, 1, 1, 1)}, "refuse E303"),
    "size negative": ({"dim": (3, 5, -4, 3, 1, 1, 1, 1)}, "refuse E303"),
    "1-D": ({"dim": (1, 60, 1, 1, 1, 1, 1, 1)}, "refuse E310"),
    "4-D": ({"dim": (4, 5, 4, 3, 2, 1, 1, 1)}, "refuse E310"),
    "vector": ({"dim": (5, 5, 4, 3, 1, 3, 1, 1)}, "refuse E310"),
    "time without depth": ({"dim": (4, 5, 4, 1, 3, 1, 1, 1)}, "refuse E310"),
    "RGB": ({"datatype": 128, "bitpix": 24}, "refuse E310"),
    "RGBA": ({"datatype": 2304, "bitpix": 32}, "refuse E310"),
    "complex": ({"datatype": 32, "bitpix": 64}, "refuse E310"),
    "float128": ({"datatype": 1536, "bitpix": 128}, "refuse E310"),
    "bits": ({"datatype": 1, "bitpix": 1}, "refuse E310"),
    "unknown type": ({"datatype": 77}, "refuse E303"),
    "type 0": ({"datatype": 0}, "refuse E303"),
    "offset 0": ({"vox_offset": 0}, "refuse E303"),
    "offset in header": ({"vox_offset": 100}, "refuse E303"),
    "offset negative": ({"vox_offset": -352}, "refuse E303"),
    "offset of 2 GiB": ({"vox_offset": 2**31 - 1}, "refuse E303"),
    "16 GB header": ({"dim": (3, 2000, 2000, 2000, 1, 1, 1, 1)}, "refuse E304"),
    "1 GB header": ({"dim": (3, 800, 800, 800, 1, 1, 1, 1)}, "refuse E304"),
    "largest dims": ({"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)}, "refuse E304"),
    "pair": ({"magic": b"ni1\0"}, "refuse E310"),
    "no magic": ({"magic": b"\0\0\0\0"}, "refuse E302"),
    "wrong length word": ({"sizeof_hdr": 349}, "refuse E302"),
    "truncated": ({"voxels": RAW[:-3]}, "refuse E305"),
    "no voxels": ({"voxels": b""}, "refuse E305"),
    "a few bytes more": ({"voxels": RAW + b"comment"}, "warn E303"),
    "much more data": ({"voxels": RAW + SURPLUS}, "refuse E304"),
    "NaN voxel": ({"dtype": "f4", "voxels": with_values(NAN)}, "refuse E309"),
    "Inf voxels": ({"dtype": "f8", "voxels": with_values(INF, -INF, dtype="<f8")}, "refuse E309"),
}
_OF_VERSION_1 = {"pair", "no magic"}  # faults written with the first version's magic word


def _nifti_cases() -> Iterator[Case]:
    for version, order, ending in ((1, "<", ".nii"), (1, "<", ".nii.gz"), (2, "<", ".nii.gz"), (1, ">", ".nii")):
        for name, (fields, expected) in NIFTI_FAULTS.items():
            if (version == 2 and name in _OF_VERSION_1) or (order == ">" and "voxels" in fields):
                continue
            content = nifti(version=version, order=order, **fields)
            label = f"NIfTI-{version}{order}{ending} {name}"
            yield Case(label, f"v{ending}", partial(packed if ending == ".nii.gz" else bytes, content), expected)
    for dtype in ("u1", "i1", "u2", "i4", "u4", "i8", "u8", "f4", "f8"):
        yield Case(f"NIfTI of {dtype}", "v.nii", partial(nifti, dtype=dtype), "accept")
        yield Case(f"NIfTI of big-endian {dtype}", "v.nii", partial(nifti, dtype=dtype, order=">"), "accept")
    flat = {
        "dim": (2, 5, 4, 0, 0, 0, 0, 0),
        "pixdim": (1, 2, 3, 0, 0, 0, 0, 0),
        "voxels": ramp("<i2", (4, 5)).tobytes(),
    }
    yield Case("NIfTI in two axes", "v.nii", partial(nifti, **flat, sform_code=0), "accept")
    yield Case("NIfTI with extension", "v.nii", partial(nifti, vox_offset=368, voxels=bytes(16) + RAW), "accept")
    fraction = partial(nifti, vox_offset=352.5)
    yield Case("NIfTI with half an offset", "v.nii", fraction, "refuse E303")
    yield Case("NIfTI with offset NaN", "v.nii", partial(nifti, vox_offset=NAN), "refuse E303")
    for length in (1, 4, 100, 347):
        yield Case(f"NIfTI of {length} bytes", "v.nii", partial(_cut, nifti(), length), "refuse E30" + "25"[length > 3])
    pair_2 = partial(nifti, version=2, magic=b"ni2\0\r\n\x1a\n")
    yield Case("NIfTI-2 pair", "v.nii", pair_2, "refuse E310")
    yield Case("NIfTI-2 of wrong magic", "v.nii", partial(nifti, version=2, magic=b"n+2\0\n\n\x1a\n"), "refuse E302")
    far = partial(nifti, version=2, qform_code=0, srow_z=(0, 0, 4, 1e308), xyzt_units=1)
    yield Case("NIfTI-2 at the end of float64", "v.nii", far, "refuse E307")
    dims = partial(nifti, version=2, dim=(3, 2**62, 2**62, 2**62, 1, 1, 1, 1))
    yield Case("NIfTI-2 of 2^186 voxels", "v.nii", dims, "refuse E304")
    wide = partial(nifti, version=2, dim=(3, 70000, 1, 1, 1, 1, 1, 1), voxels=bytes(140000))
    yield Case("NIfTI-2 too wide", "v.nii", wide, "refuse E303")


def _gzip_cases() -> Iterator[Case]:
    whole = packed(nifti())
    half = len(nifti()) // 2
    members = packed(nifti()[:half]) + packed(nifti()[half:])
    bomb = packed(nifti(dim=(3, 1000, 1000, 1000, 1, 1, 1, 1)))
    contents: dict[str, tuple[Callable[[], bytes], str]] = {
        "two members": (lambda: members, "accept"),
        "empty member between": (lambda: packed(nifti()[:half]) + packed(b"") + packed(nifti()[half:]), "accept"),
        "zero padding": (lambda: whole + bytes(1000), "accept"),
        "cut in the voxels": (lambda: whole[: len(whole) * 3 // 4], "refuse E305"),
        "cut in the header": (lambda: whole[:20], "refuse E305"),
        "checksum cut off": (lambda: whole[:-8], "refuse E305"),
        "wrong checksum": (lambda: whole[:-8] + bytes(4) + whole[-4:], "refuse E305"),
        "wrong length": (lambda: whole[:-4] + bytes(4), "refuse E305"),
        "garbage behind": (lambda: whole + b"garbage", "refuse E305"),
        "one byte behind": (lambda: whole + b"\x1f", "refuse E305"),
        "broken second member": (lambda: members[:-20], "refuse E305"),
        "reserved method": (lambda: whole[:2] + b"\x09" + whole[3:], "refuse E305"),
        "two bytes only": (lambda: b"\x1f\x8b", "refuse E305"),
        "bomb behind the voxels": (lambda: packed(nifti() + bytes(1 << 25)), "refuse E304"),
        "bomb of 2 GB declared": (lambda: bomb + bytes(1 << 21), "refuse E304"),
        "bomb in many members": (lambda: whole + packed(b"") * 200_000, "refuse E304"),
        "bomb as header extension": (lambda: packed(nifti(vox_offset=1 << 27)), "refuse E303"),
        "gzip in gzip": (lambda: packed(whole), "refuse E302"),
        "not packed": (nifti, "refuse E302"),
        "empty": (lambda: b"", "refuse E305"),
        "a picture": (lambda: packed(_picture("L")), "refuse E302"),
    }
    for name, (content, expected) in contents.items():
        yield Case(f"gzip, {name}", "v.nii.gz", content, expected)
    yield Case("packed under a plain name", "v.nii", lambda: whole, "refuse E302")
    yield Case("name in capitals", "V.NII.GZ", lambda: whole, "accept")
    yield Case("name with blanks and umlauts", "Schädel 脳 (1).nii.gz", lambda: whole, "accept")
    yield Case("Analyze", "v.hdr", partial(nifti, magic=b"\0\0\0\0"), "refuse E310")
    yield Case("Analyze voxels", "v.img", lambda: RAW, "refuse E310")


NRRD_FAULTS: dict[str, tuple[dict, str]] = {
    "plain": ({}, "accept"),
    "short space name": ({"space": "LPS"}, "accept"),
    "RAS": ({"space": "right-anterior-superior"}, "accept"),
    "LAS": ({"space": "left-anterior-superior"}, "accept"),
    "negative directions": ({"space_directions": "(-2,0,0) (0,-3,0) (0,0,4)"}, "accept"),
    "blanks in vectors": ({"space_directions": "( 2, 0, 0 )  (0,3 ,0) (0,0,4)"}, "accept"),
    "version 5": ({"magic": "NRRD0005"}, "accept"),
    "big endian": ({"endian": "big"}, "accept"),
    "type int16": ({"type": "int16"}, "accept"),
    "bytes without endian": ({"type": "uchar", "endian": None, "voxels": RAW[:60]}, "accept"),
    "gzip": ({"encoding": "gzip", "voxels": packed(RAW)}, "accept"),
    "gz": ({"encoding": "GZ", "voxels": packed(RAW)}, "accept"),
    "byte skip": ({"byte_skip": "7", "voxels": bytes(7) + RAW}, "accept"),
    "byte skip -1": ({"byte_skip": "-1", "voxels": bytes(7) + RAW}, "accept"),
    "byte skip in gzip": ({"encoding": "gzip", "byte_skip": "7", "voxels": packed(bytes(7) + RAW)}, "accept"),
    "one layer": (
        {"dimension": "4", "sizes": "1 5 4 3", "space_directions": "none (2,0,0) (0,3,0) (0,0,4)", "kinds": None},
        "accept",
    ),
    "a slice in space": (
        {"dimension": "2", "sizes": "5 12", "space_directions": "(2,0,0) (0,0,3)", "kinds": None},
        "accept",
    ),
    "units in mm": ({"space_units": '"mm" "mm" "mm"'}, "accept"),
    "units in um": ({"space_units": '"um" "um" "um"'}, "warn E306"),
    "units in parsec": ({"space_units": '"pc" "pc" "pc"'}, "warn E306"),
    "units mixed": ({"space_units": '"mm" "mm" "cm"'}, "refuse E306"),
    "no space": ({"space": None}, "warn E327"),
    "scanner space": ({"space": "scanner-xyz"}, "warn E327"),
    "space dimension": ({"space": None, "space_dimension": "3"}, "warn E327"),
    "spacings only": ({"space_directions": None, "spacings": "2 3 4", "space_origin": None}, "warn E327"),
    "neither spacing": ({"space_directions": None, "space": None, "space_origin": None}, "warn E327"),
    "no origin": ({"space_origin": None}, "warn E327"),
    "surplus": ({"voxels": RAW + b"comment"}, "warn E303"),
    "spacings zero": ({"space_directions": None, "spacings": "2 0 4"}, "refuse E306"),
    "spacings NaN": ({"space_directions": None, "spacings": "2 nan 4"}, "refuse E306"),
    "zero direction": ({"space_directions": "(0,0,0) (0,3,0) (0,0,4)"}, "refuse E306"),
    "NaN direction": ({"space_directions": "(nan,0,0) (0,3,0) (0,0,4)"}, "refuse E307"),
    "Inf direction": ({"space_directions": "(2,0,0) (0,inf,0) (0,0,4)"}, "refuse E307"),
    "NaN origin": ({"space_origin": "(0,0,nan)"}, "refuse E307"),
    "singular": ({"space_directions": "(2,0,0) (2,0,0) (0,0,4)"}, "refuse E307"),
    "sheared": ({"space_directions": "(2,0,0) (0.5,3,0) (0,0,4)"}, "refuse E307"),
    "words for numbers": ({"space_directions": "(a,0,0) (0,3,0) (0,0,4)"}, "refuse E307"),
    "huge exponent": ({"space_directions": "(1e99999,0,0) (0,3,0) (0,0,4)"}, "refuse E307"),
    "directions not closed": ({"space_directions": "(2,0,0) (0,3,0) (0,0,4"}, "refuse E303"),
    "two directions": ({"space_directions": "(2,0,0) (0,3,0)"}, "refuse E303"),
    "directions of 4 numbers": ({"space_directions": "(2,0,0,0) (0,3,0,0) (0,0,4,0)"}, "refuse E303"),
    "origin of 2 numbers": ({"space_origin": "(1,2)"}, "refuse E303"),
    "no type": ({"type": None}, "refuse E303"),
    "no sizes": ({"sizes": None}, "refuse E303"),
    "no dimension": ({"dimension": None}, "refuse E303"),
    "no encoding": ({"encoding": None}, "refuse E303"),
    "no endian": ({"endian": None}, "refuse E303"),
    "strange endian": ({"endian": "middle"}, "refuse E303"),
    "strange type": ({"type": "quadruple"}, "refuse E303"),
    "sizes do not fit": ({"sizes": "5 4"}, "refuse E303"),
    "size 0": ({"sizes": "5 0 3"}, "refuse E303"),
    "size negative": ({"sizes": "5 -4 3"}, "refuse E303"),
    "size with underscore": ({"sizes": "5 1_0 3"}, "refuse E303"),
    "size of 5000 digits": ({"sizes": f"5 {'9' * 5000} 3"}, "refuse E303"),
    "dimension 99": ({"dimension": "99"}, "refuse E303"),
    "version 9": ({"magic": "NRRD0009"}, "refuse E302"),
    "no magic": ({"magic": "nrrd"}, "refuse E302"),
    "huge": ({"sizes": "60000 60000 60000"}, "refuse E304"),
    "16 GB": ({"sizes": "2000 2000 2000"}, "refuse E304"),
    "3 GB": ({"sizes": "1100 1100 1100"}, "refuse E304"),
    "bomb": ({"encoding": "gzip", "voxels": packed(RAW + bytes(1 << 25))}, "refuse E304"),
    "truncated": ({"voxels": RAW[:-1]}, "refuse E305"),
    "gzip cut": ({"encoding": "gzip", "voxels": packed(RAW)[:-9]}, "refuse E305"),
    "gzip damaged": ({"encoding": "gzip", "voxels": packed(RAW)[:-8] + bytes(8)}, "refuse E305"),
    "gzip that is raw": ({"encoding": "gzip"}, "refuse E305"),
    "NaN voxel": ({"type": "float", "voxels": with_values(NAN)}, "refuse E309"),
    "text": ({"encoding": "ascii"}, "refuse E310"),
    "bzip2": ({"encoding": "bzip2"}, "refuse E310"),
    "hex": ({"encoding": "hex"}, "refuse E310"),
    "line skip": ({"line_skip": "1"}, "refuse E310"),
    "line skip, old spelling": ({"lineskip": "1"}, "refuse E310"),
    "byte skip -2": ({"byte_skip": "-2"}, "refuse E310"),
    "block": ({"type": "block"}, "refuse E310"),
    "1-D": ({"dimension": "1", "sizes": "60", "space_directions": None, "kinds": None}, "refuse E310"),
    "vectors": (
        {"dimension": "4", "sizes": "3 5 4 1", "space_directions": "none (2,0,0) (0,3,0) (0,0,4)", "kinds": None},
        "refuse E310",
    ),
    "RGB without space": (
        {"sizes": "3 5 4", "kinds": "RGB-color domain domain", "space": None, "space_directions": None},
        "refuse E310",
    ),
    "four axes of space": (
        {"dimension": "4", "sizes": "2 5 3 2", "kinds": None, "space": None, "space_directions": None},
        "refuse E310",
    ),
    "absolute data file": ({"data_file": "/etc/passwd"}, "refuse E311"),
    "data file above": ({"data_file": "../v.raw"}, "refuse E311"),
    "data file above, inside": ({"data_file": "a/../../v.raw"}, "refuse E311"),
    "data file above on Windows": ({"data_file": "..\\v.raw"}, "refuse E311"),
    "data file on a drive": ({"data_file": "C:v.raw"}, "refuse E311"),
    "data file on a share": ({"data_file": "\\\\host\\share\\v.raw"}, "refuse E311"),
    "data files by pattern": ({"data_file": "v%03d.raw 1 3 1"}, "refuse E311"),
    "data files by list": ({"data_file": "LIST 2"}, "refuse E311"),
    "data file with NUL": ({"data_file": "a\0b"}, "refuse E311"),
    "datafile, old spelling": ({"datafile": "../v.raw"}, "refuse E311"),
    "data file not there": ({"data_file": "none.raw"}, "refuse E301"),
    "data file is a folder": ({"data_file": "."}, "refuse E301"),
    "data file of no name": ({"data_file": ""}, "refuse E301"),
}


def _nrrd_cases() -> Iterator[Case]:
    for name, (fields, expected) in NRRD_FAULTS.items():
        yield Case(f"NRRD {name}", "v.nrrd", partial(nrrd, **fields), expected)
    layers = nrrd(dimension="4", sizes="2 5 3 2", space_directions="none (2,0,0) (0,3,0) (0,0,4)", kinds=None)
    overlapping = layers.replace(b"\n\n", b"\nSegment0_ID:=one\n\n", 1)
    yield Case("NRRD of overlapping segments", "v.seg.nrrd", lambda: overlapping, "refuse E310")
    crlf = nrrd(voxels=b"").replace(b"\n", b"\r\n") + RAW
    yield Case("NRRD with CRLF", "v.nrrd", lambda: crlf, "accept")
    twice = nrrd().replace(b"type: short", b"type: short\ntype: uchar")
    yield Case("NRRD with a field twice", "v.nrrd", lambda: twice, "refuse E303")
    yield Case("NRRD with a line of words", "v.nrrd", lambda: nrrd().replace(b"type:", b"words\ntype:"), "refuse E303")
    yield Case("NRRD without end of header", "v.nrrd", lambda: nrrd().split(b"\n\n")[0], "refuse E305")
    endless = nrrd(voxels=b"")[:-1] + b"# x\n" * (1 << 20)
    yield Case("NRRD with an endless header", "v.nrrd", lambda: endless, "refuse E303")
    for ending, encoding, voxels in ((".raw", "raw", RAW), (".raw.gz", "gzip", packed(RAW))):
        detached = partial(nrrd, encoding=encoding, data_file=f"vö ü{ending}", voxels=b"")
        yield Case(f"NHDR {encoding}", "v.nhdr", detached, "accept", {f"vö ü{ending}": voxels})
    short = partial(nrrd, data_file="v.raw", voxels=b"")
    yield Case("NHDR whose data are cut", "v.nhdr", short, "refuse E305", {"v.raw": RAW[:50]})
    yield Case("NHDR that names itself", "v.nhdr", partial(nrrd, data_file="v.nhdr", voxels=b""), "refuse E303")
    skipped = partial(nrrd, encoding="gzip", byte_skip="9" * 12, voxels=packed(RAW))
    yield Case("NRRD that skips a terabyte", "v.nrrd", skipped, "refuse E303")
    many = partial(nrrd, sizes="7 " * 1_000_000)
    yield Case("NRRD of a million sizes", "v.nrrd", many, "refuse E303")
    yield Case("NHDR whose data are longer", "v.nhdr", short, "warn E303", {"v.raw": RAW + bytes(9)})


META_FAULTS: dict[str, tuple[dict, str]] = {
    "plain": ({}, "accept"),
    "big endian": ({"BinaryDataByteOrderMSB": "True"}, "accept"),
    "element byte order": ({"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "True"}, "accept"),
    "no BinaryData": ({"BinaryData": None}, "accept"),
    "old names": (
        {"TransformMatrix": None, "Rotation": "0 1 0 1 0 0 0 0 -1", "Offset": None, "Position": "1 2 3"},
        "accept",
    ),
    "element size": ({"ElementSpacing": None, "ElementSize": "2 3 4"}, "accept"),
    "compressed": ({"CompressedData": "True", "voxels": zlib.compress(RAW)}, "accept"),
    "compressed as gzip": ({"CompressedData": "True", "voxels": packed(RAW)}, "accept"),
    "header size -1": ({"HeaderSize": "-1", "voxels": bytes(5) + RAW}, "accept"),
    "modality": ({"Modality": "MET_MOD_CT"}, "accept"),
    "4-D of one frame": (
        {
            "NDims": "4",
            "DimSize": "5 4 3 1",
            "ElementSpacing": "2 3 4 1",
            "Offset": "1 2 3 0",
            "TransformMatrix": "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",
        },
        "accept",
    ),
    "micrometre": ({"DistanceUnits": "um"}, "warn E306"),
    "2-D": (
        {"NDims": "2", "DimSize": "5 12", "ElementSpacing": "2 3", "Offset": "0 0", "TransformMatrix": "1 0 0 1"},
        "warn E327",
    ),
    "no matrix": ({"TransformMatrix": None}, "warn E327"),
    "no offset": ({"Offset": None}, "warn E327"),
    "surplus": ({"voxels": RAW + bytes(9)}, "warn E303"),
    "no spacing": ({"ElementSpacing": None}, "refuse E306"),
    "spacing 0": ({"ElementSpacing": "2 0 4"}, "refuse E306"),
    "spacing negative": ({"ElementSpacing": "2 -3 4"}, "refuse E306"),
    "spacing NaN": ({"ElementSpacing": "2 nan 4"}, "refuse E306"),
    "spacing in words": ({"ElementSpacing": "two 3 4"}, "refuse E306"),
    "matrix NaN": ({"TransformMatrix": "nan 0 0 0 1 0 0 0 1"}, "refuse E307"),
    "matrix Inf": ({"TransformMatrix": "1 0 0 0 inf 0 0 0 1"}, "refuse E307"),
    "matrix singular": ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "refuse E307"),
    "matrix zero": ({"TransformMatrix": "0 0 0 0 0 0 0 0 0"}, "refuse E307"),
    "matrix sheared": ({"TransformMatrix": "1 0 0 0.6 0.8 0 0 0 1"}, "refuse E307"),
    "matrix short": ({"TransformMatrix": "1 0 0 0"}, "refuse E307"),
    "offset NaN": ({"Offset": "0 nan 0"}, "refuse E307"),
    "scaled": ({"ElementToIntensityFunctionSlope": "2"}, "refuse E312"),
    "scaled by Inf": ({"ElementToIntensityFunctionSlope": "inf"}, "refuse E312"),
    "scaled by 1": ({"ElementToIntensityFunctionSlope": "1", "ElementToIntensityFunctionOffset": "0"}, "accept"),
    "no type": ({"ElementType": None}, "refuse E303"),
    "strange type": ({"ElementType": "MET_OTHER"}, "refuse E303"),
    "no dims": ({"NDims": None}, "refuse E303"),
    "dims do not fit": ({"NDims": "4"}, "refuse E303"),
    "dims negative": ({"NDims": "-3"}, "refuse E303"),
    "dims of a billion": ({"NDims": "1000000000"}, "refuse E303"),
    "size 0": ({"DimSize": "5 0 3"}, "refuse E303"),
    "size negative": ({"DimSize": "5 -4 3"}, "refuse E303"),
    "no size": ({"DimSize": ""}, "refuse E303"),
    "header size -7": ({"HeaderSize": "-7"}, "refuse E303"),
    "header size inside": ({"HeaderSize": "9"}, "refuse E303"),
    "16 GB": ({"DimSize": "2000 2000 2000"}, "refuse E304"),
    "3 GB": ({"DimSize": "1100 1100 1100"}, "refuse E304"),
    "bomb": ({"CompressedData": "True", "voxels": zlib.compress(RAW + bytes(1 << 25))}, "refuse E304"),
    "truncated": ({"voxels": RAW[:-1]}, "refuse E305"),
    "compressed, cut": ({"CompressedData": "True", "voxels": zlib.compress(RAW)[:-5]}, "refuse E305"),
    "compressed, damaged": ({"CompressedData": "True", "voxels": b"\x78\x9c" + bytes(90)}, "refuse E305"),
    "NaN voxel": ({"ElementType": "MET_FLOAT", "voxels": with_values(NAN)}, "refuse E309"),
    "channels": ({"ElementNumberOfChannels": "3"}, "refuse E310"),
    "array": ({"ElementType": "MET_UCHAR_ARRAY"}, "refuse E310"),
    "text": ({"BinaryData": "False"}, "refuse E310"),
    "tube": ({"ObjectType": "Tube"}, "refuse E310"),
    "4-D": ({"NDims": "4", "DimSize": "5 4 3 2"}, "refuse E310"),
    "1-D": ({"NDims": "1", "DimSize": "60"}, "refuse E310"),
    "absolute data file": ({"ElementDataFile": "/etc/passwd"}, "refuse E311"),
    "data file above": ({"ElementDataFile": "../v.raw"}, "refuse E311"),
    "data file above on Windows": ({"ElementDataFile": "a\\..\\..\\v.raw"}, "refuse E311"),
    "data files by list": ({"ElementDataFile": "LIST"}, "refuse E311"),
    "data files by pattern": ({"ElementDataFile": "v%02d.raw 1 3 1"}, "refuse E311"),
    "data file not there": ({"ElementDataFile": "none.raw"}, "refuse E301"),
    "data file of no name": ({"ElementDataFile": ""}, "refuse E303"),
}


def _metaimage_cases() -> Iterator[Case]:
    for name, (fields, expected) in META_FAULTS.items():
        yield Case(f"MetaImage {name}", "v.mha", partial(metaimage, **fields), expected)
    yield Case("MetaImage cut in the header", "v.mha", partial(_cut, metaimage(), 60), "refuse E305")
    yield Case("MetaImage of zeros", "v.mha", lambda: bytes(999), "refuse E302")
    twice = metaimage().replace(b"NDims = 3", b"NDims = 3\nNDims = 3")
    yield Case("MetaImage with a field twice", "v.mha", lambda: twice, "refuse E303")
    yield Case("MetaImage with garbage", "v.mha", lambda: metaimage().replace(b"NDims", b"\xff\xfe"), "refuse E303")
    blanks = partial(metaimage, Comment=("x" + " " * 100_000) * 20)
    yield Case("MetaImage with a long comment", "v.mha", blanks, "accept")
    detached = partial(metaimage, ElementDataFile="v w.raw", voxels=b"")
    yield Case("MHD", "v.mhd", detached, "accept", {"v w.raw": RAW})
    yield Case("MHD whose data are cut", "v.mhd", detached, "refuse E305", {"v w.raw": RAW[:50]})
    skipping = partial(metaimage, ElementDataFile="v.raw", HeaderSize="16", voxels=b"")
    yield Case("MHD with a header size", "v.mhd", skipping, "accept", {"v.raw": bytes(16) + RAW})
    zraw = partial(metaimage, ElementDataFile="v.zraw", CompressedData="True", voxels=b"")
    yield Case("MHD compressed", "v.mhd", zraw, "accept", {"v.zraw": zlib.compress(RAW)})


MGH_FAULTS: dict[str, tuple[dict, str]] = {
    "plain": ({}, "accept"),
    "footer": ({"voxels": ramp(">i2").tobytes() + b"TR and names of files"}, "accept"),
    "turned": ({"axes": (-1, 0, 0, 0, 0, -1, 0, 1, 0)}, "accept"),
    "uchar": ({"kind": 0, "voxels": RAW[:60]}, "accept"),
    "ushort": ({"kind": 10}, "accept"),
    "no orientation": ({"good": 0, "delta": (NAN,) * 3, "axes": (0,) * 9}, "warn E327"),
    "wrong version": ({"version": 2}, "refuse E302"),
    "size 0": ({"dims": (5, 0, 3, 1)}, "refuse E303"),
    "size negative": ({"dims": (5, 4, -3, 1)}, "refuse E303"),
    "frames negative": ({"dims": (5, 4, 3, -1)}, "refuse E303"),
    "16 GB": ({"dims": (2000, 2000, 2000, 1)}, "refuse E304"),
    "1 GB": ({"dims": (800, 800, 800, 1)}, "refuse E304"),
    "truncated": ({"voxels": RAW[:-1]}, "refuse E305"),
    "no voxels": ({"voxels": b""}, "refuse E305"),
    "spacing 0": ({"delta": (2, 0, 4)}, "refuse E306"),
    "spacing NaN": ({"delta": (2, NAN, 4)}, "refuse E306"),
    "matrix NaN": ({"axes": (NAN, 0, 0, 0, 1, 0, 0, 0, 1)}, "refuse E307"),
    "matrix Inf": ({"axes": (1, 0, 0, 0, INF, 0, 0, 0, 1)}, "refuse E307"),
    "matrix singular": ({"axes": (1, 0, 0, 1, 0, 0, 0, 0, 1)}, "refuse E307"),
    "center NaN": ({"center": (0, 0, NAN)}, "refuse E307"),
    "NaN voxel": ({"kind": 3, "voxels": ramp(">f4").tobytes()[:-4] + struct.pack(">f", NAN)}, "refuse E309"),
    "frames": ({"dims": (5, 4, 3, 2)}, "refuse E310"),
    "tensor": ({"kind": 6}, "refuse E310"),
}


def _mgh_cases() -> Iterator[Case]:
    for name, (fields, expected) in MGH_FAULTS.items():
        yield Case(f"MGH {name}", "v.mgh", partial(mgh, **fields), expected)
        yield Case(f"MGZ {name}", "v.mgz", partial(packed, mgh(**fields)), expected)
    yield Case("MGZ that is not packed", "v.mgz", mgh, "refuse E302")
    yield Case("MGH cut in the header", "v.mgh", partial(_cut, mgh(), 100), "refuse E305")
    yield Case("MGH empty", "v.mgh", lambda: b"", "refuse E305")


def _picture_cases() -> Iterator[Case]:
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    colors = np.stack([gray, gray, gray], axis=2)
    tinted = colors + np.array([0, 0, 1], np.uint8)
    see_through = np.dstack([colors, gray])
    opaque = np.dstack([colors, np.full_like(gray, 255)])
    arrays: dict[str, tuple[np.ndarray, str, str]] = {
        "gray PNG": (gray, "PNG", "accept"),
        "gray TIFF": (gray, "TIFF", "accept"),
        "gray JPEG": (gray, "JPEG", "accept"),
        "16-bit PNG": (gray.astype(np.uint16) * 900, "PNG", "accept"),
        "16-bit TIFF": (gray.astype(np.uint16) * 900, "TIFF", "accept"),
        "float TIFF": (gray.astype(np.float32), "TIFF", "accept"),
        "NaN TIFF": (np.where(gray == 5, NAN, gray).astype(np.float32), "TIFF", "refuse E309"),
        "1-bit PNG": (gray > 30, "PNG", "accept"),
        "equal channels": (colors, "PNG", "accept"),
        "opaque": (opaque, "PNG", "accept"),
        "color PNG": (tinted, "PNG", "refuse E310"),
        "color TIFF": (tinted, "TIFF", "refuse E310"),
        "transparent": (see_through, "PNG", "refuse E310"),
    }
    for name, (pixels, form, expected) in arrays.items():
        ending = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif"}[form]
        yield Case(f"picture, {name}", f"p{ending}", partial(_saved, pixels, form), expected)
    whole = _saved(gray, "PNG")
    contents: dict[str, tuple[str, bytes, str]] = {
        "PNG cut": ("p.png", whole[:-30], "refuse E305"),
        "PNG damaged": ("p.png", whole[:50] + b"\xff\0\xff" + whole[53:], "refuse E305"),
        "PNG header only": ("p.png", whole[:33], "refuse E305"),
        "PNG empty": ("p.png", b"", "refuse E305"),
        "PNG of words": ("p.png", b"words", "refuse E302"),
        "PNG that is a GIF": ("p.png", _saved(gray, "GIF"), "refuse E302"),
        "JPEG cut": ("p.jpg", _saved(np.tile(gray, (40, 40)), "JPEG")[:900], "refuse E305"),
        "TIFF cut": ("p.tif", _saved(gray, "TIFF")[:60], "refuse E305"),
        "PNG bomb": ("p.png", _png(9000, 9999, 8, 0), "refuse E304"),
        "PNG bomb, larger": ("p.png", _png(60000, 60000, 8, 0), "refuse E304"),
        "PNG too wide": ("p.png", _png(70000, 2, 8, 0, bytes(2 * 70001)), "refuse E303"),
        "16-bit color": ("p.png", _png(2, 2, 16, 2, bytes(2 * 13)), "refuse E310"),
        "16-bit gray with alpha": ("p.png", _png(2, 2, 16, 4, bytes(2 * 9)), "refuse E310"),
        "two pages": (
            "p.tif",
            _saved(gray, "TIFF", append_images=[Pillow.fromarray(gray)], save_all=True),
            "refuse E310",
        ),
        "two frames": (
            "p.png",
            _saved(gray, "PNG", append_images=[Pillow.fromarray(gray.T)], save_all=True),
            "refuse E310",
        ),
        "CMYK": ("p.jpg", _picture("CMYK", "JPEG"), "refuse E310"),
        "gray palette": ("p.png", _picture("P"), "accept"),
        "to be turned": ("p.jpg", _saved(gray, "JPEG", exif=_exif(6)), "refuse E310"),
        "upright": ("p.jpg", _saved(gray, "JPEG", exif=_exif(1)), "accept"),
        "white is 0": ("p.tif", _saved(gray.astype(np.uint16), "TIFF", tiffinfo={262: 0}), "refuse E310"),
    }
    for name, (file, content, expected) in contents.items():
        yield Case(f"picture, {name}", file, partial(bytes, content), expected)
    yield Case("words", "notes.txt", lambda: b"words", "refuse E302")
    yield Case("no ending", "volume", nifti, "refuse E302")


def _cut(content: bytes, length: int) -> bytes:
    return content[:length]


def _saved(pixels: np.ndarray, form: str, **options) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def _picture(mode: str, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert(mode).save(file, form)
    return file.getvalue()


def _exif(orientation: int) -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    return exif


def _png(width: int, height: int, depth: int, color: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


CASES = tuple(
    itertools.chain(_nifti_cases(), _gzip_cases(), _nrrd_cases(), _metaimage_cases(), _mgh_cases(), _picture_cases())
)

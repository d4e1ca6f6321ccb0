from __future__ import annotations

import random
import time

import numpy as np
import pytest
import SimpleITK as sitk

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.guard import header as limits
from MedDLLogic.io.read import check, read_image
from Testing.io.corpus import INF, NAN, with_values
from Testing.io.formats import metaimage, nifti, nrrd, packed, ramp


@pytest.fixture
def volume_with_holes(tmp_path):
    path = tmp_path / "v.nii"
    path.write_bytes(nifti(dtype="f4", voxels=with_values(NAN, INF, -INF, NAN)))
    return path


def test_holes_are_counted(volume_with_holes):
    (finding,) = check(volume_with_holes).findings
    assert "2 NaN and 2 Inf of 60" in finding.message
    assert "nan_fill" in finding.message


def test_holes_are_filled_when_told_by_what(volume_with_holes):
    found = read_image(volume_with_holes, nan_fill=-7.0)
    assert np.array_equal(found.image.voxels.ravel()[-5:], [55, -7, -7, -7, -7])
    assert [(f.code, f.severity) for f in found.warnings] == [("E309", "warning")]


def test_holes_are_filled_in_units_of_the_voxels(tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti(dtype="f4", voxels=with_values(NAN), scl_slope=10.0))
    assert read_image(tmp_path / "v.nii", nan_fill=3.0).image.voxels.max() == 580
    assert read_image(tmp_path / "v.nii", nan_fill=3.0).image.voxels.ravel()[-1] == 3


@pytest.mark.parametrize("fill", [NAN, INF, 1e39])
def test_holes_are_not_filled_with_holes(fill: float, volume_with_holes):
    with pytest.raises(MedDLError, match="E101"):
        read_image(volume_with_holes, nan_fill=fill)


def test_a_whole_volume_needs_no_fill(tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti())
    assert read_image(tmp_path / "v.nii", nan_fill=5.0).warnings == ()


def test_scaled_voxels_are_float32(tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti(scl_slope=0.5, scl_inter=-3.0))
    found = read_image(tmp_path / "v.nii")
    assert found.image.voxels.dtype == np.float32
    assert np.array_equal(found.image.voxels[0], ramp() * 0.5 - 3)
    assert found.facts["scaling"] == "0.5 * stored + -3"


@pytest.mark.parametrize("slope", [0.0, NAN])
def test_a_slope_that_is_not_set_leaves_the_voxels_alone(slope: float, tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti(scl_slope=slope, scl_inter=9.0))
    found = read_image(tmp_path / "v.nii")
    assert np.array_equal(found.image.voxels[0], ramp())
    assert found.image.voxels.dtype == np.int16
    assert "scl_slope" in found.facts["scaling"]


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_voxels_keep_their_type_in_native_byte_order(dtype: str, tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti(dtype=dtype, order=">"))
    voxels = read_image(tmp_path / "v.nii").image.voxels
    assert voxels.dtype == np.dtype(dtype)
    assert np.array_equal(voxels[0], ramp(dtype))


def test_large_integers_lose_nothing(tmp_path):
    large = np.full(60, 2**63 - 1, "<i8")
    (tmp_path / "v.nii").write_bytes(nifti(dtype="i8", voxels=large.tobytes()))
    assert read_image(tmp_path / "v.nii").image.voxels.min() == 2**63 - 1


@pytest.mark.parametrize(("units", "spacing"), [(1, (2000, 3000, 4000)), (3, (0.002, 0.003, 0.004))])
def test_other_units_become_millimetres(units: int, spacing, tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti(xyzt_units=units))
    geometry = read_image(tmp_path / "v.nii").image.geometry
    assert geometry.spacing_ijk_mm == pytest.approx(spacing)
    assert geometry.origin_lps_mm == pytest.approx(
        tuple(s * o for s, o in zip((-5, -20 / 3, 7.5), spacing, strict=True))
    )


def test_nrrd_units_become_millimetres(tmp_path):
    (tmp_path / "v.nrrd").write_bytes(nrrd(space_units='"um" "um" "um"'))
    assert read_image(tmp_path / "v.nrrd").image.geometry.spacing_ijk_mm == pytest.approx((0.002, 0.003, 0.004))


@pytest.mark.parametrize(("space", "first"), [("LPS", (-10, -20, 30)), ("RAS", (10, 20, 30)), ("LAS", (-10, 20, 30))])
def test_nrrd_spaces_become_lps(space: str, first, tmp_path):
    (tmp_path / "v.nrrd").write_bytes(nrrd(space=space))
    geometry = read_image(tmp_path / "v.nrrd").image.geometry
    assert geometry.origin_lps_mm == first
    assert geometry.orientation == space


def test_a_single_slice_in_space_keeps_its_plane(tmp_path):
    fields = {"dimension": "2", "sizes": "5 12", "space_directions": "(2,0,0) (0,0,3)", "kinds": None}
    (tmp_path / "v.nrrd").write_bytes(nrrd(**fields))
    geometry = read_image(tmp_path / "v.nrrd").image.geometry
    assert geometry.shape_kji == (1, 12, 5)
    assert geometry.spacing_ijk_mm == (2, 3, 1)
    assert np.array_equal(geometry.direction[:, 2], [0, -1, 0])


def test_of_two_orientations_the_one_that_slicer_shows_is_used(tmp_path):
    for sform_code, used in ((1, "sform"), (2, "qform")):
        (tmp_path / "v.nii").write_bytes(nifti(sform_code=sform_code, srow_x=(2, 0, 0, 14)))
        found = read_image(tmp_path / "v.nii")
        assert found.image.geometry.origin_lps_mm[0] == sitk.ReadImage(tmp_path / "v.nii").GetOrigin()[0]
        assert f"{used} was used" in found.warnings[0].message


def test_modality_is_told_where_the_file_tells_it(tmp_path):
    (tmp_path / "v.mha").write_bytes(metaimage(Modality="MET_MOD_CT"))
    found = read_image(tmp_path / "v.mha")
    assert (found.image.modality, found.facts["modality"]) == ("CT", "CT")


def test_a_verdict_on_damaged_voxels_still_tells_the_geometry(tmp_path):
    (tmp_path / "v.nii.gz").write_bytes(
        packed(nifti(dim=(3, 5, 4, 50, 1, 1, 1, 1), voxels=random.randbytes(2000)))[:-200]
    )
    verdict = check(tmp_path / "v.nii.gz")
    assert (verdict.outcome, verdict.geometry.shape_kji) == ("refuse", (50, 4, 5))
    assert verdict.facts["spacing"] == "2 x 3 x 4 mm"


def test_facts_are_plain_words(tmp_path):
    (tmp_path / "v.nii").write_bytes(nifti(sform_code=0, qform_code=0))
    facts = check(tmp_path / "v.nii").facts
    assert facts["format"] == "NIfTI-1"
    assert facts["size"] == "5 x 4 x 3"
    assert facts["voxel type"] == "int16"
    assert facts["frame"] == "place in the patient not known"


def test_the_memory_budget_is_what_is_read_not_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 200)
    (tmp_path / "v.nii").write_bytes(nifti())
    (tmp_path / "s.nii").write_bytes(nifti(scl_slope=2.0))
    assert check(tmp_path / "v.nii").outcome == "accept"
    assert check(tmp_path / "s.nii").findings[0].code == "E304"


def test_reading_takes_at_most_three_times_as_long_as_itk(tmp_path):
    path = tmp_path / "v.nii.gz"
    noise = np.random.default_rng(1).normal(100, 20, (128, 160, 160)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(noise), path)
    ours = min(seconds(lambda: read_image(path)) for _ in range(4))
    itk = min(seconds(lambda: sitk.GetArrayFromImage(sitk.ReadImage(path))) for _ in range(4))
    assert ours < 3 * itk + 0.05


def seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start

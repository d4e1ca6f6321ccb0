"""Real files: each has a written-down verdict, and what is accepted agrees with other readers."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MedDLLogic.errors import CODES
from MedDLLogic.geometry import flip_lps_ras
from MedDLLogic.io.dicom import check_dicom, list_series, read_dicom

ODD, BAD = "dicom/odd_pydicom", "bad/dicom_single"
SARCOMA = "dicom/sarcoma_ct_pet_mr_rtstruct/STS_002"
DCMQI = "dicom/seg_sr_dcmqi/segmentations"
HIGHDICOM = "dicom/seg_highdicom/data/test_files"

# Each path is judged alone, in a folder of its own; where it is a folder, as it is.
VERDICTS = {
    f"{SARCOMA}/CT/image": "",
    f"{SARCOMA}/PET/image": "",
    f"{SARCOMA}/MR_T1/image": "",
    f"{SARCOMA}/CT": "",
    SARCOMA: "E321",
    "dicom/ct_gantry_tilt_uneven": "E325",
    "dicom/enhanced_mr/In/Philips": "E310",
    "dicom/enhanced_mr/In/Siemens/XA10": "E310",
    "dicom/enhanced_mr/In/Siemens/XA10/6_1.dcm": "",
    "dicom/rtstruct_rtutils/mock_data": "",
    "dicom/rtstruct_rtutils/empty": "E320",
    f"{DCMQI}/ct-3slice": "",
    f"{DCMQI}/23x38x3/image": "",
    f"{DCMQI}/23x38x3/multiframe": "",
    f"{DCMQI}/23x38x3/seg/label.seg": "E320",
    f"{DCMQI}/liver.dcm": "E320",
    f"{DCMQI}/sparse-labelmap-ppv5.dcm": "E320",
    "dicom/seg_sr_dcmqi/sr-example/sr.dcm": "E320",
    "dicom/seg_sr_dcmqi/sr-example/rwvm.dcm": "E320",
    "dicom/seg_sr_dcmqi/paramaps/pm-example-slice.dcm": "",
    f"{HIGHDICOM}/ct_image.dcm": "",
    f"{HIGHDICOM}/dx_image.dcm": "E312 warning",
    f"{HIGHDICOM}/sm_image_grayscale.dcm": "E310",
    f"{HIGHDICOM}/sm_annotations.dcm": "E320",
    f"{HIGHDICOM}/seg_image_ct_true_fractional.dcm": "E320",
    f"{ODD}/dicomdirtests": "E321",
    f"{ODD}/dicomdirtests/DICOMDIR": "E320",
    f"{ODD}/dicomdirtests/77654033/CR1": "E312 warning",
    f"{ODD}/dicomdirtests/77654033/CT2": "E322",
    f"{ODD}/dicomdirtests/98892001/CT2N": "E326",
    f"{ODD}/dicomdirtests/98892001/CT5N": "",
    f"{ODD}/dicomdirtests/98892003/MR1": "E321",
    f"{ODD}/dicomdirtests/98892003/MR700": "E326",
    f"{ODD}/dicomdirtests/TINY_ALPHA": "E320",
    f"{ODD}/693_J2KI.dcm": "",
    f"{ODD}/CT_small.dcm": "",
    f"{ODD}/ExplVR_BigEnd.dcm": "E310",
    f"{ODD}/J2K_pixelrep_mismatch.dcm": "",
    f"{ODD}/JPEG-lossy.dcm": "",
    f"{ODD}/JPEG2000-embedded-sequence-delimiter.dcm": "E328",
    f"{ODD}/JPEGLSNearLossless_08.dcm": "E303 warning",
    f"{ODD}/JPGExtended.dcm": "",
    f"{ODD}/MR_small.dcm": "",
    f"{ODD}/MR_small_RLE.dcm": "",
    f"{ODD}/MR_small_bigendian.dcm": "",
    f"{ODD}/MR_small_implicit.dcm": "",
    f"{ODD}/MR_small_jp2klossless.dcm": "",
    f"{ODD}/MR_small_jpeg_ls_lossless.dcm": "",
    f"{ODD}/MR_small_padded.dcm": "E305 warning",
    f"{ODD}/MR_truncated.dcm": "E305",
    f"{ODD}/SC_rgb_jpeg.dcm": "E310",
    f"{ODD}/SC_rgb_rle_16bit_2frame.dcm": "E310",
    f"{ODD}/SC_ybr_full_422_uncompressed.dcm": "E310",
    f"{ODD}/badVR.dcm": "E303",
    f"{ODD}/examples_overlay.dcm": "",
    f"{ODD}/examples_palette.dcm": "E310",
    f"{ODD}/examples_ybr_color.dcm": "E310",
    f"{ODD}/image_dfl.dcm": "",
    f"{ODD}/liver_expb_1frame.dcm": "E320",
    f"{ODD}/rtdose.dcm": "E310",
    f"{ODD}/rtdose_rle_1frame.dcm": "E310",
    f"{ODD}/rtplan_truncated.dcm": "E320",
    f"{ODD}/test-SR.dcm": "E320",
    f"{ODD}/zipMR.gz": "E302",
    f"{BAD}/ExplVR_BigEndNoMeta.dcm": "E320",
    f"{BAD}/ExplVR_LitEndNoMeta.dcm": "E320",
    f"{BAD}/OT-PAL-8-face.dcm": "E310",
    f"{BAD}/SC_rgb_small_odd_jpeg.dcm": "E310",
    f"{BAD}/UN_sequence.dcm": "E320",
    f"{BAD}/bad_sequence.dcm": "",
    f"{BAD}/empty_charset_LEI.dcm": "E320",
    f"{BAD}/emri_small_jpeg_2k_lossless_too_short.dcm": "E310",
    f"{BAD}/explicit_VR-UN.dcm": "E306 warning",
    f"{BAD}/gdcmNoSpacingTest.dcm": "",
    f"{BAD}/meta_missing_tsyntax.dcm": "E303",
    f"{BAD}/mlut_18.dcm": "",
    f"{BAD}/nested_priv_SQ.dcm": "E303",
    f"{BAD}/no_meta.dcm": "E302",
    f"{BAD}/no_meta_group_length.dcm": "E320",
    f"{BAD}/reportsi.dcm": "E320",
    f"{BAD}/single-bit.dcm": "E320",
    f"{BAD}/vlut_04.dcm": "",
    f"{BAD}/waveform_ecg.dcm": "E320",
    "bad/dicom_series_missing_first": "",
    "bad/dicom_series_missing_slice_and_tag": "",
    "bad/dicom_oriented/oriented_data": "",
    "bad/dicom_one_slice/one_slice_data": "E306 warning",
    "bad/dicom_no_sopclass_no_instancenumber": "E303 warning",
    "bad/dicom_seg": "E320",
    "bad/dicomdir": "E320",
    "bad/rtstruct_bad_refs/mock_data": "",
    "bad/nibabel/decimal_rescale.dcm": "E303 warning",
    "bad/nibabel/slicethickness_empty_string.dcm": "E306 warning",
    "bad/nibabel/philips_mprage.dcm.gz": "E302",
}
SERIES = [
    f"{SARCOMA}/CT/image",
    f"{SARCOMA}/PET/image",
    f"{SARCOMA}/MR_T1/image",
    f"{DCMQI}/ct-3slice",
    f"{DCMQI}/23x38x3/image",
    f"{ODD}/dicomdirtests/98892001/CT5N",
    "dicom/rtstruct_rtutils/mock_data",
    "bad/dicom_oriented/oriented_data",
    "bad/dicom_series_missing_first",
]
LOSSLESS = ("J2KR", "JLSL", "JPLL", "RLE")
LOSSY = ("J2KI", "JLSN", "JPLY")
SCANS = ("CT1", "MR1", "NM1", "XA1")


@pytest.fixture
def alone(real_data, tmp_path):
    """``alone(path)``: that file copied to a folder of its own; a folder is given as it is."""

    def copied(path: str) -> Path:
        found = real_data(*path.split("/"))
        return found if found.is_dir() else Path(shutil.copy(found, tmp_path))

    return copied


@pytest.fixture
def uncompressed(real_data, tmp_path):
    """``uncompressed("CT1")``: stored values of the reference of that scan, which lies zstd-packed."""
    if not shutil.which("zstd"):
        pytest.skip("the reference files need the program zstd")

    def unpacked(scan: str) -> np.ndarray:
        packed = real_data("dicom", "compressed_wg04", "REF", f"{scan}_UNC.zst")
        subprocess.run(["zstd", "-dfq", str(packed), "-o", str(tmp_path / scan)], check=True)
        return pydicom.dcmread(tmp_path / scan).pixel_array

    return unpacked


@pytest.mark.parametrize(("path", "expected"), VERDICTS.items())
def test_each_real_input_gets_its_verdict(path, expected, alone):
    verdict = check_dicom(alone(path))
    told = [finding.code + " warning" * (finding.severity == "warning") for finding in verdict.findings]
    assert told[:1] == [expected] * bool(expected)


@pytest.mark.parametrize("root", ["dicom", "bad"])
def test_every_file_ends_in_a_verdict_with_a_known_code(root, real_data):
    for path in sorted(real_data(root).rglob("*")):
        start = time.perf_counter()
        verdict = check_dicom(path)
        assert time.perf_counter() - start < 5, path
        assert all(finding.code in CODES for finding in verdict.findings)
        assert verdict.outcome == "refuse" or verdict.geometry is not None


@pytest.mark.parametrize("path", SERIES)
def test_an_accepted_series_is_what_simpleitk_reads(path, real_data):
    folder = real_data(*path.split("/"))
    image = read_dicom(folder).image
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    expected = sitk.ReadImage(files)
    np.testing.assert_allclose(image.voxels[0], sitk.GetArrayFromImage(expected), rtol=1e-6)
    np.testing.assert_allclose(image.geometry.origin_lps_mm, expected.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(image.geometry.spacing_ijk_mm, expected.GetSpacing(), atol=1e-4)
    np.testing.assert_allclose(image.geometry.direction.ravel(), expected.GetDirection(), atol=1e-4)


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("folder", LOSSLESS)
def test_lossless_compression_gives_the_uncompressed_values(scan, folder, real_data, uncompressed):
    voxels = read_dicom(real_data("dicom", "compressed_wg04", folder, f"{scan}_{folder}")).image.voxels
    offset = -1024 if scan == "CT1" else 0
    np.testing.assert_array_equal(voxels[0, 0], uncompressed(scan).squeeze().astype(np.int64) + offset)


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("folder", LOSSY)
def test_lossy_compression_stays_near_the_uncompressed_values(scan, folder, real_data, uncompressed):
    path = Path(real_data("dicom", "compressed_wg04", folder), f"{scan}_{folder}")
    if not path.exists():
        pytest.skip("no such file among the samples")
    stored = uncompressed(scan).squeeze().astype(np.float64)
    expected = stored - (1024 if scan == "CT1" else 0)
    assert np.abs(read_dicom(path).image.voxels[0, 0] - expected).mean() < 0.02 * np.ptp(stored)


def test_a_legacy_converted_file_is_the_series_it_came_from(real_data):
    frames, single = (
        read_dicom(real_data(*f"{DCMQI}/23x38x3/{name}".split("/"))).image for name in ("multiframe", "image")
    )
    assert frames.geometry.is_same_grid(single.geometry, 1e-4)
    np.testing.assert_array_equal(frames.voxels, single.voxels)


@pytest.mark.parametrize("time_point", range(4))
def test_enhanced_siemens_mr_is_what_dcm2niix_makes_of_it(time_point, real_data):
    folder = real_data("dicom", "enhanced_mr")
    image = read_dicom(folder / "In" / "Siemens" / "XA10" / f"6_{time_point + 1}.dcm").image
    reference = nibabel.load(folder / "Ref" / "Siemens_REST1_w_SMS_PF7-8_6.nii")
    assert_same_as_nifti(image, reference, np.asarray(reference.dataobj)[..., time_point], rtol=0)


@pytest.mark.parametrize(("first", "reference"), [(0, "e1"), (32, "e2_fieldmaphz")])
def test_enhanced_philips_frames_get_their_own_scale(first, reference, real_data, tmp_path):
    folder = real_data("dicom", "enhanced_mr")
    data = pydicom.dcmread(folder / "In" / "Philips" / "IM_0027_fMAP.dcm")
    keep_frames(data, slice(first, first + 32))
    data.save_as(tmp_path / "a.dcm")
    nifti = nibabel.load(folder / "Ref" / f"Philips_WIP_B0_NS_801_{reference}.nii")
    stored = np.asarray(nifti.dataobj)
    scale = stored.max() / read_dicom(tmp_path / "a.dcm").image.voxels.max() if reference == "e1" else 1
    assert_same_as_nifti(read_dicom(tmp_path / "a.dcm").image, nifti, stored / scale, rtol=1e-4)


def test_series_of_a_patient_are_listed_by_modality(real_data):
    listed = list_series(real_data(*SARCOMA.split("/")))
    told = {(one.modality, one.slices, one.is_image) for one in listed}
    assert {("CT", 48, True), ("PT", 48, True), ("MR", 35, True), ("RTSTRUCT", 0, False)} <= told


def test_pet_slices_keep_their_own_slopes(real_data):
    folder = real_data(*f"{SARCOMA}/PET/image".split("/"))
    slopes = {float(pydicom.dcmread(path, stop_before_pixels=True).RescaleSlope) for path in folder.iterdir()}
    image = read_dicom(folder).image
    assert len(slopes) > 1
    assert (image.modality, image.units, image.voxels.dtype) == ("PT", "", np.float32)


def keep_frames(data: pydicom.Dataset, kept: slice) -> None:
    frame_bytes = data.Rows * data.Columns * 2
    data.PerFrameFunctionalGroupsSequence = data.PerFrameFunctionalGroupsSequence[kept]
    data.NumberOfFrames = len(data.PerFrameFunctionalGroupsSequence)
    data.PixelData = data.PixelData[kept.start * frame_bytes : kept.stop * frame_bytes]


def assert_same_as_nifti(image, reference, values_ijk, *, rtol):
    """Both in RAS order, for dcm2niix turns axes as it likes."""
    read = nibabel.Nifti1Image(image.voxels[0].T.astype(np.float64), flip_lps_ras(image.geometry.ijk_to_lps))
    ours, theirs = map(nibabel.as_closest_canonical, (read, nibabel.Nifti1Image(values_ijk, reference.affine)))
    np.testing.assert_allclose(ours.get_fdata(), theirs.get_fdata(), rtol=rtol, atol=rtol * np.ptp(values_ijk))
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=2e-4)

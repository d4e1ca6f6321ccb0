from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose

from MedDLLogic.geometry import flip_lps_ras
from MedDLLogic.io.read import check, read_image

BAD = {
    "bad/images/cthead1-257-corrupt.png": "refuse E305",
    "bad/images/ShortTestImage.tiff": "accept",
    "bad/mhd_directions/HeadMRVolumeWithDirection001.mhd": "accept",
    "bad/mhd_directions/HeadMRVolumeWithDirection002.mhd": "accept",
    "bad/mhd_directions/HeadMRVolumeWithDirection003.mhd": "accept",
    "bad/nibabel/anatomical.nii": "accept",
    "bad/nibabel/example_nifti2.nii.gz": "refuse E310",
    "bad/nibabel/minc2_baddim.mnc": "refuse E302",
    "bad/nibabel/phantom_truncated.PAR": "refuse E302",
    "bad/nibabel/reoriented_anat_moved.nii": "accept",
    "bad/nibabel/siemens_dwi_1000.dcm.gz": "refuse E302",
    "bad/nifti_odd/AIL.nii.gz": "accept",
    "bad/nifti_odd/CT_pitch.nii.gz": "accept",
    "bad/nifti_odd/ct_perfusion.nii.gz": "refuse E310",
    "bad/nifti_odd/hippo.nii.gz": "accept",
    "bad/nifti_odd/low_res.nii.gz": "accept",
    "bad/nifti_odd/minimal.nii.gz": "warn E327",
    "bad/nifti_odd/pcasl.nii.gz": "refuse E310",
    "bad/nifti_qform_sform/LPSLabels.nii.gz": "accept",
    "bad/nifti_qform_sform/LPSLabels_noqform.nii.gz": "accept",
    "bad/nifti_qform_sform/LPSLabels_nosform.nii.gz": "accept",
    "ct/chest_slicerio/SegmentationOverlapping.seg.nrrd": "refuse E310",
    "dicom/enhanced_mr/Ref/Siemens_REST1_w_SMS_PF7-8_6.nii": "refuse E310",
    "mr/brain_templates/shear.nii.gz": "refuse E307",
}
FOLDERS = ("mr", "ct", "xray", "bad/unpaired", "bad/degenerate_masks", "dicom/seg_sr_dcmqi/segmentations")
ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mgz", ".png")


@pytest.fixture
def real_files(real_data) -> Callable[[str], list[Path]]:
    """Every image file of a folder whose verdict is not one of the table's, screenshots left out."""
    odd = {real_data(name) for name in BAD}

    def find(folder: str) -> list[Path]:
        files = {path for path in real_data(folder).rglob("*") if path.name.endswith(ENDINGS)} - odd
        return sorted(path for path in files if path.parent.name != "screenshots")

    return find


@pytest.mark.parametrize(("name", "expected"), BAD.items())
def test_odd_real_files_get_their_verdict(name: str, expected: str, real_data):
    start = time.perf_counter()
    verdict = check(real_data(name))
    assert " ".join([verdict.outcome, *(finding.code for finding in verdict.findings)]) == expected
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("folder", FOLDERS)
def test_sound_real_files_are_accepted_without_a_word(folder: str, real_files):
    files = real_files(folder)
    assert files
    assert [path.name for path in files if check(path).outcome != "accept"] == []


@pytest.mark.parametrize("folder", ["mr", "ct", "bad/unpaired", "dicom/seg_sr_dcmqi/segmentations"])
def test_itk_and_nibabel_read_the_same_from_real_files(folder: str, real_files):
    for path in real_files(folder)[::7]:
        image = read_image(path).image
        affine, voxels = _by_nibabel(path) if path.suffix in (".mgz", ".gz") else _by_itk(path)
        assert_allclose(image.geometry.ijk_to_lps, affine, atol=1e-3)
        assert_allclose(image.voxels[0], voxels, rtol=1e-6)


def test_gray_ultrasound_stored_as_color_is_read(real_data):
    files = sorted(real_data("us", "breast_busi").rglob("*.png"))[::12]
    outcomes = [check(path).outcome for path in files]
    assert outcomes.count("accept") >= 0.9 * len(files)


def _by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    volume = nibabel.load(path)
    return flip_lps_ras(volume.affine), np.asarray(volume.dataobj).T


def _by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    volume = sitk.ReadImage(path)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    matrix[:3, 3] = volume.GetOrigin()
    return matrix, sitk.GetArrayFromImage(volume)

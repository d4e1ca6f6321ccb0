"""Every accepted file says the same to nibabel, pynrrd and SimpleITK: size, place and voxels."""

from __future__ import annotations

from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from MedDLLogic.geometry import PATIENT, flip_lps_ras
from MedDLLogic.image import Image
from MedDLLogic.io.read import read_image
from Testing.io.corpus import CASES, Case

# Words in the names of cases that an oracle refuses or, being known to, gets wrong.
NOT_FOR_ITK = ("MG", "picture", "NIfTI-2", "metre", "units in", "slope 0", "no orientation", "in two axes")
NOT_FOR_ITK += ("gzip in", "in gzip", "as gzip", "compressed", "empty member", "padding", "one layer", "slice in space")
NOT_FOR_ITK += ("no space", "space dimension", "spacings only", "long comment")
NOT_FOR_PYNRRD = ("blanks in", "NRRD gz", "in gzip", "surplus", "NHDR")
ACCEPTED = [case for case in CASES if not case.expected.startswith("refuse")]
NIFTI_AND_MGH = [case for case in ACCEPTED if case.file.lower().endswith((".nii", ".nii.gz", ".mgh", ".mgz"))]
NRRD = [case for case in ACCEPTED if case.file.endswith((".nrrd", ".nhdr"))]
BY_NAME = {"ids": lambda case: case.name}


def assert_same(image: Image, ijk_to_lps: np.ndarray, voxels_kji: np.ndarray) -> None:
    assert_allclose(image.geometry.ijk_to_lps, ijk_to_lps, atol=1e-4)
    assert_allclose(image.voxels[0], voxels_kji.reshape(image.geometry.shape_kji), rtol=1e-6)


def lps_of(volume: sitk.Image) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    matrix[:3, 3] = volume.GetOrigin()
    return matrix


@pytest.mark.parametrize("case", [c for c in NIFTI_AND_MGH if c.expected in ("accept", "warn E303")], **BY_NAME)
def test_nibabel_agrees(case: Case, tmp_path):
    path = case.write(tmp_path)
    volume = nibabel.load(path)
    assert_same(read_image(path).image, flip_lps_ras(volume.affine), np.asarray(volume.dataobj).T)


@pytest.mark.parametrize("case", [c for c in NRRD if not any(word in c.name for word in NOT_FOR_PYNRRD)], **BY_NAME)
def test_pynrrd_agrees(case: Case, tmp_path):
    path = case.write(tmp_path)
    voxels, _ = nrrd.read(str(path), index_order="C")
    image = read_image(path).image
    assert_array_equal(image.voxels[0], voxels.reshape(image.geometry.shape_kji))


@pytest.mark.parametrize("case", [c for c in ACCEPTED if not any(word in c.name for word in NOT_FOR_ITK)], **BY_NAME)
def test_itk_agrees(case: Case, tmp_path):
    path = case.write(tmp_path)
    image, volume = read_image(path).image, sitk.ReadImage(path)
    voxels = sitk.GetArrayFromImage(volume)
    if image.geometry.frame == PATIENT and volume.GetDimension() == 3:
        assert_same(image, lps_of(volume), voxels)
    assert_allclose(image.voxels[0], voxels.reshape(image.geometry.shape_kji), rtol=1e-6)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_itk_writes_is_read_as_it_was(ending: str, tmp_path: Path, data):
    volume = data.draw(itk_volumes())
    path = tmp_path / f"v{ending}"
    sitk.WriteImage(volume, path, useCompression=data.draw(st.booleans()) and ending != ".nii")
    image = read_image(path).image
    assert_allclose(image.geometry.ijk_to_lps, lps_of(volume), atol=1e-4 if "nii" in ending else 1e-9)
    assert_array_equal(image.voxels[0], sitk.GetArrayFromImage(volume))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), ending=st.sampled_from([".mgh", ".mgz"]))
def test_what_nibabel_writes_as_mgh_is_read_as_it_was(ending: str, tmp_path: Path, data):
    volume = data.draw(itk_volumes())
    voxels = sitk.GetArrayFromImage(volume).astype(np.float32)
    path = tmp_path / f"v{ending}"
    nibabel.save(nibabel.MGHImage(voxels.T, flip_lps_ras(lps_of(volume))), path)
    assert_allclose(read_image(path).image.geometry.ijk_to_lps, lps_of(volume), atol=1e-3)
    assert_array_equal(read_image(path).image.voxels[0], voxels)


@st.composite
def itk_volumes(draw) -> sitk.Image:
    """Small volumes of any type, spacing, place and orientation, mirrored ones too."""
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3))
    dtype = draw(st.sampled_from([np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]))
    volume = sitk.GetImageFromArray(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    volume.SetSpacing(draw(st.tuples(*[st.floats(0.1, 10)] * 3)))
    volume.SetOrigin(draw(st.tuples(*[st.floats(-200, 200)] * 3)))
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-180, 180)] * 3)), degrees=True).as_matrix()
    order = np.eye(3)[list(draw(st.permutations(range(3))))]
    volume.SetDirection((turn @ order @ np.diag(draw(st.tuples(*[st.sampled_from([1, -1])] * 3)))).ravel())
    return volume

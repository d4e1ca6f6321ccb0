from __future__ import annotations

import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import UNKNOWN, Geometry, flip_lps_ras
from MedDLLogic.image import Image
from MedDLLogic.io import write_volume as module
from MedDLLogic.io.write_volume import VOLUME_SUFFIXES, write_volume

TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def image_of(voxels, matrix=None, frame="patient") -> Image:
    return Image(voxels[None], Geometry(voxels.shape, np.eye(4) if matrix is None else matrix, frame))


def read(path):
    volume = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    matrix[:3, 3] = volume.GetOrigin()
    return sitk.GetArrayFromImage(volume), matrix


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    return caught.value.code


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 100, (4, 5, 6))


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
@pytest.mark.parametrize("dtype", TYPES)
def test_voxels_come_back_bit_for_bit(tmp_path, noise, suffix, dtype):
    write_volume(tmp_path / f"a{suffix}", image_of(noise.astype(dtype)))
    voxels, _ = read(tmp_path / f"a{suffix}")
    assert voxels.dtype == dtype
    assert np.array_equal(voxels, noise)


@pytest.mark.parametrize(("given_type", "stored"), [("bool", "uint8"), ("float16", "float32"), (">i2", "int16")])
def test_types_that_files_lack_are_widened_without_loss(tmp_path, noise, given_type, stored):
    write_volume(tmp_path / "a.nrrd", image_of((noise % 2).astype(given_type)))
    voxels, _ = read(tmp_path / "a.nrrd")
    assert voxels.dtype == stored
    assert np.array_equal(voxels, noise % 2)


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
def test_views_in_any_memory_order_are_written_in_their_own_order(tmp_path, noise, suffix):
    view = noise.astype(np.int16).transpose(2, 0, 1)[::-1, ::2]
    write_volume(tmp_path / f"a{suffix}", image_of(view))
    assert np.array_equal(read(tmp_path / f"a{suffix}")[0], view)


grids = st.tuples(
    st.integers(0, 10_000),
    st.tuples(*[st.floats(0.05, 20)] * 3),
    st.tuples(*[st.floats(-2000, 2000)] * 3),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("suffix", "tolerance_mm"), [(".nii.gz", 2e-3), (".nii", 2e-3), (".nrrd", 1e-9), (".mha", 1e-9)]
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids)
def test_any_oblique_grid_comes_back(tmp_path, suffix, tolerance_mm, grid):
    seed, spacing, origin, is_flipped = grid
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed).as_matrix() * spacing * (-1 if is_flipped else 1)
    matrix[:3, 3] = origin
    write_volume(tmp_path / f"a{suffix}", image_of(np.zeros((3, 4, 5), np.uint8), matrix))
    assert np.allclose(read(tmp_path / f"a{suffix}")[1], matrix, atol=tolerance_mm)


def test_nifti_means_the_same_to_another_reader(tmp_path, noise):
    matrix = np.diag([-1.0, 2.0, 3.0, 1.0])
    write_volume(tmp_path / "a.nii.gz", image_of(noise.astype(np.int16), matrix))
    stored = nibabel.load(tmp_path / "a.nii.gz")
    assert np.allclose(stored.affine, flip_lps_ras(matrix))
    assert np.array_equal(np.asarray(stored.dataobj).transpose(), noise)


def test_one_slice_stays_one_slice(tmp_path):
    write_volume(tmp_path / "a.nii.gz", image_of(np.ones((1, 4, 5), np.uint8)))
    assert read(tmp_path / "a.nii.gz")[0].shape == (1, 4, 5)


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
def test_the_same_volume_gives_the_same_bytes(tmp_path, noise, suffix):
    first = write_volume(tmp_path / f"a{suffix}", image_of(noise.astype(np.uint8)))
    again = write_volume(tmp_path / f"a{suffix}", image_of(noise.astype(np.uint8)))
    assert first == again


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
def test_a_file_cut_behind_the_last_label_is_found_out(tmp_path, monkeypatch, suffix):
    """A mask ends in zeros, and zeros are what readers put where a file is cut."""
    voxels = np.zeros((40, 40, 40), np.uint8)
    voxels[:4] = np.random.default_rng(0).integers(0, 2, (4, 40, 40))
    honest = sitk.WriteImage

    def cut_short(volume, name, **options):
        honest(volume, name, **options)
        os.truncate(name, Path(name).stat().st_size - 12)

    monkeypatch.setattr(module.sitk, "WriteImage", cut_short)
    assert code_of(lambda: write_volume(tmp_path / f"a{suffix}", image_of(voxels))) == "E505"
    assert list(tmp_path.iterdir()) == []


def test_one_changed_voxel_is_found_out(tmp_path, noise, monkeypatch):
    honest = sitk.WriteImage
    monkeypatch.setattr(module.sitk, "WriteImage", lambda v, name, **o: honest(v + 1, name, **o))
    assert code_of(lambda: write_volume(tmp_path / "a.nii.gz", image_of(noise.astype(np.uint8)))) == "E505"


def test_a_moved_grid_is_found_out(tmp_path, noise, monkeypatch):
    honest = sitk.WriteImage

    def moved(volume, name, **options):
        volume.SetOrigin((0.0, 0.0, 0.01))
        honest(volume, name, **options)

    monkeypatch.setattr(module.sitk, "WriteImage", moved)
    assert code_of(lambda: write_volume(tmp_path / "a.nii.gz", image_of(noise.astype(np.uint8)))) == "E505"


def sheared(cosine: float):
    matrix = np.eye(4)
    matrix[0, 1] = cosine
    return matrix


@pytest.mark.parametrize(
    ("name", "image", "code"),
    [
        ("a.txt", image_of(np.zeros((2, 2, 2), np.uint8)), "E101"),
        ("a.nrrd", image_of(np.zeros((2, 2, 2), np.uint8), sheared(0.1)), "E307"),
        ("a.nii", image_of(np.zeros((9, 900, 9), np.uint8), sheared(9e-4)), "E307"),
        ("a.nii", image_of(np.zeros((1, 1, 40000), np.uint8)), "E304"),
        ("a.nrrd", image_of(np.full((2, 2, 2), np.nan, np.float32)), "E309"),
        ("a.nrrd", image_of(np.zeros((2, 2, 2), np.uint8), frame=UNKNOWN), "E330"),
        ("a.nrrd", Image(np.zeros((2, 2, 2, 2)), Geometry((2, 2, 2), np.eye(4)), ("a", "b")), "E310"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, name, image, code):
    assert code_of(lambda: write_volume(tmp_path / name, image)) == code
    assert list(tmp_path.iterdir()) == []


def test_a_slight_shear_is_kept_where_the_format_can(tmp_path):
    write_volume(tmp_path / "a.nrrd", image_of(np.zeros((9, 900, 9), np.uint8), sheared(9e-4)))
    assert np.allclose(read(tmp_path / "a.nrrd")[1], sheared(9e-4))


def test_compressed_suffixes_are_compressed(tmp_path):
    zeros = image_of(np.zeros((50, 50, 50), np.uint8))
    sizes = {suffix: write_volume(tmp_path / f"a{suffix}", zeros).size_bytes for suffix in VOLUME_SUFFIXES}
    assert max(sizes[s] for s in (".nii.gz", ".nrrd", ".mha")) < 2000 < sizes[".nii"]
    assert len(gzip.decompress((tmp_path / "a.nii.gz").read_bytes())) == sizes[".nii"]

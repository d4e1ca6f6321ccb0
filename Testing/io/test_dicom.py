"""What an accepted DICOM input becomes: voxels, grid, units, and the series that was meant."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEGLSLossless, RLELossless
from scipy.spatial.transform import Rotation

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.dicom import check_dicom, list_series, looks_like_dicom, read_dicom
from Testing.io.dicom_build import (
    OTHER_SERIES,
    SERIES,
    SHAPE_JI,
    SPACE,
    color_picture,
    ct_series,
    enhanced,
    mr_series,
    picture,
    save,
    save_all,
    table_of,
)

FIRST_HU = -1024
ANGLES = st.floats(-180, 180)
SMALL_STEPS = st.floats(0.3, 12)


@pytest.fixture
def ct_folder(tmp_path: Path) -> Path:
    return save_all(ct_series(), tmp_path)


@pytest.fixture
def two_series(tmp_path: Path) -> Path:
    other = mr_series(3)
    for data in other:
        data.SeriesInstanceUID = OTHER_SERIES
    (tmp_path / "mr").mkdir()
    save_all(other, tmp_path / "mr")
    return save_all(ct_series(), tmp_path)


def values_of(path: Path) -> np.ndarray:
    return read_dicom(path).image.voxels[0]


def test_ct_comes_in_hounsfield_units_as_int16(ct_folder):
    image = read_dicom(ct_folder).image
    assert (image.modality, image.units, image.voxels.dtype) == ("CT", "HU", np.int16)
    assert image.voxels[0, 0, 0, 0] == FIRST_HU


def test_the_frame_of_reference_is_kept(ct_folder):
    assert read_dicom(ct_folder).image.frame_of_reference == SPACE


def test_slices_lie_in_order_of_place_whatever_their_names_and_numbers(ct_folder):
    np.testing.assert_array_equal(values_of(ct_folder)[:, 0, 0], FIRST_HU + 50 * np.arange(5))


def test_the_grid_is_what_the_tags_say(ct_folder):
    geometry = read_dicom(ct_folder).image.geometry
    assert (geometry.spacing_ijk_mm, geometry.origin_lps_mm) == ((0.5, 0.8, 2.0), (-10.0, 20.0, 30.0))
    assert geometry.orientation == "LPS"


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(angles=st.tuples(ANGLES, ANGLES, ANGLES), step=SMALL_STEPS)
def test_any_orientation_and_distance_is_recovered(angles, step, tmp_path_factory):
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    folder = save_all(ct_series(4, axes=tuple(map(tuple, turn.T[:2])), step=step), tmp_path_factory.mktemp("ct"))
    matrix = read_dicom(folder).image.geometry.ijk_to_lps
    np.testing.assert_allclose(matrix[:3, :3], turn @ np.diag([0.5, 0.8, step]), atol=1e-6)
    np.testing.assert_allclose(matrix[:3, 3], [-10, 20, 30], atol=1e-6)


def test_each_slice_gets_its_own_rescale(tmp_path):
    slices = ct_series()
    slices[0].RescaleSlope = 0.5
    own = FIRST_HU + 25 * (99 - slices[0].InstanceNumber)
    voxels = values_of(save_all(slices, tmp_path))
    assert voxels.dtype == np.float32
    assert own in voxels[:, 0, 0]


def test_mr_without_rescale_has_no_units(tmp_path):
    image = read_dicom(save_all(mr_series(), tmp_path)).image
    assert (image.modality, image.units, image.voxels.dtype) == ("MR", "", np.int16)


def test_rescale_of_another_type_is_not_hounsfield(tmp_path):
    slices = ct_series()
    for data in slices:
        data.RescaleType = "US"
    assert read_dicom(save_all(slices, tmp_path)).image.units == ""


def test_values_beyond_int16_become_float32_without_loss(tmp_path):
    slices = ct_series()
    for data in slices:
        data.PixelRepresentation, data.PixelData = 0, np.full(SHAPE_JI, 65535, "<u2").tobytes()
    voxels = values_of(save_all(slices, tmp_path))
    assert (voxels.dtype, voxels.max()) == (np.float32, 65535 + FIRST_HU)


def test_a_modality_table_is_looked_up(tmp_path):
    data = table_of(ct_series(1)[0], first=10, entries=[7, 8, 9])
    np.testing.assert_array_equal(values_of(save(data, tmp_path / "a.dcm"))[0].ravel()[:14], [7] * 11 + [8, 9, 9])


def test_monochrome1_projections_are_turned_so_that_larger_is_brighter(tmp_path):
    data = picture()
    data.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_array_equal(values_of(save(data, tmp_path / "a.dcm"))[0].ravel(), 4095 - np.arange(42))


def test_monochrome1_volumes_keep_their_values(tmp_path):
    slices = ct_series()
    for data in slices:
        data.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_array_equal(values_of(save_all(slices, tmp_path))[:, 0, 0], FIRST_HU + 50 * np.arange(5))


def test_a_picture_lies_in_no_patient_and_states_its_spacing_as_a_fact(tmp_path):
    read = read_dicom(save(picture(), tmp_path / "a.dcm"))
    assert (read.image.geometry.frame, read.image.geometry.shape_kji) == ("unknown", (1, *SHAPE_JI))
    assert read.facts["PixelSpacing"] == "0.8 x 0.5 mm"


def test_a_gray_picture_in_color_is_read_as_gray(tmp_path):
    voxels = values_of(save(color_picture(gray=True), tmp_path / "a.dcm"))
    np.testing.assert_array_equal(voxels[0].ravel(), np.arange(42))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_negative_values_of_twelve_bits_survive_compression(tmp_path, syntax):
    data = ct_series(1)[0]
    stored = np.arange(-2048, -2048 + 42 * 90, 90, dtype="<i2")
    data.BitsStored, data.HighBit, data.PixelData = 12, 11, stored.tobytes()
    data = pydicom.dcmread(save(data, tmp_path / "a.dcm"))
    data["PixelData"].VR = "OW"
    data.compress(syntax, encapsulate_ext=False)
    data.save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(values_of(tmp_path / "a.dcm").ravel(), stored + FIRST_HU)


def test_frames_of_an_enhanced_file_are_the_same_volume_as_single_files(tmp_path, ct_folder):
    (tmp_path / "multi").mkdir()
    frames = read_dicom(save(enhanced(ct_series()), tmp_path / "multi" / "a.dcm")).image
    single = read_dicom(ct_folder / "im000.dcm").image
    assert frames.geometry == single.geometry
    np.testing.assert_array_equal(frames.voxels, single.voxels)


def test_one_slice_gets_its_thickness_as_distance(tmp_path):
    data = ct_series(1)[0]
    data.SliceThickness = 7
    assert read_dicom(save(data, tmp_path / "a.dcm")).image.geometry.spacing_ijk_mm[2] == 7


def test_bad_thickness_does_not_disturb_a_series(tmp_path):
    slices = ct_series()
    for data in slices:
        data.SliceThickness = -1
    assert check_dicom(save_all(slices, tmp_path)).outcome == "accept"


def test_one_file_stands_for_its_series_and_says_so(ct_folder):
    read = read_dicom(ct_folder / "im002.dcm")
    assert (read.image.geometry.shape_kji[0], read.facts["files"]) == (5, "5")


def test_one_file_leaves_other_series_of_its_folder_alone(tmp_path):
    other = ct_series(3)
    for number, data in enumerate(other):
        data.SeriesInstanceUID = OTHER_SERIES
        save(data, tmp_path / f"other{number}.dcm")
    save_all(ct_series(), tmp_path)
    assert read_dicom(tmp_path / "other0.dcm").image.geometry.shape_kji[0] == 3


def test_series_are_listed_without_reading_pixels(two_series):
    listed = list_series(two_series)
    assert [(one.uid, one.modality, one.slices) for one in listed] == [(SERIES, "CT", 5), (OTHER_SERIES, "MR", 3)]


@pytest.mark.parametrize("series", ["2", OTHER_SERIES])
def test_a_series_is_chosen_by_number_or_identifier(two_series, series):
    assert read_dicom(two_series, series).image.modality == "MR"


def test_the_listing_is_told_when_one_must_be_chosen(two_series):
    verdict = check_dicom(two_series)
    assert verdict.facts["series 2"] == "MR, 3 slices, slices of a volume"
    assert "1: CT 5 slices, 2: MR 3 slices" in verdict.findings[0].message


@pytest.mark.parametrize("series", ["3", "0", "x"])
def test_a_series_that_is_not_there_is_refused(two_series, series):
    with pytest.raises(MedDLError, match="E321"):
        read_dicom(two_series, series)


def test_a_disc_s_list_of_contents_stands_for_its_folder(tmp_path):
    save_all(ct_series(), tmp_path)
    directory = picture()
    directory.SOPClassUID = "1.2.840.10008.1.3.10"
    assert read_dicom(save(directory, tmp_path / "DICOMDIR")).image.geometry.shape_kji[0] == 5


def test_files_without_the_preamble_are_known_by_their_data_set(ct_folder):
    file = ct_folder / "im000.dcm"
    file.write_bytes(file.read_bytes()[132:])
    assert looks_like_dicom(file)


@pytest.mark.parametrize("content", [b"", b"\x08\0\x05\0", bytes(500), b"\x08\0\x16\0UI\x02\0", b"P5 1 1 255\n\0"])
def test_other_files_do_not_look_like_dicom(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert not looks_like_dicom(tmp_path / "x")
    assert not looks_like_dicom(tmp_path)


def test_a_folder_is_dicom_when_a_file_below_it_is(two_series):
    (two_series / "notes.txt").write_text("text", encoding="ascii")
    assert looks_like_dicom(two_series)


def test_paths_of_any_script_and_loops_of_links_are_taken(tmp_path):
    folder = tmp_path / "Größe 頭部 \u202e"
    folder.mkdir()
    (folder / "loop").symlink_to(tmp_path)
    save_all(ct_series(), folder)
    assert read_dicom(tmp_path).image.geometry.shape_kji[0] == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_among_the_files_does_not_block(ct_folder):
    os.mkfifo(ct_folder / "pipe")
    assert check_dicom(ct_folder).outcome == "accept"
    assert check_dicom(ct_folder / "pipe").findings[0].code == "E302"


def test_five_hundred_slices_are_listed_and_judged_well_under_five_seconds(tmp_path):
    save_all(ct_series(500, step=0.5), tmp_path)
    start = time.perf_counter()
    assert list_series(tmp_path)[0].slices == 500
    assert check_dicom(tmp_path).geometry.shape_kji[0] == 500
    assert time.perf_counter() - start < 5


def test_a_folder_without_dicom_says_what_to_give(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    (finding,) = check_dicom(tmp_path).findings
    assert finding.code == "E320" and "give the folder of its slices" in finding.message

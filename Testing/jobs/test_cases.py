from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pydicom.uid import RTStructureSetStorage

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.read import read_image
from MedDLLogic.job import InputRef
from MedDLLogic.jobs import case_ids
from MedDLLogic.jobs.case_ids import inputs_state, with_ids
from MedDLLogic.jobs.case_index import INDEX_NAME, Case, write_index
from MedDLLogic.jobs.cases import find_cases
from MedDLLogic.jobs.manifest import CaseStarted, Manifest
from Testing.io.dicom_build import OTHER_SERIES, SERIES, ct_series, save, save_all

ONE, TWO = ("image",), ("t1", "t1c")


def touch(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or path.name)
    return path


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    assert str(caught.value).count("secret") == 0
    return caught.value.code


def paths_of(cases) -> list[str]:
    return [ref.path for case in cases for ref in case.inputs.values()]


def save_series(uid: str, folder: Path) -> None:
    slices = ct_series()
    for data in slices:
        data.SeriesInstanceUID = uid
    folder.mkdir(parents=True, exist_ok=True)
    save_all(slices, folder)


@pytest.fixture
def folder(tmp_path):
    """Two patients as files, named after them."""
    for name in ("secret Ada.nii.gz", "secret Bob.mha", "notes.txt", ".hidden.nii"):
        touch(tmp_path / name)
    return tmp_path


def test_a_file_is_a_case_named_by_its_content(folder):
    (case,) = find_cases([folder / "secret Ada.nii.gz"], ONE)
    assert case.inputs == {"image": InputRef(str(folder / "secret Ada.nii.gz"))}
    assert len(case.id) == len("case-") + 8
    (folder / "secret Ada.nii.gz").rename(folder / "renamed.nii.gz")
    assert find_cases([folder / "renamed.nii.gz"], ONE)[0].id == case.id


def test_a_folder_is_one_case_a_file(folder):
    assert [Path(path).name for path in paths_of(find_cases([folder], ONE))] == ["secret Ada.nii.gz", "secret Bob.mha"]


def test_relative_paths_become_absolute(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert paths_of(find_cases(["secret Bob.mha"], ONE)) == [str(folder / "secret Bob.mha")]


def test_folders_in_a_folder_are_looked_into_once(tmp_path):
    touch(tmp_path / "a" / "x.nii")
    touch(tmp_path / "b" / "y.nii")
    touch(tmp_path / "b" / "deeper" / "z.nii")
    assert [Path(path).name for path in paths_of(find_cases([tmp_path], ONE))] == ["x.nii", "y.nii"]


def test_results_are_no_inputs(tmp_path):
    touch(tmp_path / "x.nii")
    touch(tmp_path / "x.seg.nrrd")
    touch(tmp_path / "case-1" / "mask.nii.gz")
    with Manifest(tmp_path) as manifest:
        manifest.append(CaseStarted("case-1", ""))
    assert [Path(path).name for path in paths_of(find_cases([tmp_path], ONE))] == ["x.nii"]


def test_a_dicom_folder_is_one_case_named_by_its_series(tmp_path):
    save_series(SERIES, tmp_path / "a")
    save_series(SERIES, tmp_path / "b")
    (tmp_path / "b" / "README").write_text("x")
    (one,), (other,) = find_cases([tmp_path / "a"], ONE), find_cases([tmp_path / "b"], ONE)
    assert paths_of([one]) == [str(tmp_path / "a")]
    assert one.id == other.id


def test_a_dicom_file_stands_for_its_series(tmp_path):
    save_series(SERIES, tmp_path)
    file = next(tmp_path.iterdir())
    assert find_cases([file], ONE)[0].id == find_cases([tmp_path], ONE)[0].id


def test_a_folder_of_dicom_folders_is_one_case_each(tmp_path):
    save_series(SERIES, tmp_path / "patients" / "1" / "study" / "series")
    save_series(OTHER_SERIES, tmp_path / "patients" / "2")
    cases = find_cases([tmp_path / "patients"], ONE)
    assert [Path(path).name for path in paths_of(cases)] == ["1", "2"]
    assert len({case.id for case in cases}) == 2
    assert read_image(paths_of(cases)[0]).image.voxels.ndim == 4


def test_a_folder_of_structure_sets_alone_is_no_case_beside_images(tmp_path):
    save_series(SERIES, tmp_path / "study" / "CT")
    structures = ct_series(1)[0]
    structures.SOPClassUID, structures.Modality = RTStructureSetStorage, "RTSTRUCT"
    del structures.PixelData
    save(structures, touch(tmp_path / "study" / "RS" / "rs.dcm"))
    assert [Path(path).name for path in paths_of(find_cases([tmp_path / "study"], ONE))] == ["CT"]


def test_a_series_is_chosen_in_a_table(tmp_path):
    save_series(SERIES, tmp_path / "a")
    save_series(OTHER_SERIES, tmp_path / "a" / "more")
    table = touch(tmp_path / "t.csv", f"image,image_series\na,{SERIES}\na,{OTHER_SERIES}\n")
    cases = find_cases([table], ONE)
    assert [case.inputs["image"].series for case in cases] == [SERIES, OTHER_SERIES]
    assert cases[0].id != cases[1].id


@pytest.mark.parametrize("spoiled", [b"", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 500])
def test_a_broken_image_is_still_a_case(tmp_path, spoiled):
    (tmp_path / "a.dcm").write_bytes(spoiled)
    assert len(find_cases([tmp_path / "a.dcm"], ONE)) == 1


def test_channels_are_told_apart_by_their_names(tmp_path):
    for name in ("a_t1.nii", "a_t1c.nii", "a_seg.nii", "b-T1.nii", "b-T1C.nii"):
        touch(tmp_path / name)
    cases = find_cases([tmp_path], TWO)
    assert [{role: Path(ref.path).name for role, ref in case.inputs.items()} for case in cases] == [
        {"t1": "a_t1.nii", "t1c": "a_t1c.nii"},
        {"t1": "b-T1.nii", "t1c": "b-T1C.nii"},
    ]


def test_channels_are_given_by_role(tmp_path):
    one, two = touch(tmp_path / "x.nii"), touch(tmp_path / "y=z.nii")
    (case,) = find_cases([f"t1={one}", f"t1c={two}"], TWO)
    assert case.inputs == {"t1": InputRef(str(one)), "t1c": InputRef(str(two))}


def test_a_file_whose_name_looks_like_a_role_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "image=x.nii")
    assert paths_of(find_cases(["image=x.nii"], ONE)) == [str(tmp_path / "image=x.nii")]


@pytest.mark.parametrize("names", [["a_t1.nii"], ["a.nii"], ["a_t1.nii", "a_t1.mha", "a_t1c.nii"]])
def test_channels_that_do_not_add_up_are_refused(tmp_path, names):
    for name in names:
        touch(tmp_path / name)
    assert code_of(lambda: find_cases([tmp_path], TWO)) == "E331"


@pytest.mark.parametrize("arguments", [["t1=x.nii"], ["x.nii"]])
def test_a_role_without_a_file_is_refused(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "x.nii")
    assert code_of(lambda: find_cases(arguments, TWO)) == "E331"


def test_a_role_given_twice_is_refused(tmp_path):
    one = touch(tmp_path / "x.nii")
    assert code_of(lambda: find_cases([f"t1={one}", f"t1={one}", f"t1c={one}"], TWO)) == "E101"


TABLES = [
    "case,image,age\np-1,x.nii,60\np_2,sub/y.nii,\n\n,,\n",
    "\ufeffcase;image\r\np-1;x.nii\r\np_2;sub/y.nii\r\n",
    'case\timage\n"p-1"\tx.nii\np_2\t sub/y.nii \n',
]


@pytest.mark.parametrize("text", TABLES)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, text):
    touch(tmp_path / "x.nii")
    touch(tmp_path / "sub" / "y.nii")
    cases = find_cases([touch(tmp_path / "t.csv", text)], ONE)
    assert [case.id for case in cases] == ["p-1", "p_2"]
    assert paths_of(cases) == [str(tmp_path / "x.nii"), str(tmp_path / "sub" / "y.nii")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("case,image\na,x.nii\nA,y.nii\n", "E102"),
        ("image\nx.nii\nx.nii\n", "E102"),
        ("case,image\nsecret name,x.nii\n", "E102"),
        ("case,image\n../secret,x.nii\n", "E102"),
        ("case,image\n,x.nii\n", "E102"),
        ("case,image,image\na,x.nii,x.nii\n", "E102"),
        ("case,picture\na,x.nii\n", "E331"),
        ("case,image\na,\n", "E331"),
        ("case,image\na\n", "E331"),
        ("case,image\na,secret.nii\n", "E301"),
        ("case,image\na,x\0.nii\n", "E301"),
        ('case,image\na,"x.nii\n', "E302"),
        ("case,image\n", "E102"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, text, code):
    touch(tmp_path / "x.nii")
    touch(tmp_path / "y.nii")
    assert code_of(lambda: find_cases([touch(tmp_path / "t.csv", text)], ONE)) == code


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert code_of(lambda: find_cases([tmp_path / "t.csv"], ONE)) == "E302"
    (tmp_path / "e.csv").write_bytes(b"")
    assert code_of(lambda: find_cases([tmp_path / "e.csv"], ONE)) == "E102"


def test_no_argument_at_all_is_refused():
    assert code_of(lambda: find_cases([], ONE)) == "E101"


@pytest.mark.parametrize("argument", ["missing-secret.nii", "x\0y", "n" * 5000, "empty"])
def test_an_argument_without_an_image_is_refused(tmp_path, monkeypatch, argument):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert code_of(lambda: find_cases([argument], ONE)) == "E301"


@pytest.mark.skipif(os.name == "nt", reason="Windows names are Unicode")
def test_a_name_that_is_no_text_is_refused(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.nii")).write_text("x")
    assert code_of(lambda: find_cases([tmp_path], ONE)) == "E101"


def test_the_same_image_twice_is_refused(tmp_path):
    touch(tmp_path / "a.nii", "same")
    touch(tmp_path / "b.nii", "same")
    assert code_of(lambda: find_cases([tmp_path], ONE)) == "E102"


def test_detached_data_counts_as_content(tmp_path):
    for name in "ab":
        touch(tmp_path / name / "x.mhd", "the same header")
        touch(tmp_path / name / "x.raw", name)
    assert len({case.id for case in find_cases([tmp_path], ONE)}) == 2


def test_ids_grow_where_their_starts_collide(tmp_path, monkeypatch):
    digests = {"a": "0" * 64, "b": "0" * 20 + "1" * 44, "c": "2" * 64}
    monkeypatch.setattr(case_ids, "_image_sha256", lambda ref: digests[ref.path])
    ids = [case.id for case in with_ids([Case("", {"image": InputRef(name)}) for name in "abc"])]
    assert ids == ["case-" + "0" * 32, "case-" + "0" * 20 + "1" * 12, "case-22222222"]


def test_every_channel_counts_for_the_id(tmp_path):
    one, two, three = (touch(tmp_path / name) for name in ("x.nii", "y.nii", "z.nii"))
    ids = {find_cases([f"t1={one}", f"t1c={other}"], TWO)[0].id for other in (two, three)}
    assert len(ids) == 2


def test_the_index_is_private(tmp_path):
    write_index(tmp_path, [Case("a", {"image": InputRef("/x")})])
    assert os.name == "nt" or stat.S_IMODE((tmp_path / INDEX_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("change", ["content", "name", "time"])
def test_a_changed_input_changes_its_state(tmp_path, change):
    path = touch(tmp_path / "x.nii", "abc")
    before = inputs_state({"image": InputRef(str(path))}, tmp_path / "out")
    if change == "content":
        path.write_text("abcd")
    elif change == "name":
        path = path.rename(tmp_path / "y.nii")
    else:
        os.utime(path, (0, 0))
    assert inputs_state({"image": InputRef(str(path))}, tmp_path / "out") != before


@pytest.mark.parametrize("output", ["dicom", "dicom/out"])
def test_results_in_a_dicom_folder_do_not_change_its_state(tmp_path, output):
    save_series(SERIES, tmp_path / "dicom")
    inputs, folder = {"image": InputRef(str(tmp_path / "dicom"))}, tmp_path / output
    before = inputs_state(inputs, folder)
    for made in ("run.jsonl", INDEX_NAME, "case-1/mask.nii.gz"):
        touch(folder / made)
    assert inputs_state(inputs, folder) == before
    next((tmp_path / "dicom").glob("*.dcm")).unlink()
    assert inputs_state(inputs, folder) != before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.nii")
    assert code_of(lambda: find_cases([tmp_path / "x.nii"], ONE)) == "E301"


def test_a_folder_of_real_cases_is_found(real_data):
    folder = real_data("mr", "msd_hippocampus", "images")
    cases = find_cases([folder], ONE)
    assert len({case.id for case in cases}) == len(cases) == len(list(folder.glob("*.nii*")))

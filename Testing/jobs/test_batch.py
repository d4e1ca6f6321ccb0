from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Failed, Finished, Warned
from MedDLLogic.io.write import PARTIAL_PREFIX, write_text
from MedDLLogic.job import InputRef, Job, OutputPolicy
from MedDLLogic.jobs.batch import CaseOutcome, run_batch, work_of
from MedDLLogic.jobs.case_index import INDEX_NAME
from MedDLLogic.jobs.manifest import MANIFEST_NAME, Manifest, read_history
from MedDLLogic.recipe import Recipe


class Bench:
    """Six tiny inputs, an output folder, and a task that copies, or does what a case is told to do."""

    def __init__(self, folder: Path) -> None:
        self.source, self.output = folder / "in", folder / "out"
        self.source.mkdir()
        self.faults: dict[str, Exception] = {}
        self.events: list[object] = []
        self.ran: list[str] = []
        self.names = ("copy.txt",)
        for case in "abcdef":
            (self.source / case).write_text(case)

    def jobs(self, cases="abcdef") -> list[Job]:
        return [Job("preprocess", {"image": InputRef(str(self.source / c))}, c, recipe=Recipe(())) for c in cases]

    def run_case(self, job, emit):
        self.ran.append(job.case)
        text = Path(job.inputs["image"].path).read_text()
        files = {name: write_text(Path(job.output.folder) / name, text * 2) for name in self.names}
        if job.case in self.faults:
            raise self.faults[job.case]
        return CaseOutcome(files, {"MedDL": "1"}, ("careful",))

    def run(self, existing="skip", jobs=None, **options):
        self.ran.clear()
        self.events.clear()
        jobs = self.jobs() if jobs is None else jobs
        return run_batch(jobs, self.run_case, self.output, existing=existing, emit=self.events.append, **options)

    def kinds(self) -> list[str]:
        return [line.kind for line in read_history(self.output).lines]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def code_of(action) -> str:
    with pytest.raises(MedDLError) as caught:
        action()
    return caught.value.code


def test_each_case_gets_its_folder_and_only_that(bench):
    bench.run().require_complete()
    names = {path.name for path in bench.output.iterdir()}
    assert names == {*"abcdef", MANIFEST_NAME, INDEX_NAME}
    assert (bench.output / "c" / "copy.txt").read_text() == "cc"
    assert bench.events == [Finished(case, {"copy.txt": "copy.txt"}) for case in "abcdef"]


def test_what_is_done_is_skipped(bench):
    bench.run()
    summary = bench.run()
    assert bench.ran == []
    assert {report.state for report in summary.reports} == {"skipped"}


def test_a_failed_case_costs_no_other(bench):
    bench.faults = {"b": MedDLError("E305", "cut short"), "d": ZeroDivisionError("x"), "e": MemoryError()}
    summary = bench.run()
    assert [report.case for report in summary.of_state("done")] == ["a", "c", "f"]
    assert [event.code for event in bench.events if isinstance(event, Failed)] == ["E305", "E901", "E502"]
    assert not any((bench.output / case).exists() for case in "bde")


def test_a_batch_with_failed_cases_says_so_in_its_exit_status(bench):
    bench.faults = {"b": MedDLError("E305", "cut short")}
    with pytest.raises(MedDLError) as caught:
        bench.run().require_complete()
    assert (caught.value.code, caught.value.exit_status) == ("E605", 7)


def test_one_case_alone_fails_with_its_own_error(bench):
    bench.faults = {"b": MedDLError("E305", "cut short")}
    assert code_of(bench.run(jobs=bench.jobs("b")).require_complete) == "E305"


def test_failed_cases_are_tried_again(bench):
    bench.faults = {"b": MedDLError("E305", "cut short")}
    bench.run()
    bench.faults = {}
    bench.run().require_complete()
    assert bench.ran == ["b"]


@pytest.mark.parametrize("code", ["E501", "E503"])
def test_a_folder_that_cannot_be_written_ends_the_batch(bench, code):
    bench.faults = {"b": MedDLError(code, "")}
    assert code_of(bench.run) == code
    assert bench.ran == ["a", "b"]


def test_cancelling_keeps_what_is_done(bench):
    bench.faults = {"c": MedDLError("E602", "cancelled")}
    summary = bench.run(is_cancelled=lambda: "c" in bench.ran)
    assert [report.state for report in summary.reports] == ["done"] * 2 + ["cancelled"] * 4
    assert sum(isinstance(event, Cancelled) for event in bench.events) == 4
    assert code_of(summary.require_complete) == "E602"


def test_an_interrupt_leaves_no_half_case(bench):
    bench.faults = {"b": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    assert not (bench.output / "b").exists()
    assert not list(bench.output.glob(f"{PARTIAL_PREFIX}*"))


def test_an_input_that_changed_is_done_again(bench):
    bench.run()
    (bench.source / "b").write_text("new")
    bench.run()
    assert bench.ran == ["b"]
    assert (bench.output / "b" / "copy.txt").read_text() == "newnew"


def test_other_parameters_are_done_again(bench):
    bench.run()
    bench.run(jobs=[replace(job, seed=1) for job in bench.jobs()])
    assert bench.ran == list("abcdef")


def test_where_results_go_does_not_change_the_work(bench):
    job = bench.jobs()[0]
    elsewhere = replace(job, output=OutputPolicy("/elsewhere", existing="skip"))
    assert work_of(job, bench.output) == work_of(elsewhere, bench.output / "x")


def test_refuse_stops_before_anything_runs(bench):
    bench.run(jobs=bench.jobs("c"))
    before = bench.kinds()
    assert code_of(lambda: bench.run("refuse")) == "E503"
    assert bench.ran == []
    assert bench.kinds() == before


def test_a_corrected_result_is_not_overwritten(bench):
    bench.run()
    (bench.output / "b" / "copy.txt").write_text("corrected by hand")
    summary = bench.run()
    assert [report.error.code for report in summary.of_state("failed")] == ["E105"]
    assert (bench.output / "b" / "copy.txt").read_text() == "corrected by hand"


def test_a_file_of_somebody_else_is_not_overwritten(bench):
    (bench.output / "b").mkdir(parents=True)
    (bench.output / "b" / "copy.txt").write_text("mine")
    assert bench.run().reports[1].error.code == "E105"
    assert (bench.output / "b" / "copy.txt").read_text() == "mine"


def test_replace_overwrites_what_it_makes_and_leaves_the_rest(bench):
    bench.names = ("copy.txt", "old.txt")
    bench.run()
    (bench.output / "b" / "copy.txt").write_text("corrected")
    (bench.output / "b" / "notes.txt").write_text("mine")
    bench.names = ("copy.txt",)
    bench.run("replace").require_complete()
    assert {path.name: path.read_text() for path in (bench.output / "b").iterdir()} == {
        "copy.txt": "bb",
        "notes.txt": "mine",
    }


def test_an_input_is_never_overwritten(bench):
    bench.run(jobs=bench.jobs("a"))
    job = replace(bench.jobs("a")[0], inputs={"image": InputRef(str(bench.output / "a" / "copy.txt"))})
    assert bench.run("replace", jobs=[job]).reports[0].error.code == "E101"
    assert (bench.output / "a" / "copy.txt").read_text() == "aa"


def test_an_input_that_vanished_fails_alone(bench):
    (bench.source / "b").unlink()
    assert [report.case for report in bench.run().of_state("failed")] == ["b"]


def test_a_file_nobody_told_of_is_a_defect(bench):
    def run_case(job, emit):
        (Path(job.output.folder) / "leftover").write_text("x")
        return CaseOutcome({})

    summary = run_batch(bench.jobs("a"), run_case, bench.output, existing="skip", emit=bench.events.append)
    assert summary.reports[0].error.code == "E901"
    assert not (bench.output / "a").exists()


@pytest.mark.parametrize("ids", ["aa", "aA", ["run.jsonl"], ["Index.private.csv"]])
def test_ids_that_would_share_a_place_are_refused(bench, ids):
    jobs = [replace(bench.jobs("a")[0], case=case) for case in ids]
    assert code_of(lambda: bench.run(jobs=jobs)) == "E102"


def test_a_second_run_on_the_folder_is_refused(bench):
    bench.output.mkdir()
    with Manifest(bench.output):
        assert code_of(bench.run) == "E601"


def test_a_manifest_cut_short_is_told(bench):
    bench.run()
    with (bench.output / MANIFEST_NAME).open("a") as file:
        file.write('{"kind"')
    bench.run()
    assert [event.code for event in bench.events if isinstance(event, Warned)] == ["E106"]


def test_only_the_private_index_names_inputs(bench):
    bench.run()
    rows = list(csv.DictReader((bench.output / INDEX_NAME).open()))
    assert rows[0] == {"case": "a", "role": "image", "path": str(bench.source / "a"), "series": ""}
    assert str(bench.source) not in (bench.output / MANIFEST_NAME).read_text()


def test_the_index_keeps_cases_of_earlier_runs(bench):
    bench.run(jobs=bench.jobs("ab"))
    bench.run(jobs=bench.jobs("bc"))
    assert [row["case"] for row in csv.DictReader((bench.output / INDEX_NAME).open())] == ["a", "b", "c"]


def test_an_index_that_is_not_ours_is_left_alone(bench):
    bench.output.mkdir()
    (bench.output / INDEX_NAME).write_text("my,own\ntable,1\n")
    assert code_of(bench.run) == "E503"
    assert (bench.output / INDEX_NAME).read_text() == "my,own\ntable,1\n"


def test_every_line_of_the_manifest_is_json(bench):
    bench.run()
    lines = [json.loads(line) for line in (bench.output / MANIFEST_NAME).read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["planned"] * 6 + ["started", "made", "done"] * 6
    assert lines[-1]["warnings"] == ["careful"]


def test_an_error_after_a_wish_to_cancel_is_the_cancelling(bench):
    bench.faults = {"b": MedDLError("E406", "interrupted inside a library")}
    summary = bench.run(is_cancelled=lambda: "b" in bench.ran)
    assert [report.state for report in summary.reports] == ["done"] + ["cancelled"] * 5

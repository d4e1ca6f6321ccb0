"""What the section Results says at each moment; no Qt, no scene."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from .ours import ours


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return ours(monkeypatch, "results_presenter")


@pytest.fixture
def shown(module: ModuleType) -> Any:
    """Three segments, the last one not measured."""
    measured = {
        "a": module.Measured(1612.31, 30.5, "HU"),
        "b": module.Measured(0.4, None),
        "gone": module.Measured(9.0),
    }
    return look(module, module.Results().measured_anew(measured, ("the volume is small",)))


def look(module: ModuleType, results: Any, names: dict[str, str] | None = None, **more: Any) -> Any:
    named = names or {"a": "Zygoma", "b": "atlas", "c": "Mandible"}
    segments = tuple(module.SegmentNow(i, name, (1, 2, 3), i != "b") for i, name in named.items())
    facts = {"is_on_grid": True, "is_edited": False, "is_3d": False, "has_table": True} | more
    return results.seen("Skull", segments, **facts)


def names(results: Any) -> list[str]:
    return [row.name for row in results.view().rows]


def test_without_a_result_the_section_is_not_there(module: ModuleType) -> None:
    assert module.Results().view().is_visible is False


def test_a_row_tells_name_volume_and_mean_with_the_unit_above(shown: Any) -> None:
    view = shown.view()
    row = view.rows[0]
    assert (row.name, row.volume, row.mean, row.is_shown) == ("Zygoma", "1612", "30.5", True)
    assert view.headers == ("Show", "Segment", "Volume [ml]", "Mean [HU]")


def test_what_was_not_measured_is_a_dash(shown: Any) -> None:
    assert [(row.volume, row.mean) for row in shown.view().rows[1:]] == [("0.40", "–"), ("–", "–")]  # noqa: RUF001


def test_a_renamed_segment_keeps_its_numbers_and_a_removed_one_goes(module: ModuleType, shown: Any) -> None:
    rows = look(module, shown, {"a": "Cheekbone"}).view().rows
    assert [(row.name, row.volume) for row in rows] == [("Cheekbone", "1612")]


@pytest.mark.parametrize(
    ("column", "up", "down"),
    [
        ("name", ["atlas", "Mandible", "Zygoma"], ["Zygoma", "Mandible", "atlas"]),
        ("volume", ["atlas", "Zygoma", "Mandible"], ["Zygoma", "atlas", "Mandible"]),
        ("shown", ["Zygoma", "Mandible", "atlas"], ["atlas", "Zygoma", "Mandible"]),
    ],
)
def test_a_head_sorts_up_then_down_then_as_the_node_has_it(
    shown: Any, column: Any, up: list[str], down: list[str]
) -> None:
    first, second = shown.sorting(column), shown.sorting(column).sorting(column)
    assert (names(first), names(second)) == (up, down)
    assert names(second.sorting(column)) == ["Zygoma", "atlas", "Mandible"]


def test_the_order_stays_when_another_result_is_shown(module: ModuleType, shown: Any) -> None:
    again = look(module, shown.sorting("name").measured_anew({}, ()))
    assert names(again) == ["atlas", "Mandible", "Zygoma"]


@pytest.mark.parametrize(("on_grid", "tone"), [(True, "done"), (False, "error"), (None, "hint")])
def test_the_grid_check_has_three_answers(module: ModuleType, shown: Any, on_grid: Any, tone: str) -> None:
    assert look(module, shown, is_on_grid=on_grid).view().grid.tone == tone


def test_segments_that_changed_since_are_told(module: ModuleType, shown: Any) -> None:
    assert "changed after the run" in look(module, shown, is_edited=True).view().edited.text
    assert shown.view().edited.text == ""


def test_going_to_a_segment_waits_for_a_selection(shown: Any) -> None:
    assert (shown.view().jump.enabled, shown.view().jump.tool_tip) == (False, "Select a segment in the table first.")
    assert shown.selecting("a").view().jump.enabled is True


def test_the_selection_goes_with_its_segment(module: ModuleType, shown: Any) -> None:
    assert look(module, shown.selecting("a"), {"b": "atlas"}).selected == ""


def test_without_segments_every_button_says_why(module: ModuleType, shown: Any) -> None:
    view = (
        look(module, shown, {"": ""})
        .seen("Skull", (), is_on_grid=True, is_edited=False, is_3d=False, has_table=True)
        .view()
    )
    buttons = (view.show_all, view.hide_all, view.show_3d, view.jump, view.save_segmentation)
    assert {(b.enabled, b.tool_tip) for b in buttons} == {(False, "There is no segment.")}


def test_a_table_that_is_gone_cannot_be_saved(module: ModuleType, shown: Any) -> None:
    save = look(module, shown, has_table=False).view().save_table
    assert save.enabled is False and "no longer in the scene" in save.tool_tip


def test_warnings_of_the_run_stay_to_be_read(shown: Any) -> None:
    assert (shown.view().warnings.text, shown.view().warnings.tone) == ("the volume is small", "warning")


@pytest.mark.parametrize(("value", "text"), [(0.034, "0.03"), (12.34, "12.3"), (1612.3, "1612"), (-1000.4, "-1000")])
def test_numbers_have_as_many_figures_as_tell_something(module: ModuleType, value: float, text: str) -> None:
    assert module.in_figures(value) == text

"""Each event once and each stage once; the acceptance row ``scene-life`` plays all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scene_life import EVENTS, STAGES, Life, close_scene, play


@pytest.mark.parametrize(("event", "stage"), zip(EVENTS, STAGES[3:] + STAGES[:3], strict=True))
def test_nothing_breaks_and_nothing_is_left(event: str, stage: str, tmp_path: Path) -> None:
    assert play(event, stage, tmp_path) == []


def test_what_breaks_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVENTS, "input renamed", close_scene)
    assert "the run is failed, not done" in "\n".join(play("input renamed", "running", tmp_path))


def test_a_volume_of_another_scene_does_not_get_the_result(tmp_path: Path) -> None:
    assert play("another scene loaded", "running", tmp_path) == []


def test_a_target_that_is_deleted_keeps_the_result_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete_target(life: Life) -> None:
        target, life.target = life.target, None
        life.scene.RemoveNode(target)
        life.add_target()

    monkeypatch.setitem(EVENTS, "input deleted", delete_target)
    monkeypatch.setattr(Life, "replaces", True)
    assert play("input deleted", "running", tmp_path) == []

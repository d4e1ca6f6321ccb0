"""What a user does with the panel, for tests."""

from __future__ import annotations

from typing import Any

from .application import Application


def choose(panel: Application, model: str) -> None:
    """Click on a model in the list."""
    listed = panel.child("modelList")
    catalog = panel.widget._panel._catalog.listed
    listed.setCurrentRow([item.card.name for item in catalog].index(model))


def press(panel: Application, button: str) -> None:
    panel.child(button).click()


def status(panel: Application) -> str:
    """The line below the buttons, without the sign of its tone."""
    text = str(panel.child("statusLabel").text)
    return text[2:] if text[:2] in {"✓ ", "⚠ ", "✗ "} else text


def settle(panel: Application) -> None:
    """Let Qt do what was put off until later."""
    for _ in range(5):
        panel.slicer.app.processEvents()


def run(panel: Application) -> None:
    """Press Apply and wait until nothing runs any more."""
    press(panel, "applyButton")
    wait_for_end(panel)


def wait_for_end(panel: Application, seconds: float = 60.0) -> None:
    runs = panel.widget.logic.backstage.runs
    panel.wait_until(lambda: all(state.is_over for state in runs.states), seconds)
    settle(panel)


def segmentations(panel: Application) -> list[Any]:
    return list(panel.slicer.mrmlScene.GetNodesByClass("vtkMRMLSegmentationNode"))

"""What a module leaves behind: observers, nodes, timers, processes, exchange folders."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import shiboken6
from PySide6 import QtCore

from . import mrml_widgets, pythonqt

_EVENT = re.compile(r"^\s*Event: (\d+)$", re.MULTILINE)
CHILDREN_OF_THIS_PROCESS = Path("/proc/self/task")


class Watch:
    """Remembers how it is now, and tells later what is there that was not.

    Parameters
    ----------
    folders : folders that must hold nothing new at the end, such as that of the exchange.
    """

    def __init__(self, scene: Any, folders: tuple[Path, ...] = ()) -> None:
        self._scene = scene
        self._observers = self._foreign_observers()
        self._nodes = len(nodes_of(scene))
        self._children = _children()
        self._folders = {folder: _content(folder) for folder in folders}
        pythonqt.made.clear()
        pythonqt.single_shots.clear()

    def leaks(self, more_nodes: int | None = None) -> list[str]:
        """One line for each thing that was left, the stand-in's own left aside.

        more_nodes : how many nodes more than at first must be there that are no singletons; None to not look.
        """
        more = self._foreign_observers() - self._observers
        found = [f"an observer of the scene is left: event {event}, {count} times" for event, count in more.items()]
        found += [f"a timer goes on: every {t.interval()} ms" for t in _alive(QtCore.QTimer) if t.isActive()]
        found += [f"a process runs on: {p.program()}" for p in _alive(QtCore.QProcess) if p.state().value]
        found += [f"a child process is left: {child}" for child in _children() - self._children]
        for folder, before in self._folders.items():
            found += [f"a file is left: {name}" for name in sorted(_content(folder) - before)]
        came = len(nodes_of(self._scene)) - self._nodes
        if more_nodes is not None and came != more_nodes:
            found.append(f"{came} more nodes in the scene, not {more_nodes}")
        return found

    def _foreign_observers(self) -> Counter[str]:
        own = Counter(str(event) for subject, _, event in mrml_widgets.observers if subject is self._scene)
        return _observers_of(self._scene) - own


def nodes_of(scene: Any) -> list[Any]:
    """The nodes of the scene that are no singletons."""
    every = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    return [node for node in every if not node.GetSingletonTag()]


def observers_of(subject: Any) -> int:
    """How many observers an object of VTK has, the stand-in's own left aside."""
    own = sum(1 for observed, _, _ in mrml_widgets.observers if observed is subject)
    return sum(_observers_of(subject).values()) - own


def _observers_of(subject: Any) -> Counter[str]:
    """Number of observers by event; VTK tells it only in words."""
    head = str(subject).split("Registered Events:")[1] if "Registered Events:" in str(subject) else ""
    lines = re.split(r"\n  \S", head, maxsplit=1)[0]
    return Counter(_EVENT.findall(lines))


def _alive(kind: type) -> list[Any]:
    made = [reference() for reference in pythonqt.made]
    return [one for one in made if isinstance(one, kind) and shiboken6.isValid(one)]


def _children() -> set[str]:
    return {
        child
        for task in CHILDREN_OF_THIS_PROCESS.glob("*/children")
        for child in task.read_text(encoding="ascii").split()
    }


def _content(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

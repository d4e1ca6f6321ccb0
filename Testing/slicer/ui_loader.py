"""Reads ``.ui`` files, and refuses what a true Slicer would pass over with a line on its console."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import pythonqt


class QUiLoader(QtUiTools.QUiLoader):
    """A class, property, constant, signal, slot, buddy or tab stop that is not there is refused; so is a name given twice."""

    def load(self, file: QtCore.QFile, *_parent: Any) -> QtWidgets.QWidget:
        tree = ET.fromstring(Path(file.fileName()).read_text(encoding="utf-8"))
        _require_known(tree)
        connections = tree.find("connections")
        wired = list(connections) if connections is not None else []
        if connections is not None:
            tree.remove(connections)
        for name, cls in pythonqt.own_classes().items():
            if not name.startswith("qt.") and issubclass(cls, QtWidgets.QWidget):
                self.registerCustomWidget(cls)
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget: QtWidgets.QWidget = super().load(buffer)
        for connection in wired:
            _wire(widget, *(str(connection.findtext(key)) for key in ("sender", "signal", "receiver", "slot")))
        return widget


def _require_known(tree: ET.Element) -> None:
    named = [str(part.get("name")) for tag in ("widget", "layout", "spacer") for part in tree.iter(tag)]
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise ValueError(f"named twice: {twice}")
    declared = {str(part.findtext("class")) for part in tree.iter("customwidget")}
    for widget in tree.iter("widget"):
        _require_known_widget(widget, declared)
    for layout in tree.iter("layout"):
        _require_known_properties(layout, _class_of(str(layout.get("class"))))
    widgets = {str(widget.get("name")) for widget in tree.iter("widget")}
    pointed_at = [str(stop.text) for stop in tree.iter("tabstop")]
    pointed_at += [str(p.findtext("cstring")) for p in tree.iter("property") if p.get("name") == "buddy"]
    if missing := set(pointed_at) - widgets:
        raise ValueError(f"no such widget to be a buddy or a tab stop: {sorted(missing)}")


def _require_known_widget(widget: ET.Element, declared: set[str]) -> None:
    name = str(widget.get("class"))
    cls = _class_of(name)
    is_own = f"ctk.{name}" in pythonqt.API or f"slicer.{name}" in pythonqt.API
    if is_own and name not in declared:
        raise ValueError(f"{name} is not among the customwidgets of the file")
    _require_known_properties(widget, cls)


def _class_of(name: str) -> type:
    full = next((f"{module}.{name}" for module in ("qt", "ctk", "slicer") if f"{module}.{name}" in pythonqt.API), None)
    if full is None:
        if name == "Line":
            return QtWidgets.QFrame
        raise ValueError(f"a true Slicer has no class {name}, or the stand-in does not know it")
    return pythonqt.class_of(full)


def _require_known_properties(element: ET.Element, cls: type) -> None:
    known = pythonqt.listing_of(cls).properties
    margins = {"leftMargin", "topMargin", "rightMargin", "bottomMargin"}  # of layouts: the loader's own words
    for item in element.findall("property"):
        name = str(item.get("name"))
        is_dynamic = item.get("stdset") == "0"
        if name == "buddy" and cls is QtWidgets.QLabel:
            continue  # a word of the loader, looked at with the tab stops
        if not is_dynamic and name not in known | (margins if issubclass(cls, QtWidgets.QLayout) else set()):
            raise ValueError(f"{element.get('class')} has no property {name}")
        for kind in ("enum", "set"):
            text = item.findtext(kind)
            if text:
                _require_known_constants(text)


def _require_known_constants(text: str) -> None:
    for part in text.split("|"):
        scope, _, name = part.strip().rpartition("::")
        if "::" in scope:
            raise ValueError(f"{part}: Qt 5 reads no name of the enumeration between class and constant")
        if scope == "Qt":
            getattr(pythonqt.NAMESPACE, name)
        elif name not in pythonqt.listing_of(_class_of(scope)).constants:
            raise ValueError(f"{scope} has no constant {name}")


def _wire(root: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    def named(name: str) -> Any:
        found = root if root.objectName() == name else root.findChild(QtCore.QObject, name)
        if found is None:
            raise ValueError(f"a connection names {name}, which is not there")
        return found

    source, target = named(sender), named(receiver)
    name, normalized = pythonqt.normalized(slot)
    if name not in pythonqt.listing_of(type(target)).methods or not _has_slot(target, normalized):
        raise ValueError(f"{receiver} has no slot {slot}")
    given, taken = (_arguments(signature) for signature in (signal, slot))
    if taken != given[: len(taken)]:
        raise ValueError(f"{signal} does not give what {slot} takes")
    call = getattr(target, name)
    if not pythonqt.Wrapped(source).connect(signal, lambda *told: call(*map(pythonqt.unwrap, told[: len(taken)]))):
        raise ValueError(f"{sender} has no signal {signal}")


def _has_slot(target: QtCore.QObject, normalized: str) -> bool:
    """Python's own classes say no signatures; of Qt's, the meta object knows each slot."""
    is_python = not type(target).__module__.startswith("PySide6")
    return is_python or target.metaObject().indexOfSlot(normalized) >= 0


def _arguments(signature: str) -> list[str]:
    inside = pythonqt.normalized(signature)[1].partition("(")[2].rstrip(")")
    return [part for part in inside.split(",") if part]


pythonqt.register("qt", QUiLoader)

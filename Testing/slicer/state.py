"""The parameter node wrapper, after the source of the true one. parameterPack is not modelled."""

from __future__ import annotations

import enum
import logging
import pathlib
import typing
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import pythonqt
from .state_kinds import (
    Choice,
    Default,
    Kind,
    Maximum,
    Minimum,
    Validator,
    WithinRange,
    kind_of,
    modifying,
    node_classes_of,
    split_annotations,
)

PARAMETER_PROPERTY = "SlicerParameterName"
# VTK's Python side lets the garbage collector clear a callback that is only held by the object it observes while that
# object lives on in C++; the next event then ends the interpreter. The true wrapper runs that risk; tests must not.
_kept: list[Any] = []


def module() -> ModuleType:
    """``slicer.parameterNodeWrapper``."""
    wrapper = ModuleType("slicer.parameterNodeWrapper")
    for item in (
        Choice,
        Default,
        Maximum,
        Minimum,
        Validator,
        WithinRange,
        parameterNodeWrapper,
        isParameterNodeWrapper,
    ):
        setattr(wrapper, item.__name__, item)
    return wrapper


def begin() -> None:
    """Another application starts: nodes of the last one are not needed any more."""
    _kept.clear()


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """The class, its annotated fields kept in a scripted module node."""
    return _processed if cls is None else _processed(cls)


def isParameterNodeWrapper(thing: Any) -> bool:
    return bool(getattr(thing, "_is_parameter_node_wrapper", False))


def _processed(cls: type) -> type:
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: _Parameter(cls, name, hint) for name, hint in hints.items()}
    methods = {name: value for name, value in vars(_Wrapper).items() if not name.startswith("__")}
    if taken := sorted(set(methods) & set(hints)):
        raise ValueError(f"Cannot use reserved name '{taken[0]}' in a parameterNodeWrapper")
    for name, value in (methods | {"allParameters": parameters, "_is_parameter_node_wrapper": True}).items():
        setattr(cls, name, value)
    cls.__init__ = _Wrapper.__init__  # type: ignore[misc]
    cls.__setattr__ = _Wrapper.__setattr__  # type: ignore[method-assign,assignment]
    for name in parameters:
        setattr(cls, name, _property(name))
    return cls


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class _Parameter:
    """One field of the class."""

    def __init__(self, cls: type, name: str, hint: Any) -> None:
        self.basename, self.unalteredType = name, hint
        self.kind: Kind = kind_of(hint)
        defaults = [item for item in split_annotations(hint)[1] if isinstance(item, Default)]
        if len(defaults) > 1:
            raise ValueError("Multiple defaults found")
        default = defaults[0] if defaults else Default(self.kind.default())
        self.default = Default(getattr(cls, name)) if hasattr(cls, name) else default


class _Value:
    """One field of one node, read again when the node is modified."""

    def __init__(self, parameter: _Parameter, node: Any) -> None:
        self._parameter, self._node, self._is_writing = parameter, node, False
        self._read_again()
        itself = weakref.ref(self)
        node.AddObserver("ModifiedEvent", lambda *_: one._on_modified() if (one := itself()) else None)

    def _on_modified(self) -> None:
        if not self._is_writing:
            self._read_again()

    def _read_again(self) -> None:
        kind, name = self._parameter.kind, self._parameter.basename
        if not kind.is_in(self._node, name):
            kind.put(self._node, name, self._parameter.default.value)
        self.value = kind.read(self._node, name)

    def write(self, value: Any) -> None:
        self._is_writing = True
        try:
            with modifying(self._node):
                self._parameter.kind.put(self._node, self._parameter.basename, value)
                self._read_again()
        finally:
            self._is_writing = False


class _Wrapper:
    """What the decorator puts into the class."""

    allParameters: dict[str, _Parameter]

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:  # noqa: N803 - Slicer's name
        if prefix:
            raise pythonqt.NotModelled("parameter node wrapper with a prefix")
        fields = {"parameterNode": parameterNode, "_guis": {}, "_next_tag": 0, "_is_updating": False}
        self.__dict__.update(fields)
        _kept.append(parameterNode)
        values = {name: _Value(parameter, parameterNode) for name, parameter in self.allParameters.items()}
        self.__dict__["_values"] = values

    def __setattr__(self, name: str, value: Any) -> None:
        # A true Slicer lets a misspelled name pass; here it must not.
        if not name.startswith("_") and name not in self.allParameters:
            raise AttributeError(f"no parameter {name}")
        object.__setattr__(self, name, value)

    def _require(self, name: str) -> None:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")

    def getValue(self, name: str) -> Any:
        self._require(name)
        return self._values[name].value  # type: ignore[attr-defined]

    def setValue(self, name: str, value: Any) -> None:
        self._require(name)
        self._values[name].write(value)  # type: ignore[attr-defined]

    def default(self, name: str) -> Default:
        self._require(name)
        return self.allParameters[name].default

    def dataType(self, name: str) -> Any:
        self._require(name)
        return self.allParameters[name].unalteredType

    def isCached(self, name: str) -> bool:
        self._require(name)
        return True

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()  # type: ignore[attr-defined]

    def EndModify(self, was_modifying: Any) -> Any:
        return self.parameterNode.EndModify(was_modifying)  # type: ignore[attr-defined]

    def Modified(self) -> None:
        self.parameterNode.Modified()  # type: ignore[attr-defined]

    def AddObserver(self, event: Any, callback: Callable[..., None], priority: float = 0.0) -> int:
        return int(self.parameterNode.AddObserver(event, callback, priority))  # type: ignore[attr-defined]

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)  # type: ignore[attr-defined]

    def connectGui(self, gui: Any) -> None:
        """Tie each widget that names a parameter to it; as in a true Slicer, no tag comes back."""
        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = _widgets_below(gui) if is_widget else list(vars(gui).values())
        named = {widget.property(PARAMETER_PROPERTY): widget for widget in widgets}
        self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Tie each parameter to its widget; returns a tag for ``disconnectGui``."""
        for name in mapping:
            self._require(name)
        ties = {name: _tie(widget, self.dataType(name)) for name, widget in mapping.items()}
        tag = self._next_tag  # type: ignore[attr-defined]
        self.__dict__["_next_tag"] = tag + 1
        self._guis[tag] = ties  # type: ignore[attr-defined]
        for name, tie in ties.items():
            tie.write(self.getValue(name))
            tie.on_changed(self._taker(name, tie))
        # As in the true one nothing ever takes this observer away; without ties it does nothing.
        # A bound method, as there: what the garbage collector takes apart of a function of its own, VTK would still call.
        self.AddObserver("ModifiedEvent", self._show)
        return int(tag)

    def disconnectGui(self, tag: int | None) -> None:
        """A tag that is none is let pass, as in a true Slicer, and nothing is untied."""
        for tie in self._guis.pop(tag, {}).values():  # type: ignore[attr-defined]
            tie.on_changed(None)

    def _taker(self, name: str, tie: Tie) -> Callable[[], None]:
        def take() -> None:
            with modifying(self):
                if not self._is_updating:  # type: ignore[attr-defined]
                    self.setValue(name, tie.read())

        return take

    def _show(self, *_event: Any) -> None:
        if self._is_updating:  # type: ignore[attr-defined]
            return
        self.__dict__["_is_updating"] = True
        try:
            with modifying(self):
                for ties in self._guis.values():  # type: ignore[attr-defined]
                    for name, tie in ties.items():
                        tie.write(self.getValue(name))
        finally:
            self.__dict__["_is_updating"] = False


def _widgets_below(gui: Any) -> list[Any]:
    found, waiting = [], list(gui.children())
    while waiting:
        child = waiting.pop(0)
        if getattr(child, "isWidgetType", lambda: False)():
            found.append(child)
        waiting += child.children() if hasattr(child, "children") else []
    return found


class Tie:
    """A widget that shows and takes one value: which attribute it has, and which signal tells a change."""

    def __init__(
        self, widget: Any, attribute: str, signal: str, convert: Callable[[Any], Any] = lambda value: value
    ) -> None:
        self._widget, self._attribute, self._convert = widget, attribute, convert
        self._signal = getattr(widget, signal)
        self._callback: Callable[[], None] | None = None

    def on_changed(self, callback: Callable[[], None] | None) -> None:
        self._callback = callback
        if callback is None:
            self._signal.disconnect(self._changed)
        else:
            self._signal.connect(self._changed)

    def _changed(self) -> None:
        if self._callback is not None:
            self._callback()

    def read(self) -> Any:
        return self._convert(getattr(self._widget, self._attribute))

    def write(self, value: Any) -> None:
        setattr(self._widget, self._attribute, str(value) if isinstance(value, pathlib.PurePath) else value)


class _ChoiceTie(Tie):
    """A combo box: with nothing selected its index is -1, and a true Slicer takes the last choice for it."""

    def __init__(self, widget: Any, labels: list[str], choices: list[Any]) -> None:
        super().__init__(widget, "currentIndex", "currentIndexChanged")
        self._choices = choices
        widget.clear()
        for label in labels:
            widget.addItem(label)

    def read(self) -> Any:
        return self._choices[super().read()]

    def write(self, value: Any) -> None:
        if value not in self._choices:
            raise ValueError(f"Unable to find value {value} in choices {self._choices}")
        super().write(self._choices.index(value))


class _NodeTie(Tie):
    """A node selector: its node types become those of the parameter."""

    def __init__(self, widget: Any, classes: list[str]) -> None:
        super().__init__(widget, "currentNode", "currentNodeChanged")
        widget.nodeTypes = classes

    def read(self) -> Any:
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        self._widget.setCurrentNode(value)


class _PlainTextTie(Tie):
    """A text of several lines."""

    def read(self) -> Any:
        return self._widget.toPlainText()

    def write(self, value: Any) -> None:
        self._widget.setPlainText(value)


def _tie(widget: Any, hint: Any) -> Tie:
    """How this widget stands for a value of this type; by its class exactly, as in the true one."""
    bare, annotations = split_annotations(hint)
    widget_class = type(widget.real).__name__
    if widget_class == "QComboBox" and bare in {int, float, str, bool}:
        choice = next((item for item in annotations if isinstance(item, Choice)), None)
        if choice is None:
            raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
        return _ChoiceTie(widget, [str(one) for one in choice.choices], list(choice.choices))
    if widget_class == "QComboBox" and isinstance(bare, type) and issubclass(bare, enum.Enum):
        return _ChoiceTie(widget, [getattr(bare, "label", lambda one: one.name)(one) for one in bare], list(bare))
    if widget_class == "qMRMLNodeComboBox" and (classes := node_classes_of(hint)):
        return _NodeTie(widget, classes)
    tie = _simple_tie(widget, widget_class, bare)
    if tie is None:
        raise RuntimeError(f"Unable to create GUI connector from datatype '{hint}' to widget type '{widget_class}'")
    if widget_class in {"QSpinBox", "QSlider", "QDoubleSpinBox"}:
        _set_range(widget, widget_class, annotations)
    return tie


def _simple_tie(widget: Any, widget_class: str, bare: Any) -> Tie | None:
    if widget_class == "QPushButton" and bare is bool and not widget.checkable:
        logging.getLogger(__name__).warning("making a push button checkable")
        widget.checkable = True
    is_path = isinstance(bare, type) and issubclass(bare, pathlib.PurePath)
    return {
        ("QCheckBox", bare is bool): lambda: Tie(widget, "checked", "stateChanged"),
        ("QPushButton", bare is bool): lambda: Tie(widget, "checked", "toggled"),
        ("QSpinBox", bare is int): lambda: Tie(widget, "value", "valueChanged"),
        ("QSlider", bare is int): lambda: Tie(widget, "value", "valueChanged"),
        ("QDoubleSpinBox", bare is float): lambda: Tie(widget, "value", "valueChanged"),
        ("QLineEdit", bare is str): lambda: Tie(widget, "text", "textChanged"),
        ("QTextEdit", bare is str): lambda: _PlainTextTie(widget, "", "textChanged"),
        ("ctkPathLineEdit", is_path): lambda: Tie(widget, "currentPath", "currentPathChanged", bare),
        ("ctkDirectoryButton", is_path): lambda: Tie(widget, "directory", "directoryChanged", bare),
    }.get((widget_class, True), lambda: None)()


def _set_range(widget: Any, widget_class: str, annotations: tuple[Any, ...]) -> None:
    lowest, highest = (float("-inf"), float("inf")) if widget_class == "QDoubleSpinBox" else (-(2**31), 2**31 - 1)
    for item in annotations:
        lowest = item.minimum if isinstance(item, (WithinRange, Minimum)) else lowest
        highest = item.maximum if isinstance(item, (WithinRange, Maximum)) else highest
    if widget_class == "QSlider" and (lowest, highest) == (-(2**31), 2**31 - 1):
        raise RuntimeError("Cannot have a connection to a slider where the type is unbounded.")
    widget.minimum, widget.maximum = lowest, highest

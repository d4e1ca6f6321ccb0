"""The parameter node wrapper in the few kinds of parameter that MedDL has: node, text, choice of texts."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any


class Choice:
    """A text out of a list."""

    def __init__(self, choices: list[str]) -> None:
        self.choices = choices


class Default:
    """The value before anybody sets one."""

    def __init__(self, value: Any) -> None:
        self.value = value


def parameterNodeWrapper(cls: type) -> type:
    """The class, its annotated fields kept in a scripted module node."""
    hints = typing.get_type_hints(cls, include_extras=True)
    body = {name: _field(name, hint) for name, hint in hints.items()}
    return type(cls.__name__, (_Wrapper,), body | {"FIELDS": hints, "__doc__": cls.__doc__})


class _Wrapper:
    FIELDS: dict[str, Any]

    def __init__(self, node: Any) -> None:
        self.parameterNode = node
        self._ties: list[list[_Tie]] = []

    def AddObserver(self, event: Any, callback: Callable[..., None], priority: float = 0.0) -> int:
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def connectGui(self, gui: Any) -> None:
        """Tie each widget that names a parameter to it; as in a true Slicer, no tag comes back."""
        named = {_parameter_of(widget): widget for widget in vars(gui).values() if _parameter_of(widget)}
        self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Tie each parameter to its widget; returns a tag for ``disconnectGui``."""
        self._ties.append([_Tie(self, name, widget) for name, widget in mapping.items()])
        return len(self._ties) - 1

    def disconnectGui(self, tag: int | None) -> None:
        """A tag that is none is let pass, as in a true Slicer, and nothing is untied."""
        if tag is not None:
            for tie in self._ties[tag]:
                tie.cut()


class _Tie:
    """One widget and one parameter that follow each other; the parameter's value goes first, None too."""

    def __init__(self, state: _Wrapper, name: str, widget: Any) -> None:
        self.state, self.name, self.widget = state, name, widget
        if self.name not in state.FIELDS:
            raise ValueError(f"no parameter {self.name}")
        self.is_tied = True
        choices = [
            extra.choices for extra in getattr(state.FIELDS[self.name], "__metadata__", ()) if isinstance(extra, Choice)
        ]
        if choices:
            self._tie_choices(choices[0])
        else:
            self._tie_node()
        self.tag = state.AddObserver("ModifiedEvent", self._show)

    def cut(self) -> None:
        self.is_tied = False
        self.state.RemoveObserver(self.tag)

    def _tie_node(self) -> None:
        self._show()
        self.widget.connect("currentNodeChanged(vtkMRMLNode*)", self._take)

    def _tie_choices(self, choices: list[str]) -> None:
        self.widget.clear()
        self.widget.addItems(choices)
        self._show()
        # With nothing selected the index is -1, and a true Slicer takes the last choice for it.
        self.widget.connect("currentIndexChanged(int)", lambda index: self._take(choices[index]))

    def _take(self, value: Any) -> None:
        if self.is_tied:
            setattr(self.state, self.name, value)

    def _show(self, *_event: Any) -> None:
        value = getattr(self.state, self.name)
        if isinstance(value, str):
            self.widget.setCurrentIndex(self.widget.findText(value))
        else:
            self.widget.setCurrentNode(value)


def _parameter_of(widget: Any) -> str:
    return str(widget.property("SlicerParameterName") or "") if hasattr(widget, "property") else ""


def _field(name: str, hint: Any) -> property:
    bare = getattr(hint, "__origin__", hint)
    default = next((extra.value for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Default)), "")
    if bare is str:
        return property(lambda self: self.parameterNode.GetParameter(name) or default, _text_setter(name))
    return property(lambda self: self.parameterNode.GetNodeReference(name), _node_setter(name))


def _text_setter(name: str) -> Callable[[Any, str], None]:
    return lambda self, text: self.parameterNode.SetParameter(name, text)


def _node_setter(name: str) -> Callable[[Any, Any], None]:
    return lambda self, node: self.parameterNode.SetNodeReferenceID(name, node.GetID() if node else None)

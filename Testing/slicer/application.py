"""A stand-in for the running application: real scene of slicer-core, real ``slicer.util``, Qt with PythonQt's manners.

In a test, by its fixtures; elsewhere::

    with open_panel(folder) as application:
        application.child("applyButton").click()
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import shiboken6
import slicer as headless
import slicer.util as headless_util
from PySide6 import QtCore, QtWidgets

from . import ctk_widgets, dialogs, leaks, mrml_widgets, pythonqt, qt_widgets, state, ui_loader
from .app import App, show_views
from .modules import BASES, qSlicerScriptedLoadableModule
from .scene import application_scene

SCRIPT_FOLDER = "MedDLExtension"
EXTENSION = Path(__file__).parents[2] / SCRIPT_FOLDER
OURS = ("MedDL", "MedDLLib", "MedDLLogic")
REGISTERING = (ctk_widgets, mrml_widgets, qt_widgets, ui_loader)  # each registers its classes when it is imported


class Application:
    """All of it at once. ``install`` puts the modules in place through a setter, as ``monkeypatch.setitem`` is one.

    Parameters
    ----------
    folder : settings and temporary files go there.
    main_window : without it this is ``Slicer --no-main-window``.
    testing : this is ``Slicer --testing``.
    """

    def __init__(
        self, folder: Path, *, version: tuple[int, int] = (5, 12), main_window: bool = True, testing: bool = False
    ) -> None:
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(folder))
        state.begin()
        self.dialogs = dialogs.begin(lambda: main_window and not testing)
        self.qt = pythonqt.make_module("qt")
        self.app = App(version, folder, main_window=main_window, testing=testing)
        self.slicer = _slicer_module(self.app, folder)
        self.app.on_quit = self._on_quit
        self.widget: Any = None
        self.frame: Any = None
        self.is_over = False
        if self.app.window is not None:
            self.app.window.__dict__["select"] = self._select
            show_views(self.slicer.mrmlScene)

    def install(self, set_item: Callable[[dict[str, Any], str, Any], None]) -> None:
        """Let ``import qt`` and the like find the stand-ins."""
        modules = {"qt": self.qt, "ctk": pythonqt.make_module("ctk"), "slicer": self.slicer}
        modules |= {f"slicer.{n}": getattr(self.slicer, n) for n in ("util", "i18n", "parameterNodeWrapper")}
        modules["slicer.ScriptedLoadableModule"] = self.slicer.ScriptedLoadableModule
        for name, module in modules.items():
            set_item(sys.modules, name, module)

    # -- the life of a module -----------------------------------------------------------------------------

    def open(self, module: Any, path: Path) -> Any:
        """Make the module object and its panel, as Slicer does, and enter it; returns the panel's Python side."""
        name = path.stem
        entry = qSlicerScriptedLoadableModule(str(path), name)
        self.module, self.name = getattr(module, name)(entry), name
        setattr(self.slicer.modules, name.lower(), entry)
        self.slicer.app.moduleManager().modules[name] = entry
        frame = mrml_widgets.qSlicerScriptedLoadableModuleWidget()
        frame.module_name = name
        frame.setLayout(QtWidgets.QVBoxLayout())
        frame.setMRMLScene(self.slicer.mrmlScene)
        self.frame = frame
        frame.python_side = getattr(module, f"{name}Widget")(pythonqt.Wrapped(frame))
        setattr(self.slicer.modules, f"{name}Widget", frame.python_side)
        entry._widget = pythonqt.Wrapped(frame)
        self.widget = frame.python_side
        self.widget.setup()
        self._ui = self.slicer.util.childWidgetVariables(pythonqt.Wrapped(frame))
        self.enter()
        return self.widget

    def enter(self) -> None:
        """The user opens the module."""
        if self.app.window is not None:
            self.app.window.__dict__["selected"] = self.name
        self.frame.enter()

    def leave(self) -> None:
        """The user opens another module."""
        if self.app.window is not None:
            self.app.window.__dict__["selected"] = "Data"
        self.frame.exit()

    def _select(self, name: str) -> None:
        if self.frame is not None and name != self.name and self.frame.entered:
            self.leave()
        elif self.frame is not None and name == self.name and not self.frame.entered:
            self.enter()

    def reload(self) -> Any:
        """Somebody presses Reload; returns the new panel's Python side."""
        self.frame.python_side.onReload()
        self.widget = self.frame.python_side
        self._ui = self.slicer.util.childWidgetVariables(pythonqt.Wrapped(self.frame))
        return self.widget

    def start_up(self) -> None:
        """The application has started: who waits for that is called."""
        self.app.signals.emit("startupCompleted()")

    def quit(self) -> None:
        """The user quits: the module is left and unloaded, its widgets are destroyed, the scene is emptied."""
        if self.is_over:
            return
        self.is_over = True
        self.app.signals.emit("aboutToQuit()")
        if self.frame is not None:
            if self.frame.entered:
                self.leave()
            self.app.moduleManager().unload(self.name)
        self.drop_widgets()
        self.slicer.mrmlScene.Clear(True)

    def drop_widgets(self) -> None:
        """Destroy the panel's widgets, as the end of the application does."""
        if self.frame is not None and shiboken6.isValid(self.frame):
            shiboken6.delete(self.frame)
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)

    def _on_quit(self) -> None:
        """``slicer.app.exit`` lets what is going on end first."""
        QtCore.QTimer.singleShot(0, self.quit)

    # -- what tests ask and do ----------------------------------------------------------------------------

    def child(self, name: str) -> Any:
        """A named widget of the panel."""
        return getattr(self._ui, name)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let Qt go on until the condition holds."""
        timer = QtCore.QElapsedTimer()
        timer.start()
        while not condition():
            QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
            if timer.elapsed() > 1000 * seconds:
                raise TimeoutError("the panel did not get there")

    def faults(self) -> list[str]:
        """What went wrong unseen since the last call: in slots, connections, threads, and boxes nobody expected."""
        found = [f"a slot raised: {text}" for text in pythonqt.slot_errors]
        found += [f"a connection to a signal that is not there: {text}" for text in pythonqt.failed_connections]
        found += [f"Qt in another thread: {text}" for text in pythonqt.thread_errors]
        found += [f"a box nobody expected: {box.kind}: {box.text}" for box in self.dialogs.unexpected]
        for kept in (pythonqt.slot_errors, pythonqt.failed_connections, pythonqt.thread_errors):
            kept.clear()
        self.dialogs.unexpected.clear()
        return found


@contextmanager
def open_panel(
    folder: Path,
    main_window: bool = True,
    *,
    script: Path = EXTENSION / "MedDL.py",
    testing: bool = False,
    version: tuple[int, int] = (5, 12),
) -> Iterator[Application]:
    """The open panel of a module; afterwards what Slicer's end does to it, and an error for what went wrong unseen."""
    qt_application()
    before = dict(sys.modules)
    path = list(sys.path)
    application = Application(folder, version=version, main_window=main_window, testing=testing)
    application.install(dict.__setitem__)
    sys.path.append(str(script.parent))
    watch = leaks.Watch(application.slicer.mrmlScene)
    try:
        application.open(load_script(script), script)
        yield application
        application.quit()
        faults = [*application.faults(), *watch.leaks()]
        if faults:
            raise AssertionError("\n".join(faults))
    finally:
        application.drop_widgets()
        for name in set(sys.modules) - set(before):
            if name.split(".")[0] in (*OURS, script.stem):
                del sys.modules[name]
        sys.modules.update(before)
        for name in ("qt", "ctk"):
            if name not in before:
                sys.modules.pop(name, None)
        sys.path[:] = path


def qt_application() -> QtWidgets.QApplication:
    """The one application object of Qt."""
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])  # type: ignore[return-value]


def load_script(path: Path) -> ModuleType:
    """A module's script, imported as Slicer imports it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _slicer_module(app: App, folder: Path) -> ModuleType:
    module = ModuleType("slicer")
    module.__dict__.update({name: value for name, value in vars(headless).items() if name.startswith("vtk")})
    module.__dict__.update(pythonqt.wrapped_classes("slicer"))
    bases = ModuleType("slicer.ScriptedLoadableModule")
    for base in BASES:
        setattr(bases, base.__name__, base)
    i18n = ModuleType("slicer.i18n")
    i18n.tr, i18n.translate = str, lambda _context, text: text  # type: ignore[attr-defined]
    content = {"app": app, "util": headless_util, "modules": SimpleNamespace(), "mrmlScene": application_scene(folder)}
    content |= {"i18n": i18n, "parameterNodeWrapper": state.module(), "ScriptedLoadableModule": bases}
    content["qSlicerScriptedLoadableModule"] = qSlicerScriptedLoadableModule
    module.__dict__.update(content)
    return module

"""The heavy packages that only the worker sees: installed, tested, repaired and removed in a folder of MedDL's own.

What others use, module by module; everything here needs the standard library alone:

``folder``
    ``environment_state(...) -> EnvironmentState`` is "missing", "ready", "broken" or "outdated"; it reads a record and
    a few hundred file sizes, starts no process and imports nothing. ``current_environment() -> Path | None`` is the
    folder that the worker puts first on ``sys.path``. ``remove_environment() -> int`` frees the bytes it returns.
``builds``
    ``choose_build(machine, name="") -> Choice`` is the torch build for a machine and one sentence why; ``build_names()``.
``machine``
    ``read_machine() -> Machine``: system, Python, memory, disk, graphics cards. It starts ``nvidia-smi``, so it is
    called in a child or a thread, not where a window waits.
``preflight``
    ``preflight(machine, slicer_version=..., ...) -> tuple[Check, ...]``: traffic lights; it starts pip with a deadline.
    ``check_machine(...) -> CheckReport``: facts, lights, choice of build and state in one.
    ``read_check_report(path) -> CheckReport`` is what the command ``check`` wrote.
``install``
    ``install(stack, reporter, ...)``, ``repair``, ``verify``: with a ``Reporter`` that tells events and hears cancel.
``other_python``
    ``probe_python(program) -> OtherPython``: what another Python is, and whether it can be the worker.
``launch``
    ``worker_arguments(folder)``: how the bootstrap file is told of the environment.
``report``
    ``report_text(...)``: the bug report, without patient data.

As a child process that tells ``Event`` lines on standard output, pip's log on standard error, and is cancelled by the
word ``cancel`` or the end of its standard input::

    python -m MedDLLogic.environment check FILE [--build NAME] [--slicer VERSION] [--wheelhouse DIR] [--index-url URL]
    python -m MedDLLogic.environment install [--build NAME] [--wheelhouse DIR] [--index-url URL] [--torch-index-url URL]
    python -m MedDLLogic.environment repair [the same]
    python -m MedDLLogic.environment verify
    python -m MedDLLogic.environment remove
    python -m MedDLLogic.environment python FILE PROGRAM
    python -m MedDLLogic.environment report FILE [--slicer VERSION] [--checks FILE] [--worker-log FILE]
        [--install-log FILE] [--settings FILE]

``check`` writes a ``CheckReport``, ``python`` an ``OtherPython`` to FILE as JSON; both end with ``Finished`` also when a
light is red. Each event's case is ``environment``.
"""

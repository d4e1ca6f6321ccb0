"""How the worker is told of the environment."""

from __future__ import annotations

from pathlib import Path

OPTION = "--environment"


def worker_arguments(environment: Path | None) -> tuple[str, ...]:
    """What stands between MedDL's bootstrap file and the module's name on the worker's command line.

    The bootstrap file puts that folder first on ``sys.path``, except that MedDLLogic itself is the extension's own.
    """
    return () if environment is None else (OPTION, str(environment))

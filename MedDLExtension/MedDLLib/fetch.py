"""Downloads a model's weights or a sample image, in a process of its own that has pip and needs nothing else.

Whoever starts it has the user's yes. Tells its progress and its end as events, one JSON text a line. The end
of its input, or a signal, cancels it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Event, Failed, Finished, Reporter
from MedDLLogic.jobs.process_tree import lead_own_group
from MedDLLogic.jobs.signals import cancelled_by_signals
from MedDLLogic.models.registry import find_card
from MedDLLogic.models.samples import find_sample, get_sample
from MedDLLogic.models.store import get_weights, missing_weights
from MedDLLogic.records import to_json_text

STAGE = "download"


def main(kind: str, name: str) -> int:
    """Exit status of fetching what a model needs (``kind`` is ``"model"``) or a sample (``"sample"``)."""
    lead_own_group()  # whoever has to end this by force ends pip with it
    is_closed = threading.Event()
    threading.Thread(target=_watch_input, args=(is_closed,), daemon=True).start()
    with cancelled_by_signals() as is_signalled:
        reporter = Reporter(STAGE, _emit, lambda: is_closed.is_set() or is_signalled(), {STAGE: 1.0})
        try:
            with reporter.stage(STAGE):
                _fetch(kind, name, reporter.update)
        except MedDLError as error:
            _emit(Cancelled(STAGE) if error.code == "E602" else Failed(STAGE, error.code, str(error)))
            return error.exit_status
    _emit(Finished(STAGE))
    return 0


def _fetch(kind: str, name: str, on_progress: Callable[[float], None]) -> None:
    if kind == "sample":
        get_sample(find_sample(name), on_progress=on_progress)
    else:
        get_weights(missing_weights(find_card(name)), on_progress=on_progress)


def _watch_input(is_closed: threading.Event) -> None:
    """Slicer closes the input when the user cancels, or when it goes away itself."""
    while os.read(0, 4096):  # sys.stdin has a lock, and a thread that holds it lets the interpreter abort at its end
        pass
    is_closed.set()


def _emit(event: Event) -> None:
    sys.stdout.write(to_json_text(event, indent=None) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

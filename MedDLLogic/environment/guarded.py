"""Run as a file, ``python guarded.py pip install ...``: runs a module or script, and ends when its standard input ends.

So a child dies with its parent, however that one ends, on every system and behind every launcher. It runs on whatever
Python 3.6 or newer the user points to.
"""

import os
import runpy
import sys
import threading


def _end_with_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin: a thread that waits there keeps Python from ending
        pass
    os._exit(130)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    del sys.argv[0]
    del sys.path[0]  # the folder of this file, whose modules are no top-level ones
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

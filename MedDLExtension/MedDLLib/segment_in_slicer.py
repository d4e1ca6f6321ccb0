"""Runs a model in a Slicer without windows, for scripts and servers.

``Slicer --no-splash --no-main-window --python-script segment_in_slicer.py -- INPUT OUTPUT --model NAME``
``Slicer --no-splash --no-main-window --python-script segment_in_slicer.py -- INPUT INPUT ... FOLDER --model NAME``

INPUT is an image file that Slicer reads. OUTPUT ends in ``.seg.nrrd`` for the segmentation or in ``.mrb`` for the
whole scene. In FOLDER each input becomes a case with a name made of its content, and ``index.private.csv`` says which
is which; the worker stays warm from one to the next, and a case that fails does not stop the others. No
dialog is opened, and Slicer ends with the exit status of the ``meddl`` command: 7 when some cases failed.
"""

import sys
import traceback
from pathlib import Path

import slicer

EXIT_DEFECT = 70


def run(arguments: list) -> int:
    """Exit status, whatever happens: a Slicer without windows would otherwise never end."""
    try:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        from MedDLLib.batch import main

        return main(arguments)
    except SystemExit as ending:  # the help was asked for
        return int(ending.code or 0)
    except BaseException:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        return EXIT_DEFECT


if __name__ == "__main__":
    slicer.util.exit(run(sys.argv[1:]))

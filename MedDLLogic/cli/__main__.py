"""``python -m MedDLLogic.cli``: the command ``meddl`` without its script."""

from . import main

main()

"""pip, deciding as it would on another platform and Python: ``foreign_pip.py MARKERS.json pip-arguments...``.

``pip install --platform`` chooses wheels for another platform but judges environment markers
(``; sys_platform == "win32"``) by the interpreter it runs on. Here markers get the other's values too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pip._internal.cli.main import main
from pip._vendor.packaging import markers

if __name__ == "__main__":
    own = markers.default_environment()
    foreign = own | json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    markers.default_environment = lambda: foreign
    sys.exit(main(sys.argv[2:]))

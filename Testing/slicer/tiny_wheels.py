"""Wheels of a few bytes with the names of the worker's packages, for real pip and the real test of an environment."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path

from MedDLLogic.environment.stack import standard_stack

BUILD = "cpu"
TORCH = {
    "torch/__init__.py": "from . import backends, cuda, nn\n"
    "class _Ones:\n    def __getitem__(self, index): return 27.0\n"
    "def ones(*shape, device): return _Ones()\n",
    "torch/nn/__init__.py": "from . import functional\n",
    "torch/nn/functional.py": "def conv3d(image, kernel): return image\n",
    "torch/cuda.py": "def is_available(): return False\n",
    "torch/backends/__init__.py": "from . import mps\n",
    "torch/backends/mps.py": "def is_available(): return False\n",
}
SLOW = "import time\ntime.sleep(120)\n"


def make_wheels(folder: Path, *, without: str = "", is_slow: bool = False) -> Path:
    """A folder with a wheel for each package; ``is_slow`` lets the test of torch take minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = standard_stack(BUILD)
    for package, module in stack.modules.items():
        if package == without:
            continue
        files = TORCH if package == "torch" else _files_of(module)
        if package == "torch" and is_slow:
            files = files | {"torch/__init__.py": SLOW + files["torch/__init__.py"]}
        _write(folder, package, _version(package, (*stack.constraints, *stack.requirements)), files)
    return folder


def _files_of(module: str) -> dict[str, str]:
    top, _, inner = module.partition(".")
    return {f"{top}/__init__.py": ""} | ({f"{top}/{inner}.py": ""} if inner else {})


def _version(package: str, lines: tuple[str, ...]) -> str:
    """The one that is pinned, or the oldest that will do."""
    found = [re.fullmatch(rf"{package}([=>]=)([^\s;,]+).*", line, re.IGNORECASE) for line in lines]
    exact = [match.group(2) for match in found if match and match.group(1) == "=="]
    oldest = [match.group(2) for match in found if match]
    return max(exact, key=len) if exact else oldest[0]


def _write(folder: Path, package: str, version: str, files: dict[str, str]) -> None:
    name = f"{re.sub(r'[-.]+', '_', package)}-{version}"
    info = f"{name}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()

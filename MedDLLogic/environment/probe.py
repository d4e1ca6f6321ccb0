"""Run as a file: tells what a Python is, which packages it has, and whether torch computes on a device.

Its one argument is a JSON object: ``folder`` to put first on ``sys.path`` or empty, ``modules`` (package -> module),
``device`` to compute on or empty. The answer is the line that begins with ``MEDDL-PROBE``. It knows nothing of MedDL and
runs on whatever Python 3.6 or newer the user points to.
"""

import json
import platform
import sys
import time
from typing import Any

MARK = "MEDDL-PROBE "


def probe(request: Any) -> Any:
    """What was found, as a JSON object."""
    folder = request["folder"]
    if folder:
        sys.path.insert(0, folder)
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {},
        "missing": {},
        "elsewhere": [],
        "device": "",
        "device_problem": "",
        "seconds": {},
    }
    for package, module in request["modules"].items():
        _import(package, module, folder, found)
    if request["device"] and "torch" in found["versions"]:
        _compute(request["device"], found)
    return found


def _import(package: str, module: str, folder: str, found: Any) -> None:
    began_s = time.time()
    try:
        __import__(module)
    except Exception as exc:  # noqa: BLE001 - whatever a broken package raises is the answer
        found["missing"][package] = f"{type(exc).__name__}: {exc}"
        return
    found["seconds"][package] = round(time.time() - began_s, 2)
    top = sys.modules[module.split(".", maxsplit=1)[0]]
    found["versions"][package] = _version(package, top)
    if folder and not (getattr(top, "__file__", None) or "").startswith(folder):
        found["elsewhere"].append(package)


def _version(package: str, module: Any) -> str:
    try:
        from importlib.metadata import version

        return version(package)
    except Exception:  # noqa: BLE001 - an old Python, or a package without metadata
        return str(getattr(module, "__version__", ""))


def _compute(device: str, found: Any) -> None:
    import torch

    try:
        if device == "auto":
            device = _best_device(torch)
        _convolve(torch, device)
        found["device"] = device
    except Exception as exc:  # noqa: BLE001 - drivers raise what they like
        found["device_problem"] = f"{type(exc).__name__}: {exc}"


def _best_device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _convolve(torch: Any, device: str) -> None:
    if device == "cuda":
        _require_card(torch)
    ones = torch.ones(1, 1, 8, 8, 8, device=device)
    value = float(torch.nn.functional.conv3d(ones, torch.ones(1, 1, 3, 3, 3, device=device))[0, 0, 0, 0, 0])
    if abs(value - 27) > 0.01:
        raise RuntimeError(f"a convolution gave {value:g} instead of 27")


def _require_card(torch: Any) -> None:
    if not torch.cuda.is_available():
        raise RuntimeError("torch sees no CUDA device")
    major, minor = torch.cuda.get_device_capability()
    codes = torch.cuda.get_arch_list()
    known = [f"sm_{major}{lower}" for lower in range(minor + 1)] + [f"compute_{major}{minor}"]
    if not any(code in codes for code in known):
        raise RuntimeError(f"torch has no machine code for compute capability {major}.{minor}")


if __name__ == "__main__":
    answer = probe(json.loads(sys.argv[1]))
    sys.stdout.write("\n" + MARK + json.dumps(answer) + "\n")
    sys.stdout.flush()

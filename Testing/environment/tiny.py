"""A stack of tiny packages in real wheels, a package index of files, and the child that installs them."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MedDLLogic.environment.builds import TorchBuild
from MedDLLogic.environment.folder import EnvironmentState, environment_state
from MedDLLogic.environment.machine import platform_name
from MedDLLogic.environment.stack import Stack
from MedDLLogic.events import Event
from MedDLLogic.records import parse_json, to_json_text

LIMIT_S = 120
VERSION = "0.0.7"

# As much of torch as the test of an environment touches, for a processor alone.
TORCH = """
class _Tensor(float):
    def __getitem__(self, _):
        return self

class nn:
    class functional:
        def conv3d(_image, _kernel):
            return _Tensor(27.0)

class cuda:
    def is_available():
        return False

class backends:
    class mps:
        def is_available():
            return False

def ones(*_shape, device="cpu"):
    if device != "cpu":
        raise RuntimeError("the driver is too old")
    return _Tensor(1.0)
"""


def make_wheel(folder: Path, name: str, files: Mapping[str, str | bytes], version: str = VERSION) -> Path:
    """A wheel of that content for every Python and system."""
    info = f"{name}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content = {n: t if isinstance(t, bytes) else t.encode() for n, t in {**files, **metadata}.items()}
    record = "".join(f"{n},sha256={_digest(data)},{len(data)}\n" for n, data in content.items())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name_inside, data in content.items():
            archive.writestr(name_inside, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def make_wheelhouse(folder: Path, *, torch: str = TORCH, extra: Mapping[str, str | bytes] | None = None) -> Path:
    """A folder with wheels of torch and of ``helping``; ``extra`` files go into the latter."""
    make_wheel(folder, "torch", {"torch/__init__.py": torch, "torch/big.bin": bytes(1_100_000)})
    make_wheel(folder, "helping", {"helping/__init__.py": "answer = 42\n", **(extra or {})})
    return folder


def make_index(wheelhouse: Path, folder: Path) -> str:
    """Address of a package index of files that holds the same wheels."""
    for wheel in wheelhouse.glob("*.whl"):
        page = folder / wheel.name.split("-")[0] / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        page.write_text(f'<html><a href="{wheel.as_uri()}#sha256={digest}">{wheel.name}</a></html>')
    return folder.as_uri()


def tiny_stack(device: str = "cpu", **build: object) -> Stack:
    """torch and ``helping`` of the version that ``make_wheel`` makes."""
    own = TorchBuild("tiny", "Tiny", (platform_name(),), f"torch=={VERSION}", device, 1_200_000, 1_500_000)  # type: ignore[arg-type]
    return Stack(
        replace(own, **build),
        (own.requirement, "helping"),
        (f"helping=={VERSION}",),
        {"torch": "torch", "helping": "helping"},
    )


@dataclass(frozen=True)
class Told:
    """What a child told: its events, its log, its exit status."""

    events: tuple[Event, ...]
    log: str
    status: int

    @property
    def end(self) -> Event:
        return self.events[-1]

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(event.stage for event in self.events if event.kind == "progress"))


def command(home: Path, *arguments: str, stack: Stack | None = None) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of the child that works below ``home``."""
    own = []
    if stack is not None:
        file = home.parent / f"{home.name}-stack.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(to_json_text(stack))
        own = ["--stack", str(file)]
    root = str(Path(__file__).resolve().parents[2])
    variables = os.environ | {"MEDDL_HOME": str(home), "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
    return [sys.executable, "-m", "MedDLLogic.environment", *arguments, *own], variables


def run(home: Path, *arguments: str, stack: Stack | None = None) -> Told:
    """Run the child to its end."""
    argv, variables = command(home, *arguments, stack=stack)
    with subprocess.Popen(
        argv, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        out = child.stdout.read()  # its input stays open until it ends: the end of it would cancel
        log = child.stderr.read().decode()
        child.wait(LIMIT_S)
    return Told(events_in(out.decode().splitlines()), log, child.returncode)


def events_in(lines: Sequence[str]) -> tuple[Event, ...]:
    """The events that the lines hold."""
    return tuple(parse_json(Event, line) for line in lines)  # type: ignore[arg-type]


def state_in(home: Path, stack: Stack | None = None) -> EnvironmentState:
    """State of the environment below ``home`` where that stack is what would be installed."""
    return environment_state(base=home / "data" / "environments", stack_of=lambda name: stack or tiny_stack())


def tree(folder: Path) -> dict[str, str]:
    """Relative path -> hash of every file below a folder, lock and what Python compiled aside."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "lock" and p.suffix != ".pyc"]
    return {str(path.relative_to(folder)): _digest(path.read_bytes()) for path in files}


def environments(home: Path) -> list[str]:
    """Names of what lies beside the pointer."""
    base = home / "data" / "environments"
    return sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

"""What pip would install on each platform that MedDL supports, found without installing anything."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
PYTHONS = ("3.11", "3.12")
CUDA = ("nvidia-", "cuda-", "triton")
TIME_LIMIT_S = 300


@dataclass(frozen=True)
class Platform:
    """A platform as pip sees it: the tags of its wheels and the values of its environment markers."""

    name: str
    tags: tuple[str, ...]
    markers: dict[str, str] = field(hash=False)


PLATFORMS = (
    Platform(
        "linux-x86_64",
        # pip takes these literally: a wheel for an older glibc needs its own tag.
        (*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)), "manylinux2014_x86_64", "linux_x86_64"),
        {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    ),
    Platform(
        "windows-amd64",
        ("win_amd64",),
        {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"},
    ),
    Platform(
        "macos-arm64",
        ("macosx_14_0_arm64",),
        {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    ),
)


def requirements(*extras: str) -> list[str]:
    """The requirements of MedDL with these extras, as pyproject.toml states them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = f"{project['name']}["
    lines = [*project["dependencies"], *(line for extra in extras for line in _extra(project, extra, own))]
    return list(dict.fromkeys(lines))


def pins(platform: Platform, python: str) -> dict[str, str]:
    """Name -> version of the constraints that hold on that platform and Python."""
    environment = _markers(platform, python)
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in all_pins()
        if pin.marker is None or _holds(pin.marker, environment)
    }


def all_pins() -> list[Requirement]:
    """The lines of constraints.txt."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def resolve(platform: Platform, python: str, wanted: list[str]) -> dict[str, str]:
    """Name -> version of all that pip would install there, from wheels alone; local versions are dropped.

    Raises
    ------
    RuntimeError : with pip's own words when it finds no solution.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        markers = Path(folder, "markers.json")
        markers.write_text(json.dumps(_markers(platform, python)), encoding="utf-8")
        pip = [sys.executable, str(Path(__file__).with_name("foreign_pip.py")), str(markers)]
        tags = [argument for tag in platform.tags for argument in ("--platform", tag)]
        options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--target", folder, "--quiet"]
        command = [*pip, "install", *options, "--python-version", python, *tags, "--report", str(report)]
        run = subprocess.run(
            [*command, "-c", str(CONSTRAINTS), *wanted],
            capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False,
        )  # fmt: skip
        if run.returncode:
            raise RuntimeError("\n".join(line for line in run.stderr.splitlines() if line.startswith("ERROR")))
        return _installed(json.loads(report.read_text(encoding="utf-8")))


def unused_pins(platform: Platform, python: str, installed: dict[str, str]) -> set[str]:
    """Pins that hold there and pip did not need; CUDA's may be unused where the index prefers a CPU build of torch."""
    unused = set(pins(platform, python)) - set(installed)
    return unused if "triton" in installed else {name for name in unused if not name.startswith(CUDA)}


def _extra(project: dict, extra: str, own: str) -> list[str]:
    lines = []
    for line in project["optional-dependencies"][extra]:
        nested = line.startswith(own)
        lines += _extra(project, line.removeprefix(own).removesuffix("]"), own) if nested else [line]
    return lines


def _installed(report: dict) -> dict[str, str]:
    packages = [item["metadata"] for item in report["install"]]
    return {canonicalize_name(p["name"]): p["version"].partition("+")[0] for p in packages}


def _markers(platform: Platform, python: str) -> dict[str, str]:
    return {**platform.markers, "python_version": python, "python_full_version": f"{python}.9"}


def _holds(marker: Marker, environment: dict[str, str]) -> bool:
    return marker.evaluate(environment)

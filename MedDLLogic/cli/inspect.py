"""``meddl check``, ``meddl info`` and ``meddl storage``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from ..errors import MedDLError
from ..geometry import PATIENT, Geometry
from ..inference.device import device_names
from ..io.read import check
from ..io.verdict import Verdict
from ..jobs.cases import images_at
from ..storage import list_storage, remove_storage
from ..tasks.segment import versions
from .models import confirm
from .terminal import Terminal, size_text

_WORDS = {"accept": "fine", "warn": "usable, with warnings", "refuse": "refused"}


def run_check(terminal: Terminal, paths: list[Path], series: str) -> int:
    """Show a verdict an image, each as soon as it is there; exit status 3 when one is refused.

    A folder stands for the images that ``meddl segment`` would find in it.
    """
    is_refused = False
    for path in (image for given in paths for image in images_at(given)):
        verdict = check(path, series)
        is_refused |= verdict.outcome == "refuse"
        terminal.data(_verdict_data(path, verdict))
        _say_verdict(terminal, path, verdict)
    return MedDLError("E301", "").exit_status if is_refused else 0


def _say_verdict(terminal: Terminal, path: Path, verdict: Verdict) -> None:
    terminal.say(f"{path.name or path}: {_WORDS[verdict.outcome]}")
    for name, value in {**verdict.facts, **_geometry_facts(verdict.geometry)}.items():
        terminal.say(f"  {name:<12} {value}")
    for finding in verdict.findings:
        terminal.say(f"  {finding.code:<12} {finding.severity}: {finding.message}")


def run_info(terminal: Terminal) -> None:
    """Show versions, devices and folders."""
    facts = versions() | {"platform": platform.platform(), "devices": ", ".join(_devices())}
    terminal.table("", ["", "version"], list(facts.items()))
    folders = {str(folder.path): folder.purpose for folder in list_storage()}
    terminal.data({"versions": versions(), "devices": _devices(), "folders": folders})
    for path, purpose in folders.items():
        terminal.say(f"{path}  {purpose}")


def run_storage(terminal: Terminal, remove: list[str], *, is_confirmed: bool) -> None:
    """Show the folders that MedDL wrote to, or remove those that are named."""
    stored = list_storage()
    if remove:
        chosen = [folder.path for folder in stored if "all" in remove or str(folder.path) in remove]
        unknown = set(remove) - {"all", *(str(path) for path in chosen)}
        if unknown:
            raise MedDLError("E101", "no such folder", f"{len(unknown)} not on the list", "see: meddl storage")
        confirm(terminal, f"Remove {len(chosen)} folder(s)?", is_confirmed=is_confirmed)
        freed = remove_storage(chosen)
        terminal.say(f"{size_text(freed)} removed.")
        terminal.data({"removed_bytes": freed})
        return
    rows = [[str(folder.path), folder.purpose, size_text(folder.size_bytes)] for folder in stored]
    terminal.table("", ["folder", "what for", "size"], rows)
    terminal.data([{"path": str(f.path), "purpose": f.purpose, "size_bytes": f.size_bytes} for f in stored])
    terminal.say("Remove with: meddl storage --remove FOLDER, or --remove all")


def _devices() -> list[str]:
    try:
        return list(device_names())
    except ModuleNotFoundError:
        return ["torch is not installed"]


def _geometry_facts(geometry: Geometry | None) -> dict[str, str]:
    if geometry is None:
        return {}
    k, j, i = geometry.shape_kji
    if geometry.frame != PATIENT:
        return {"size": f"{i} x {j} x {k} (i, j, k)", "place": "not known, so no task that needs millimetres takes it"}
    spacing = " x ".join(f"{mm:.4g}" for mm in geometry.spacing_ijk_mm)
    origin = ", ".join(f"{mm:.5g}" for mm in geometry.origin_lps_mm)
    return {
        "size": f"{i} x {j} x {k} (i, j, k)",
        "spacing": f"{spacing} mm",
        "axes": f"i, j, k grow towards {', '.join(geometry.orientation)}{_tilt(geometry)}",
        "origin": f"{origin} mm (LPS)",
    }


def _tilt(geometry: Geometry) -> str:
    """How far the grid is turned against the patient, in words; nothing for a straight one."""
    degrees = geometry.oblique_degrees
    return f", oblique by up to {degrees:.0f} degrees" if degrees >= 0.5 else ""


def _verdict_data(path: Path, verdict: Verdict) -> dict[str, Any]:
    geometry = verdict.geometry
    grid = None
    if geometry is not None:
        grid = {
            "shape_kji": list(geometry.shape_kji),
            "ijk_to_lps": geometry.ijk_to_lps.tolist(),
            "spacing_ijk_mm": list(geometry.spacing_ijk_mm),
            "orientation": geometry.orientation,
            "frame": geometry.frame,
        }
    findings = [{"code": f.code, "severity": f.severity, "message": f.message} for f in verdict.findings]
    return {
        "path": str(path),
        "verdict": verdict.outcome,
        "findings": findings,
        "geometry": grid,
        "facts": dict(verdict.facts),
    }

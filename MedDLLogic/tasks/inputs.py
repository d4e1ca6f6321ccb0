"""A job's images: read, brought onto one grid, cut to the region of interest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import MedDLError
from ..events import Reporter
from ..geometry import Geometry
from ..image import Image, Voxels
from ..io.read import read_grid, read_image
from ..io.verdict import Finding
from ..job import InputRef, Job
from ..preprocess.grid import regrid
from .region import grid_inside


@dataclass(frozen=True)
class TaskInputs:
    """Images of a job, all on one grid.

    Parameters
    ----------
    images : role -> image on ``grid``, in the model's order of roles.
    first : the first of them as it came; results must lie on its grid.
    world : the same voxels where they lie in the world, under the scene's linear transform.
    grid : ``world``, or the part of it inside the region of interest.
    sha256 : role -> hash of voxels and grid as they came.
    findings : what the readers warned of, and what was done to bring the images together.
    """

    images: Mapping[str, Image]
    first: Image
    world: Geometry
    grid: Geometry
    sha256: Mapping[str, str]
    findings: tuple[Finding, ...] = ()

    def to_native(self, voxels: Voxels) -> Voxels:
        """(k, j, i) voxels on ``grid`` as voxels of the first image's own grid: an exact copy, zero outside the region.

        Without a region they are returned themselves.
        """
        return voxels if self.grid == self.world else regrid(voxels, self.grid, self.world, "nearest")


def load_inputs(
    job: Job, reporter: Reporter, in_memory: Mapping[str, Image] | None = None, roles: Sequence[str] = ()
) -> TaskInputs:
    """The job's images on the first one's grid.

    Parameters
    ----------
    in_memory : images that inputs name by handle.
    roles : the model's, in order; the first names the image on whose grid results lie, in whatever
        order the job has them. Without a model it is the job's order that counts.

    Raises
    ------
    MedDLError : E3xx from the readers, E102 for a region without a voxel, E330 for one on a picture
        without millimetres, E331 when images do not belong together.
    """
    findings: list[Finding] = []
    own: dict[str, Image] = {}
    in_order = _in_order(job, roles)
    for number, role in enumerate(in_order):
        own[role] = _load(job.inputs[role], job, in_memory or {}, findings)
        reporter.update((number + 1) / (len(in_order) + 1))
    placed = {role: _in_world(image, job.inputs[role]) for role, image in own.items()}
    first = next(iter(placed.values()))
    grid = grid_inside(first.geometry, job.roi)
    for role, image in placed.items():
        findings.extend(_frame_findings(role, image, first, job.allow_other_frame))
    merged = {role: _on_grid(role, image, first.geometry, grid, findings) for role, image in placed.items()}
    for finding in findings:
        reporter.warn(finding.code, finding.message)
    hashes = {role: image_sha256(image) for role, image in own.items()}
    return TaskInputs(merged, next(iter(own.values())), first.geometry, grid, hashes, tuple(findings))


def first_grid(job: Job, in_memory: Mapping[str, Image], roles: Sequence[str]) -> Geometry:
    """The grid of the first image in the world, of its header alone where the format has one.

    Raises
    ------
    MedDLError : E3xx from the readers, as far as the header shows them.
    """
    ref = job.inputs[_in_order(job, roles)[0]]
    grid = _handed_over(ref, in_memory).geometry if ref.handle else read_grid(ref.path, ref.series)
    return grid if ref.lps_to_world is None else grid.transformed(np.asarray(ref.lps_to_world))


def image_sha256(image: Image) -> str:
    """SHA-256, in hex, of voxel type, voxels and grid."""
    digest = hashlib.sha256(str(image.voxels.dtype).encode())
    digest.update(np.ascontiguousarray(image.voxels).data)
    digest.update(repr(image.geometry.shape_kji).encode() + image.geometry.ijk_to_lps.tobytes())
    return digest.hexdigest()


def _load(ref: InputRef, job: Job, in_memory: Mapping[str, Image], findings: list[Finding]) -> Image:
    if ref.handle:
        return _finite(_handed_over(ref, in_memory), job.nan_fill, findings)
    read = read_image(ref.path, ref.series, nan_fill=job.nan_fill)
    findings.extend(read.warnings)
    return read.image


def _handed_over(ref: InputRef, in_memory: Mapping[str, Image]) -> Image:
    if ref.handle not in in_memory:
        raise MedDLError("E301", "image was not handed over", ref.handle[:12])
    return in_memory[ref.handle]


def _in_order(job: Job, roles: Sequence[str]) -> list[str]:
    """The job's roles, the model's first, in its order."""
    return [*(role for role in roles if role in job.inputs), *(role for role in job.inputs if role not in roles)]


def _finite(image: Image, nan_fill: float | None, findings: list[Finding]) -> Image:
    if image.voxels.dtype.kind != "f":
        return image
    bad = ~np.isfinite(image.voxels)
    count = int(np.count_nonzero(bad))
    if not count:
        return image
    if nan_fill is None:
        raise MedDLError("E309", "voxels are not finite numbers", f"{count} NaN or infinite", "give a fill value")
    findings.append(Finding("E309", "warning", f"{count} NaN or infinite voxels set to {nan_fill:g}"))
    return image.with_voxels(np.where(bad, image.voxels.dtype.type(nan_fill), image.voxels))


def _in_world(image: Image, ref: InputRef) -> Image:
    if ref.lps_to_world is None:
        return image
    return image.with_voxels(image.voxels, image.geometry.transformed(np.asarray(ref.lps_to_world)))


def _frame_findings(role: str, image: Image, first: Image, allow_other: bool) -> list[Finding]:
    if image.geometry.frame != first.geometry.frame:
        raise MedDLError("E331", f"channel {role}", "one image lies in the patient, the other nowhere")
    known = bool(image.frame_of_reference and first.frame_of_reference)
    if not known or image.frame_of_reference == first.frame_of_reference:
        return []
    if not allow_other:
        hint = "register them first, or allow other frames of reference"
        raise MedDLError("E331", f"channel {role}", "from another frame of reference", hint)
    return [Finding("E331", "warning", f"channel {role} comes from another frame of reference, as allowed")]


def _on_grid(role: str, image: Image, first: Geometry, grid: Geometry, findings: list[Finding]) -> Image:
    if not image.geometry.is_same_grid(first):
        covered = regrid(np.ones(image.geometry.shape_kji, dtype=bool), image.geometry, first, "nearest")
        share = float(np.mean(covered))
        if share == 0:
            raise MedDLError("E331", f"channel {role}", "does not overlap the first image")
        text = f"channel {role} resampled onto the first image's grid, of which it covers {share:.0%}"
        findings.append(Finding("E331", "warning", text))
    if image.geometry == grid:
        return image
    voxels = image.voxels if image.geometry.is_same_grid(grid) else regrid(image.voxels, image.geometry, grid)
    return image.with_voxels(voxels, grid)

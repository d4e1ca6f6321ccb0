"""Steps that look at a voxel's surroundings: library filters, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter
from skimage.exposure import equalize_adapthist

from ..errors import MedDLError
from ..geometry import Geometry, require_millimetres
from ..image import Voxels
from ..recipe import BiasField, Clahe, CurvatureDiffusion, Gaussian, Median, Sharpen
from .working import Found, Mask, StepFunction, Working

_MIN_TILE = 8  # voxels; a smaller histogram says nothing
_MIN_N4_SIZE = 2  # voxels left along each axis; N4 fits nothing to a single one


def gaussian(step: Gaussian, working: Working) -> tuple[Working, Found]:
    """Smooth with a Gaussian."""
    sigma_kji = _sigma_kji(step.sigma_mm, working.geometry)
    return _each(working, lambda volume: _smoothed(volume, sigma_kji)), {"sigma_kji_voxels": list(sigma_kji)}


def sharpen(step: Sharpen, working: Working) -> tuple[Working, Found]:
    """Add the difference to a smoothed copy (unsharp mask)."""
    sigma_kji = _sigma_kji(step.sigma_mm, working.geometry)
    amount = np.float32(step.amount)
    sharpened = _each(working, lambda volume: volume + amount * (volume - _smoothed(volume, sigma_kji)))
    return sharpened, {"sigma_kji_voxels": list(sigma_kji)}


def median(step: Median, working: Working) -> tuple[Working, Found]:
    """Replace each voxel by the median around it; the border is continued outwards."""
    radius = [step.radius_voxels] * 3
    return _each(
        working, lambda volume: sitk.GetArrayFromImage(sitk.Median(sitk.GetImageFromArray(volume), radius))
    ), {}


def curvature_diffusion(step: CurvatureDiffusion, working: Working) -> tuple[Working, Found]:
    """Smooth within tissue and keep its edges, by steps in time no longer than the spacing allows."""
    spacing = working.geometry.spacing_ijk_mm
    time_step = min(step.time_step, _longest_stable_time_step(spacing))

    def diffused(volume: Voxels) -> Voxels:
        image = sitk.GetImageFromArray(volume)
        image.SetSpacing(spacing)
        smooth = sitk.CurvatureAnisotropicDiffusion(image, time_step, step.conductance, 1, step.iterations)
        return sitk.GetArrayFromImage(smooth)

    return _each(working, diffused), {"time_step": time_step}


def clahe(step: Clahe, working: Working) -> tuple[Working, Found]:
    """Even out local contrast; result 0 .. 1, a channel of one value becomes 0."""
    tile_kji = [min(n, max(_MIN_TILE, -(-n // step.tiles))) for n in working.geometry.shape_kji]

    def equalized(volume: Voxels) -> Voxels:
        low, high = float(volume.min()), float(volume.max())
        if low == high:
            return np.zeros_like(volume)
        flat = np.squeeze((volume - np.float32(low)) / np.float32(high - low))
        tile = [size for size, n in zip(tile_kji, volume.shape, strict=True) if n > 1]
        return np.asarray(equalize_adapthist(flat, tile, step.clip_limit), dtype=np.float32).reshape(volume.shape)

    return _each(working, equalized), {"tile_kji": tile_kji}


def bias_field(step: BiasField, working: Working) -> tuple[Working, Found]:
    """Divide by the slow brightness change that N4 finds in a mask, or in the voxels above 0."""
    factors: list[list[float]] = []

    def corrected(volume: Voxels) -> Voxels:
        mask = working.mask(step.mask) if step.mask else volume > 0
        field = _n4_field(volume, mask, step)
        factors.append([float(field.min()), float(field.max())])
        return volume / field

    return _each(working, corrected), {"bias_range": factors}


def _n4_field(volume: Voxels, mask: Mask, step: BiasField) -> Voxels:
    """(k, j, i) factor by which N4 finds each voxel too bright; a single plane is taken as 2-D."""
    if np.squeeze(volume).ndim < 2:
        raise MedDLError("E103", "n4 needs an image of two or three dimensions", f"k, j, i = {volume.shape}")
    image = sitk.GetImageFromArray(np.squeeze(volume))
    shrink = [min(step.shrink, size // _MIN_N4_SIZE) for size in image.GetSize()]
    small_mask = sitk.Shrink(sitk.GetImageFromArray(np.squeeze(mask).astype(np.uint8)), shrink)
    if not sitk.GetArrayViewFromImage(small_mask).any():
        raise MedDLError("E607", "nothing found to estimate the bias field in", "the mask is empty or too small")
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(list(step.iterations))
    corrector.Execute(sitk.Shrink(image, shrink), small_mask)
    log_field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image))
    with np.errstate(over="ignore"):
        field = np.exp(log_field)
    if not np.isfinite(field).all():
        raise MedDLError("E103", "n4 found no finite bias field", "", "check the image's intensities and the mask")
    return np.asarray(field, dtype=np.float32).reshape(volume.shape)


def _longest_stable_time_step(spacing_ijk_mm: tuple[float, float, float]) -> float:
    """ITK's own bound for explicit diffusion in three dimensions, above which it only warns."""
    return min(spacing_ijk_mm) / 2**4


def _sigma_kji(sigma_mm: float, geometry: Geometry) -> tuple[float, ...]:
    require_millimetres(geometry)
    return tuple(sigma_mm / spacing for spacing in geometry.spacing_ijk_mm[::-1])


def _smoothed(volume: Voxels, sigma_kji: tuple[float, ...]) -> Voxels:
    return np.asarray(gaussian_filter(volume, sigma_kji, mode="nearest"))


def _each(working: Working, function: Callable[[Voxels], Voxels]) -> Working:
    return working.with_voxels(np.stack([function(volume) for volume in working.voxels]))


FILTER_STEPS: Mapping[type, StepFunction] = {
    BiasField: bias_field,
    Gaussian: gaussian,
    Median: median,
    CurvatureDiffusion: curvature_diffusion,
    Clahe: clahe,
    Sharpen: sharpen,
}

"""Preprocessing and postprocessing steps as data; ``preprocess`` and ``postprocess`` carry them out.

Every spatial step chooses a new *grid* and never moves the anatomy: a result on the last grid goes
back to the first by one resampling, which is an exact copy where the steps only re-ordered,
cropped or padded. Lengths are in mm where the name says so, else in voxels of the working grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from .errors import MedDLError

Interpolation = Literal["nearest", "linear", "cubic"]
FOREGROUND = "foreground"


def _require(condition: bool, what: str, why: str) -> None:
    if not condition:
        raise MedDLError("E103", what, why)


# -- spatial steps ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Orient:
    """Re-order and flip axes so that i, j, k grow towards ``codes``, such as ``"RAS"``; exact."""

    kind: ClassVar[str] = "orient"
    codes: str

    def __post_init__(self) -> None:
        pairs = {"R": 0, "L": 0, "A": 1, "P": 1, "I": 2, "S": 2}
        worlds = {pairs.get(letter) for letter in self.codes}
        _require(len(self.codes) == 3 and worlds == {0, 1, 2}, "orientation", "one each of R/L, A/P, I/S, as in RAS")


@dataclass(frozen=True)
class ResampleToSpacing:
    """The same box at another spacing; the size is rounded to whole voxels."""

    kind: ClassVar[str] = "resample_to_spacing"
    spacing_ijk_mm: tuple[float, float, float]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        _require(min(self.spacing_ijk_mm) > 0, "spacing_ijk_mm", "three positive numbers")


@dataclass(frozen=True)
class ResampleToShape:
    """The same box in a fixed number of voxels."""

    kind: ClassVar[str] = "resample_to_shape"
    shape_kji: tuple[int, int, int]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        _require(1 <= min(self.shape_kji) and max(self.shape_kji) <= 2048, "shape_kji", "three numbers 1 to 2048")


@dataclass(frozen=True)
class CropToMask:
    """Crop to the box around a mask, widened on each side by ``margin_fraction`` of its length and ``margin_mm``.

    A plane belongs to the box when more than ``min_plane_fraction`` of it is mask.
    """

    kind: ClassVar[str] = "crop_to_mask"
    mask: str = FOREGROUND
    margin_fraction: float = 0.0
    margin_mm: float = 0.0
    min_plane_fraction: float = 0.0

    def __post_init__(self) -> None:
        _require(0 <= self.margin_fraction <= 5 and self.margin_mm >= 0, "margin", "not negative, fraction up to 5")
        _require(0 <= self.min_plane_fraction < 1, "min_plane_fraction", "0 up to 1")


@dataclass(frozen=True)
class CropToBox:
    """Crop to voxels ``start_kji`` to ``start_kji + shape_kji`` of the working grid; outside of it is padding."""

    kind: ClassVar[str] = "crop_to_box"
    start_kji: tuple[int, int, int]
    shape_kji: tuple[int, int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        _require(1 <= min(self.shape_kji) and max(self.shape_kji) <= 4096, "shape_kji", "three numbers 1 to 4096")


@dataclass(frozen=True)
class Pad:
    """Pad, evenly on both sides, to at least ``min_shape_kji`` and to whole multiples of ``multiple``."""

    kind: ClassVar[str] = "pad"
    min_shape_kji: tuple[int, int, int] = (1, 1, 1)
    multiple: int = 1
    fill: float = 0.0

    def __post_init__(self) -> None:
        _require(1 <= min(self.min_shape_kji) and max(self.min_shape_kji) <= 4096, "min_shape_kji", "1 to 4096")
        _require(1 <= self.multiple <= 1024, "multiple", "1 to 1024")


@dataclass(frozen=True)
class Flip:
    """Let the named axes of the array run the other way; the grid follows, the anatomy stays."""

    kind: ClassVar[str] = "flip"
    axes: tuple[Literal["i", "j", "k"], ...]

    def __post_init__(self) -> None:
        _require(0 < len(self.axes) == len(set(self.axes)), "axes", "i, j, k, each at most once")


@dataclass(frozen=True)
class Rotate:
    """Turn the grid about its centre by degrees around its own i, j and k axes; the anatomy stays."""

    kind: ClassVar[str] = "rotate"
    degrees_ijk: tuple[float, float, float]
    interpolation: Interpolation = "linear"
    fill: float = 0.0


# -- masks -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreground:
    """Make a mask: voxels of any channel above ``above``; Otsu's threshold when None."""

    kind: ClassVar[str] = "foreground"
    above: float | None = 0.0
    name: str = FOREGROUND


@dataclass(frozen=True)
class ApplyMask:
    """Set voxels outside a mask to ``outside``."""

    kind: ClassVar[str] = "apply_mask"
    mask: str = FOREGROUND
    outside: float = 0.0


# -- intensity steps -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Clip to ``low`` .. ``high`` (in the image's units, HU for CT) and scale to 0 .. 1."""

    kind: ClassVar[str] = "window"
    low: float
    high: float

    def __post_init__(self) -> None:
        _require(self.low < self.high, "window", "low must lie below high")


@dataclass(frozen=True)
class Percentile:
    """Clip each channel to two of its percentiles and scale to 0 .. 1."""

    kind: ClassVar[str] = "percentile"
    low: float = 0.5
    high: float = 99.5
    mask: str = ""

    def __post_init__(self) -> None:
        _require(0 <= self.low < self.high <= 100, "percentile", "0 <= low < high <= 100")


@dataclass(frozen=True)
class ZScore:
    """Subtract each channel's mean and divide by its standard deviation, measured in ``mask`` if named."""

    kind: ClassVar[str] = "zscore"
    mask: str = ""


@dataclass(frozen=True)
class MinMax:
    """Scale each channel's minimum to 0 and maximum to 1, measured in ``mask`` if named; outside it 0."""

    kind: ClassVar[str] = "minmax"
    mask: str = ""


@dataclass(frozen=True)
class Linear:
    """Multiply by ``scale`` and add ``shift``."""

    kind: ClassVar[str] = "linear"
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class SuppressBright:
    """Set voxels far above the brightest tissue peak to 0 (vessels, scalp left by brain extraction).

    The peak is the last one of the histogram of voxels above 0 that stands out by a tenth of its
    height; a voxel goes when it lies ``deviations`` standard deviations above the mean of the
    values within half to one and a half times that peak.
    """

    kind: ClassVar[str] = "suppress_bright"
    deviations: float = 3.0
    bins: int = 2048

    def __post_init__(self) -> None:
        _require(self.deviations > 0 and 16 <= self.bins <= 65536, "suppress_bright", "deviations > 0, bins 16 to 65536")


@dataclass(frozen=True)
class BiasField:
    """Even out slow brightness changes of MR coils (N4), estimated on a grid ``shrink`` times coarser."""

    kind: ClassVar[str] = "n4"
    shrink: int = 4
    iterations: tuple[int, ...] = (50, 50, 50, 50)
    mask: str = ""

    def __post_init__(self) -> None:
        _require(1 <= self.shrink <= 8, "shrink", "1 to 8")
        _require(0 < len(self.iterations) <= 8 and min(self.iterations) > 0, "iterations", "1 to 8 positive numbers")


@dataclass(frozen=True)
class Gaussian:
    """Smooth with a Gaussian of that standard deviation."""

    kind: ClassVar[str] = "gaussian"
    sigma_mm: float

    def __post_init__(self) -> None:
        _require(0 < self.sigma_mm <= 100, "sigma_mm", "above 0, up to 100")


@dataclass(frozen=True)
class Median:
    """Replace each voxel by the median of the box of ``radius_voxels`` around it."""

    kind: ClassVar[str] = "median"
    radius_voxels: int = 1

    def __post_init__(self) -> None:
        _require(1 <= self.radius_voxels <= 5, "radius_voxels", "1 to 5")


@dataclass(frozen=True)
class CurvatureDiffusion:
    """Smooth within tissue and keep its edges (curvature anisotropic diffusion)."""

    kind: ClassVar[str] = "curvature_diffusion"
    iterations: int = 5
    conductance: float = 1.0
    time_step: float = 0.0625

    def __post_init__(self) -> None:
        _require(1 <= self.iterations <= 200 and self.conductance > 0, "curvature_diffusion", "1 to 200 iterations")
        _require(0 < self.time_step <= 0.0625, "time_step", "above 0, up to 0.0625 (stable in 3-D)")


@dataclass(frozen=True)
class Clahe:
    """Even out local contrast (contrast-limited adaptive histogram equalisation); result 0 .. 1."""

    kind: ClassVar[str] = "clahe"
    clip_limit: float = 0.01
    tiles: int = 8

    def __post_init__(self) -> None:
        _require(0 < self.clip_limit <= 1 and 1 <= self.tiles <= 64, "clahe", "clip_limit 0 to 1, tiles 1 to 64")


@dataclass(frozen=True)
class Sharpen:
    """Add ``amount`` times the difference to a Gaussian of ``sigma_mm`` (unsharp mask)."""

    kind: ClassVar[str] = "sharpen"
    sigma_mm: float = 1.0
    amount: float = 0.5

    def __post_init__(self) -> None:
        _require(0 < self.sigma_mm <= 100 and 0 < self.amount <= 10, "sharpen", "sigma_mm > 0, amount 0 to 10")


Step = (
    Orient | ResampleToSpacing | ResampleToShape | CropToMask | CropToBox | Pad | Flip | Rotate
    | Foreground | ApplyMask
    | Window | Percentile | ZScore | MinMax | Linear | SuppressBright
    | BiasField | Gaussian | Median | CurvatureDiffusion | Clahe | Sharpen
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Steps in the order in which they are carried out."""

    steps: tuple[Step, ...]
    schema_version: Literal[1] = 1


# -- steps on finished masks, on the input's own grid ------------------------------------------------


@dataclass(frozen=True)
class LargestComponent:
    """Keep the largest connected piece of each segment (faces, edges and corners connect)."""

    kind: ClassVar[str] = "largest_component"
    segments: tuple[str, ...] = ()


@dataclass(frozen=True)
class FillHoles:
    """Fill cavities that do not reach the border of the volume."""

    kind: ClassVar[str] = "fill_holes"
    segments: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoveSmall:
    """Remove connected pieces smaller than ``min_volume_mm3``."""

    kind: ClassVar[str] = "remove_small"
    min_volume_mm3: float
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(self.min_volume_mm3 > 0, "min_volume_mm3", "above 0")


@dataclass(frozen=True)
class Smooth:
    """Smooth the outline with a Gaussian of ``sigma_mm``."""

    kind: ClassVar[str] = "smooth"
    sigma_mm: float
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(0 < self.sigma_mm <= 20, "sigma_mm", "above 0, up to 20")


PostStep = LargestComponent | FillHoles | RemoveSmall | Smooth

"""Preprocessing and postprocessing steps as data; ``preprocess`` and ``postprocess`` carry them out.

Every spatial step chooses a new *grid* and never moves the anatomy: a result on the last grid goes
back to the first by one resampling, which is an exact copy where the steps only re-ordered,
cropped or padded. Lengths are in mm where the name says so, else in voxels of the working grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from .errors import MedDLError
from .geometry import require_orientation

Interpolation = Literal["nearest", "linear", "cubic"]
FOREGROUND = "foreground"
MAX_VALUE = 1e30
"""Largest voxel value; beyond it, sums and squares leave float32."""


def _require(condition: bool, what: str, why: str) -> None:
    if not condition:
        raise MedDLError("E103", what, why)


def _require_within(what: str, low: float, high: float, *values: float) -> None:
    """Also refuses NaN, with which every comparison is False."""
    _require(all(low <= value <= high for value in values), what, f"{low:g} to {high:g}")


def _require_above_zero(what: str, high: float, *values: float) -> None:
    _require(all(0 < value <= high for value in values), what, f"above 0, up to {high:g}")


def _require_value(what: str, *values: float) -> None:
    _require_within(what, -MAX_VALUE, MAX_VALUE, *values)


def _require_three(what: str, low: float, high: float, values: tuple[float, ...]) -> None:
    _require(len(values) == 3 and all(low <= value <= high for value in values), what, f"three, {low:g} to {high:g}")


def _require_name(name: str) -> None:
    _require(0 < len(name.strip()) <= 64, "name of a mask", "1 to 64 characters")


# -- spatial steps ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Orient:
    """Re-order and flip axes so that i, j, k grow towards ``codes``, such as ``"RAS"``; exact."""

    kind: ClassVar[str] = "orient"
    codes: str

    def __post_init__(self) -> None:
        require_orientation(self.codes)


@dataclass(frozen=True)
class ResampleToSpacing:
    """Another spacing about the same centre, with the fewest voxels that cover the box."""

    kind: ClassVar[str] = "resample_to_spacing"
    spacing_ijk_mm: tuple[float, float, float]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        _require_three("spacing_ijk_mm", 0.001, 1000, self.spacing_ijk_mm)


@dataclass(frozen=True)
class ResampleToShape:
    """The same box in a fixed number of voxels."""

    kind: ClassVar[str] = "resample_to_shape"
    shape_kji: tuple[int, int, int]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        _require_three("shape_kji", 1, 2048, self.shape_kji)


@dataclass(frozen=True)
class CropToMask:
    """Crop to the box around a mask, widened on each side by ``margin_fraction`` of its length and ``margin_mm``.

    The box goes from the first to the last plane of which more than ``min_plane_fraction`` is mask;
    it is widened to whole voxels and ends where the grid ends.
    """

    kind: ClassVar[str] = "crop_to_mask"
    mask: str = FOREGROUND
    margin_fraction: float = 0.0
    margin_mm: float = 0.0
    min_plane_fraction: float = 0.0

    def __post_init__(self) -> None:
        _require_name(self.mask)
        _require_within("margin_fraction", 0, 5, self.margin_fraction)
        _require_within("margin_mm", 0, 1000, self.margin_mm)
        _require(0 <= self.min_plane_fraction < 1, "min_plane_fraction", "0 up to 1")


@dataclass(frozen=True)
class CropToBox:
    """Crop to voxels ``start_kji`` to ``start_kji + shape_kji`` of the working grid; outside of it is padding."""

    kind: ClassVar[str] = "crop_to_box"
    start_kji: tuple[int, int, int]
    shape_kji: tuple[int, int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        _require_three("start_kji", -65535, 65535, self.start_kji)
        _require_three("shape_kji", 1, 4096, self.shape_kji)
        _require_value("fill", self.fill)


@dataclass(frozen=True)
class Pad:
    """Pad, evenly on both sides, to at least ``min_shape_kji`` and to whole multiples of ``multiple``."""

    kind: ClassVar[str] = "pad"
    min_shape_kji: tuple[int, int, int] = (1, 1, 1)
    multiple: int = 1
    fill: float = 0.0

    def __post_init__(self) -> None:
        _require_three("min_shape_kji", 1, 4096, self.min_shape_kji)
        _require_within("multiple", 1, 1024, self.multiple)
        _require_value("fill", self.fill)


@dataclass(frozen=True)
class Flip:
    """Let the named axes of the array run the other way; the grid follows, the anatomy stays."""

    kind: ClassVar[str] = "flip"
    axes: tuple[Literal["i", "j", "k"], ...]

    def __post_init__(self) -> None:
        _require(0 < len(self.axes) == len(set(self.axes) & set("ijk")), "axes", "i, j, k, each at most once")


@dataclass(frozen=True)
class Rotate:
    """Turn the grid about its centre, around its i axis, then around its j and k axes as turned by then.

    The angles are in degrees, counted from i to j, j to k and k to i. Shape and spacing of the grid
    stay as they were, so corners may leave it; the anatomy stays.
    """

    kind: ClassVar[str] = "rotate"
    degrees_ijk: tuple[float, float, float]
    interpolation: Interpolation = "linear"
    fill: float = 0.0

    def __post_init__(self) -> None:
        _require_three("degrees_ijk", -360, 360, self.degrees_ijk)
        _require_value("fill", self.fill)


# -- masks -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreground:
    """Make a mask: voxels of any channel above ``above``; when None, above Otsu's threshold of their channel."""

    kind: ClassVar[str] = "foreground"
    above: float | None = 0.0
    name: str = FOREGROUND

    def __post_init__(self) -> None:
        _require_value("above", *(() if self.above is None else (self.above,)))
        _require_name(self.name)


@dataclass(frozen=True)
class ApplyMask:
    """Set voxels outside a mask to ``outside``."""

    kind: ClassVar[str] = "apply_mask"
    mask: str = FOREGROUND
    outside: float = 0.0

    def __post_init__(self) -> None:
        _require_name(self.mask)
        _require_value("outside", self.outside)


# -- intensity steps -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Clip to ``low`` .. ``high`` (in the image's units, HU for CT) and scale to 0 .. 1."""

    kind: ClassVar[str] = "window"
    low: float
    high: float

    def __post_init__(self) -> None:
        _require_value("window", self.low, self.high)
        _require(self.low < self.high, "window", "low must lie below high")


@dataclass(frozen=True)
class Percentile:
    """Clip each channel to two of its percentiles, measured in ``mask`` if named, and scale to 0 .. 1."""

    kind: ClassVar[str] = "percentile"
    low: float = 0.5
    high: float = 99.5
    mask: str = ""

    def __post_init__(self) -> None:
        _require(0 <= self.low < self.high <= 100, "percentile", "0 <= low < high <= 100")


@dataclass(frozen=True)
class ZScore:
    """Subtract each channel's mean and divide by its standard deviation (of the population, not the sample).

    Both are measured in ``mask`` if named, and applied to all voxels.
    """

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

    def __post_init__(self) -> None:
        _require_value("linear", self.scale, self.shift)


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
        _require_above_zero("deviations", 100, self.deviations)
        _require_within("bins", 16, 65536, self.bins)


@dataclass(frozen=True)
class BiasField:
    """Even out slow brightness changes of MR coils (N4), estimated on a grid ``shrink`` times coarser.

    Measured in ``mask`` if named, else in the voxels above 0.
    """

    kind: ClassVar[str] = "n4"
    shrink: int = 4
    iterations: tuple[int, ...] = (50, 50, 50, 50)
    mask: str = ""

    def __post_init__(self) -> None:
        _require_within("shrink", 1, 8, self.shrink)
        _require(0 < len(self.iterations) <= 8, "iterations", "1 to 8 numbers")
        _require_within("iterations", 1, 1000, *self.iterations)


@dataclass(frozen=True)
class Gaussian:
    """Smooth with a Gaussian of that standard deviation."""

    kind: ClassVar[str] = "gaussian"
    sigma_mm: float

    def __post_init__(self) -> None:
        _require_above_zero("sigma_mm", 100, self.sigma_mm)


@dataclass(frozen=True)
class Median:
    """Replace each voxel by the median of the box of ``radius_voxels`` around it."""

    kind: ClassVar[str] = "median"
    radius_voxels: int = 1

    def __post_init__(self) -> None:
        _require_within("radius_voxels", 1, 5, self.radius_voxels)


@dataclass(frozen=True)
class CurvatureDiffusion:
    """Smooth within tissue and keep its edges (curvature anisotropic diffusion).

    Where voxels are below 1 mm the time step is cut to a sixteenth of their smallest size in mm,
    the longest that is stable; the record of the run holds the one that was used.
    """

    kind: ClassVar[str] = "curvature_diffusion"
    iterations: int = 5
    conductance: float = 1.0
    time_step: float = 0.0625

    def __post_init__(self) -> None:
        _require_within("iterations", 1, 200, self.iterations)
        _require_above_zero("conductance", 100, self.conductance)
        _require_above_zero("time_step", 0.0625, self.time_step)


@dataclass(frozen=True)
class Clahe:
    """Even out local contrast (contrast-limited adaptive histogram equalization); result 0 .. 1.

    Each axis is cut into ``tiles`` pieces, but of at least 8 voxels.
    """

    kind: ClassVar[str] = "clahe"
    clip_limit: float = 0.01
    tiles: int = 8

    def __post_init__(self) -> None:
        _require_above_zero("clip_limit", 1, self.clip_limit)
        _require_within("tiles", 1, 64, self.tiles)


@dataclass(frozen=True)
class Sharpen:
    """Add ``amount`` times the difference to a Gaussian of ``sigma_mm`` (unsharp mask)."""

    kind: ClassVar[str] = "sharpen"
    sigma_mm: float = 1.0
    amount: float = 0.5

    def __post_init__(self) -> None:
        _require_above_zero("sigma_mm", 100, self.sigma_mm)
        _require_above_zero("amount", 10, self.amount)


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
    """Fill cavities that do not reach the border of the volume; in a single plane, holes in the plane."""

    kind: ClassVar[str] = "fill_holes"
    segments: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoveSmall:
    """Remove connected pieces smaller than ``min_volume_mm3``."""

    kind: ClassVar[str] = "remove_small"
    min_volume_mm3: float
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_above_zero("min_volume_mm3", 1e9, self.min_volume_mm3)


@dataclass(frozen=True)
class Smooth:
    """Smooth the outline with a Gaussian of ``sigma_mm``; what is much thinner than that goes away."""

    kind: ClassVar[str] = "smooth"
    sigma_mm: float
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_above_zero("sigma_mm", 20, self.sigma_mm)


PostStep = LargestComponent | FillHoles | RemoveSmall | Smooth

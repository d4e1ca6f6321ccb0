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
MAX_CHANNEL = 255
MAX_VALUE = 1e30
"""Largest voxel value; beyond it, sums and squares leave float32."""

AIR_HU = -900.0
"""Air lies at -1000 HU, with noise about it; hardly another kind of image goes as far below 0."""


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


def _require_channels(channels: tuple[int, ...]) -> None:
    _require(len(set(channels)) == len(channels), "channels", "each at most once")
    _require_within("channels", 0, MAX_CHANNEL, *channels)


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
class ResampleFromFirst:
    """Another spacing; the first voxel stays where it is, the last comes as near to its place as whole voxels allow.

    An axis whose spacing differs from the new one by no more than ``tolerance``, a share of the new one, keeps it,
    and so does one whose new spacing is 0. Beyond its outer voxels the image goes on with their values.
    """

    kind: ClassVar[str] = "resample_from_first"
    spacing_ijk_mm: tuple[float, float, float]
    tolerance: float = 0.0
    interpolation: Literal["nearest", "linear"] = "linear"

    def __post_init__(self) -> None:
        _require_three("spacing_ijk_mm", 0, 1000, self.spacing_ijk_mm)
        _require(all(spacing == 0 or spacing >= 0.001 for spacing in self.spacing_ijk_mm), "spacing_ijk_mm", "0.001 up")
        _require_within("tolerance", 0, 1, self.tolerance)


@dataclass(frozen=True)
class ResampleInBox:
    """About another spacing in the very same box: each axis gets the whole number of voxels that comes nearest.

    Values beyond the outer voxels are those of the border, and none leaves the range that its channel had.

    Parameters
    ----------
    spacing_ijk_mm : 0 leaves an axis as it is.
    apart_above : where the voxels of the old grid, or else of the new one, are that many times as long along just one
        axis as along the shortest, the planes across that axis are interpolated each by itself and then taken by
        nearest neighbour; None never does so.
    """

    kind: ClassVar[str] = "resample_in_box"
    spacing_ijk_mm: tuple[float, float, float]
    interpolation: Interpolation = "cubic"
    apart_above: float | None = 3.0

    def __post_init__(self) -> None:
        _require_three("spacing_ijk_mm", 0, 1000, self.spacing_ijk_mm)
        _require(all(spacing == 0 or spacing >= 0.001 for spacing in self.spacing_ijk_mm), "spacing_ijk_mm", "0.001 up")
        _require(self.apart_above is None or 1 <= self.apart_above <= 1000, "apart_above", "1 to 1000")


@dataclass(frozen=True)
class ResampleToShape:
    """The same box in a fixed number of voxels."""

    kind: ClassVar[str] = "resample_to_shape"
    shape_kji: tuple[int, int, int]
    interpolation: Interpolation = "linear"

    def __post_init__(self) -> None:
        _require_three("shape_kji", 1, 2048, self.shape_kji)


@dataclass(frozen=True)
class ResampleToLongest:
    """The longer of i and j gets ``longest`` voxels, the other as many in proportion; k stays as it is.

    Larger pixels hold the mean of what they cover, smaller ones are interpolated.
    """

    kind: ClassVar[str] = "resample_to_longest"
    longest: int

    def __post_init__(self) -> None:
        _require_within("longest", 1, 2048, self.longest)


@dataclass(frozen=True)
class CropToMask:
    """Crop to the box around a mask, widened on each side.

    By ``margin_fraction`` of its length, by ``margin_mm``, and by ``margin_voxels`` of the working grid.

    The box goes from the first to the last plane of which more than ``min_plane_fraction`` is mask;
    it is widened to whole voxels and ends where the grid ends.
    """

    kind: ClassVar[str] = "crop_to_mask"
    mask: str = FOREGROUND
    margin_fraction: float = 0.0
    margin_mm: float = 0.0
    min_plane_fraction: float = 0.0
    margin_voxels: int = 0

    def __post_init__(self) -> None:
        _require_name(self.mask)
        _require_within("margin_fraction", 0, 5, self.margin_fraction)
        _require_within("margin_mm", 0, 1000, self.margin_mm)
        _require_within("margin_voxels", 0, 1024, self.margin_voxels)
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
    """Pad, evenly on both sides or all ``at`` the end, to ``min_shape_kji`` or more and whole multiples of ``multiple``."""

    kind: ClassVar[str] = "pad"
    min_shape_kji: tuple[int, int, int] = (1, 1, 1)
    multiple: int = 1
    fill: float = 0.0
    at: Literal["both", "end"] = "both"

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
class Transpose:
    """Exchange axes of the array: i, j and k of the new grid run along those named of the old; exact.

    Unlike ``orient`` it does not look where the axes point.
    """

    kind: ClassVar[str] = "transpose"
    axes: tuple[Literal["i", "j", "k"], Literal["i", "j", "k"], Literal["i", "j", "k"]]

    def __post_init__(self) -> None:
        _require(len(self.axes) == 3 and set(self.axes) == set("ijk"), "axes", "i, j, k, each once")


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
class Nonzero:
    """Make a mask: voxels that are not 0 in one of the channels, with the cavities among them if ``filled``."""

    kind: ClassVar[str] = "nonzero"
    name: str = FOREGROUND
    filled: bool = False

    def __post_init__(self) -> None:
        _require_name(self.name)


@dataclass(frozen=True)
class ApplyMask:
    """Set voxels outside a mask to ``outside``, in ``channels`` if any are named."""

    kind: ClassVar[str] = "apply_mask"
    mask: str = FOREGROUND
    outside: float = 0.0
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_name(self.mask)
        _require_channels(self.channels)
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
class Clip:
    """Limit values to ``low`` .. ``high``, in ``channels`` if any are named."""

    kind: ClassVar[str] = "clip"
    low: float
    high: float
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_value("clip", self.low, self.high)
        _require(self.low <= self.high, "clip", "low must not lie above high")
        _require_channels(self.channels)


@dataclass(frozen=True)
class DisplayWindow:
    """Clip a CT to ``ct_low`` .. ``ct_high`` HU, another image to two percentiles of its voxels above 0; scale to 0 .. 1.

    An image that does not say what it is counts as a CT where it reaches down to the values of air, ``AIR_HU``.
    """

    kind: ClassVar[str] = "display_window"
    ct_low: float = -160.0
    ct_high: float = 240.0
    low: float = 0.5
    high: float = 99.5

    def __post_init__(self) -> None:
        _require_value("display_window", self.ct_low, self.ct_high)
        _require(self.ct_low < self.ct_high, "display_window", "ct_low must lie below ct_high")
        _require(0 <= self.low < self.high <= 100, "display_window", "0 <= low < high <= 100")


@dataclass(frozen=True)
class ZScore:
    """Subtract each channel's mean and divide by its standard deviation (of the population, not the sample).

    Both are measured in ``mask`` if named, and applied to all voxels; of ``channels`` if any are named.
    """

    kind: ClassVar[str] = "zscore"
    mask: str = ""
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_channels(self.channels)


@dataclass(frozen=True)
class ZScoreNonzero:
    """As ``zscore``, but measured in each channel's own voxels that are not 0 and applied to these: a 0 stays 0.

    Only ``channels``, if any are named.
    """

    kind: ClassVar[str] = "zscore_nonzero"
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_channels(self.channels)


@dataclass(frozen=True)
class DeviationsAboveMinimum:
    """Subtract each channel's minimum and divide by its standard deviation (of the population, not the sample).

    Only of ``channels``, if any are named.
    """

    kind: ClassVar[str] = "deviations_above_minimum"
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_channels(self.channels)


@dataclass(frozen=True)
class Sigmoid:
    """Map every value x, of ``channels`` if any are named, to 1 / (1 + exp(-x)), which lies in 0 .. 1."""

    kind: ClassVar[str] = "sigmoid"
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_channels(self.channels)


@dataclass(frozen=True)
class SoftLimit:
    """Map every value x to ``limit`` times tanh(x / ``limit``): small ones stay, none goes beyond the limit.

    Only in ``channels``, if any are named.
    """

    kind: ClassVar[str] = "soft_limit"
    limit: float
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_above_zero("limit", MAX_VALUE, self.limit)
        _require_channels(self.channels)


@dataclass(frozen=True)
class MinMax:
    """Scale each channel's minimum to 0 and maximum to 1, measured in ``mask`` if named; outside it 0.

    Only ``channels``, if any are named.
    """

    kind: ClassVar[str] = "minmax"
    mask: str = ""
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_channels(self.channels)


@dataclass(frozen=True)
class Linear:
    """Multiply by ``scale`` and add ``shift``, in ``channels`` if any are named."""

    kind: ClassVar[str] = "linear"
    scale: float = 1.0
    shift: float = 0.0
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_value("linear", self.scale, self.shift)
        _require_channels(self.channels)


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
    Orient | ResampleToSpacing | ResampleFromFirst | ResampleInBox | ResampleToShape | ResampleToLongest
    | CropToMask | CropToBox | Pad | Flip | Transpose | Rotate
    | Foreground | Nonzero | ApplyMask
    | Window | Clip | Percentile | DisplayWindow | ZScore | ZScoreNonzero | DeviationsAboveMinimum
    | MinMax | Linear | Sigmoid | SoftLimit | SuppressBright
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

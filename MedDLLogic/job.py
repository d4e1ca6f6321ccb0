"""One job description, the same for the panel, the command line, the Python API and batch Slicer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import MedDLError
from .recipe import Recipe

MAX_SEED = 2**63 - 1
MAX_MEMBERS = 64
MAX_SEGMENT_ID = 64
MAX_PROMPTS = 4096

Matrix4 = tuple[
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
]

Product = Literal["segmentation", "scene", "measurements", "overview", "probabilities", "uncertainty", "volume"]
Quality = Literal["fast", "standard", "fine"]
"""How far patches overlap: less than the card says, as it says, or more."""

Precision = Literal["auto", "reference", "exact", "fast"]
"""How numbers are computed: ``reference`` as torch does it in eager mode, ``exact`` in float32 by the fastest engine,
``fast`` in half the bits; ``auto`` is ``fast`` where the card's check case passed with it, else ``exact``."""

Backend = Literal["auto", "openvino", "onnxruntime", "torch"]
"""Who computes; ``auto`` takes the fastest that can do it."""

DEFAULT_PRODUCTS: tuple[Product, ...] = ("segmentation", "measurements", "overview")


@dataclass(frozen=True)
class InputRef:
    """Where one input image comes from: a file or DICOM folder, or an image handed over before.

    Parameters
    ----------
    path : image file, DICOM file or DICOM folder.
    series : SeriesInstanceUID to take where a folder holds several.
    handle : content hash of an image in the exchange folder; instead of ``path``.
    lps_to_world : (4, 4) linear parent transform of the scene, LPS to LPS, which the grid lies
        under; orientation and millimetres are those of the world.
    """

    path: str = ""
    series: str = ""
    handle: str = ""
    lps_to_world: Matrix4 | None = None

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.handle):
            raise MedDLError("E102", "input", "needs a path or a handle, not both")
        if any("\ud800" <= character <= "\udfff" for character in self.path):  # a name in the bytes of another age
            raise MedDLError("E102", "input", "its path is not valid UTF-8", "rename the file")


@dataclass(frozen=True)
class Box:
    """A box in the patient, edges along LPS; in the world of a scene, where a parent transform is given."""

    min_lps_mm: tuple[float, float, float]
    max_lps_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not all(
            -math.inf < low < high < math.inf for low, high in zip(self.min_lps_mm, self.max_lps_mm, strict=True)
        ):
            raise MedDLError("E102", "roi", "each minimum must lie below its maximum, all finite")


@dataclass(frozen=True)
class BoxPrompt:
    """A rectangle around a structure on one slice of the image; in the world of a scene, as ``Box``.

    Its edges run along the axes of the image's own grid, however that lies in the patient.

    Parameters
    ----------
    corner_lps_mm, opposite_lps_mm : centers of the voxels in two opposite corners. The slice is across that axis of
        the grid along which both lie in one and the same slice.
    segment : id of what is in the box; boxes of one id make one segment.
    """

    corner_lps_mm: tuple[float, float, float]
    opposite_lps_mm: tuple[float, float, float]
    segment: str = "object"

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (*self.corner_lps_mm, *self.opposite_lps_mm)):
            raise MedDLError("E102", "box", "its corners must be finite")
        fine = self.segment.isascii() and all(c.isalnum() or c in "-_" for c in self.segment)
        if not fine or not 1 <= len(self.segment) <= MAX_SEGMENT_ID:
            raise MedDLError("E102", "box", f"its segment needs 1 to {MAX_SEGMENT_ID} letters, digits, - and _")


@dataclass(frozen=True)
class CardRef:
    """A model by name; ``sha256`` of its card, when given, must match."""

    name: str
    sha256: str = ""


@dataclass(frozen=True)
class OutputPolicy:
    """Where results go and what happens when they are there already.

    ``existing``: ``"refuse"`` stops, ``"replace"`` overwrites, ``"skip"`` keeps cases that the
    manifest says are done and whose files still have the hashes written there.
    """

    folder: str = ""
    products: tuple[Product, ...] = DEFAULT_PRODUCTS
    existing: Literal["refuse", "replace", "skip"] = "refuse"

    def __post_init__(self) -> None:
        if not self.products or len(set(self.products)) != len(self.products):
            raise MedDLError("E102", "products", "at least one, each once")


@dataclass(frozen=True)
class Computing:
    """How networks are computed: what decides on a run's time and memory beside the image. Fields as in ``Job``."""

    device: str = "auto"
    quality: Quality = "standard"
    precision: Precision = "auto"
    backend: Backend = "auto"
    mirroring: bool = False
    members: int = 0


@dataclass(frozen=True)
class Job:
    """Everything a run needs to know.

    Parameters
    ----------
    task : ``"segment"`` runs the card; ``"preprocess"`` runs the recipe alone.
    inputs : role -> image; roles are those of the card (``"t1"``), or ``"image"`` for a recipe.
    case : id used in file names, events and manifest; never patient data.
    card : the model, for ``"segment"``.
    recipe : the steps, for ``"preprocess"``.
    roi : only the part of the grid that covers this box is searched; None for the whole volume.
    prompts : boxes around what is to be segmented, for a model that asks for them.
    nan_fill : value that takes the place of NaN and infinity; None refuses such images.
    allow_other_frame : channels from another frame of reference are accepted.
    device : ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    quality : overlap of patches; of no effect on networks that take the whole volume at once.
    precision, backend : how the numbers are computed, and by which library.
    mirroring : each patch is also computed mirrored along every combination of the axes that the card allows, and
        the mean is taken; takes 2, 4 or 8 times as long.
    members : how many networks of an ensemble are used, 0 for all.
    seed : of every random number in the run, 0 to 2**63 - 1.

    Raises
    ------
    MedDLError : E102 for a combination or a number that cannot be.
    """

    task: Literal["segment", "preprocess"]
    inputs: Mapping[str, InputRef]
    case: str = "case"
    card: CardRef | None = None
    recipe: Recipe | None = None
    roi: Box | None = None
    prompts: tuple[BoxPrompt, ...] = ()
    nan_fill: float | None = None
    allow_other_frame: bool = False
    device: str = "auto"
    quality: Quality = "standard"
    precision: Precision = "auto"
    backend: Backend = "auto"
    mirroring: bool = False
    members: int = 0
    seed: int = 0
    output: OutputPolicy = field(default_factory=OutputPolicy)
    schema_version: Literal[1] = 1

    def __post_init__(self) -> None:
        if not self.inputs:
            raise MedDLError("E102", "inputs", "at least one is needed")
        if (self.card is None) == (self.task == "segment"):
            raise MedDLError("E102", "card", "needed for segment, and only there")
        if (self.recipe is None) == (self.task == "preprocess"):
            raise MedDLError("E102", "recipe", "needed for preprocess, and only there")
        if len(self.prompts) > (MAX_PROMPTS if self.task == "segment" else 0):
            raise MedDLError("E102", "prompts", f"for segment, up to {MAX_PROMPTS}")
        self._require_numbers()
        self._require_products()
        require_case_id(self.case)
        for role in self.inputs:
            require_role(role)

    @property
    def computing(self) -> Computing:
        """How its networks are computed."""
        return Computing(self.device, self.quality, self.precision, self.backend, self.mirroring, self.members)

    def _require_numbers(self) -> None:
        if self.nan_fill is not None and not math.isfinite(self.nan_fill):
            raise MedDLError("E102", "nan_fill", "a finite number is needed")
        if not 0 <= self.members <= MAX_MEMBERS:
            raise MedDLError("E102", "members", f"0 to {MAX_MEMBERS}")
        if not 0 <= self.seed <= MAX_SEED:
            raise MedDLError("E102", "seed", f"0 to {MAX_SEED}")
        if self.precision == "reference" and self.backend not in ("auto", "torch"):
            raise MedDLError("E102", "precision", "reference is what torch computes")

    def _require_products(self) -> None:
        if self.task == "segment" and "volume" in self.output.products:
            raise MedDLError("E102", "output.products", "a volume is what preprocess makes")
        if self.task == "preprocess" and self.output.products not in (DEFAULT_PRODUCTS, ("volume",)):
            raise MedDLError("E102", "output.products", "preprocess makes a volume alone")


def require_role(role: str) -> str:
    """The role itself; E102 unless it is 1 to 32 letters, digits, ``-`` or ``_``, since file names hold it."""
    if not role.isascii() or not 1 <= len(role) <= 32 or not all(c.isalnum() or c in "-_" for c in role):
        raise MedDLError("E102", "input role", "1 to 32 letters, digits, - and _ are needed")
    return role


def require_case_id(case: str) -> str:
    """The id itself; E102 unless it is 1 to 64 letters, digits, ``-``, ``_``, ``.`` and starts with none of ``.-``."""
    fine = case.isascii() and all(c.isalnum() or c in "-_." for c in case)
    reserved = case.split(".", maxsplit=1)[0].upper() in _RESERVED
    if not fine or not 1 <= len(case) <= 64 or case[:1] in ".-" or case.endswith(".") or reserved:
        raise MedDLError("E102", "case id not usable as a folder name", "", "letters, digits, - _ . (up to 64)")
    return case


_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}

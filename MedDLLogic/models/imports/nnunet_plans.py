"""nnU-Net's plans.json and dataset.json, as far as predicting needs them; what MedDL cannot do is refused by name."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MedDLError
from .json_fields import Fields, read_fields

_RESAMPLING = "resample_data_or_seg_to_shape"
_DEFAULT_APART_ABOVE = 3.0
CUBIC = 3
_MAX_PARENTS = 10
_READERS = {
    "SimpleITKIO": "",
    "NibabelIO": "",
    "NibabelIOWithReorient": "RAS",
    "SimpleITKIOWithReorient": "RAS",
}
"""How nnU-Net's classes that read files turn the axes: not at all, or towards these directions."""


@dataclass(frozen=True)
class Resampling:
    """One of the plans' ways to another spacing; ``order`` of the spline, ``apart_above`` as ``ResampleInBox`` has it."""

    order: int
    apart_above: float | None


@dataclass(frozen=True)
class Configuration:
    """How one network's images are prepared and cut; axes in the order of the network's arrays.

    Parameters
    ----------
    spacing_mm, patch : of two axes for a network of planes, else of three.
    schemes, masked : the normalization of each channel, and whether it looks inside the nonzero region alone.
    network : what describes the network, in whichever way.
    """

    name: str
    spacing_mm: tuple[float, ...]
    patch: tuple[int, ...]
    schemes: tuple[str, ...]
    masked: tuple[bool, ...]
    data: Resampling
    logits: Resampling
    network: Fields

    @property
    def dimensions(self) -> int:
        """2 for a network of planes, else 3."""
        return len(self.patch)


@dataclass(frozen=True)
class Plans:
    """What the plans say of the dataset, and one of their configurations.

    Parameters
    ----------
    orient : letters towards which the axes of a file are turned, empty where they stay.
    transpose : for each axis of the network's arrays, that of the file's array (k, j, i).
    intensities : channel's number -> statistics of the foreground.
    """

    dataset: str
    orient: str
    transpose: tuple[int, ...]
    intensities: Fields
    configuration: Configuration


def configurations_in(text: str) -> tuple[str, ...]:
    """Names of the configurations that a plans.json has."""
    return tuple(read_fields(text, "plans.json").fields("configurations"))


def read_plans(text: str, configuration: str) -> Plans:
    """One configuration of a plans.json.

    Raises
    ------
    MedDLError : E401 for a file that is not what nnU-Net writes, E407 for a cascade, and for readers, preprocessors
        and resampling that MedDL does not have.
    """
    plans = read_fields(text, "plans.json")
    transpose = plans.wholes("transpose_forward")
    if sorted(transpose) != [0, 1, 2]:
        raise plans.refused("transpose_forward", "0, 1 and 2, each once")
    reader = plans.text("image_reader_writer")
    if reader not in _READERS:
        raise MedDLError("E407", "nnU-Net model not usable here", f"it reads files by {reader[:40]}")
    key = "foreground_intensity_properties_per_channel"
    intensities = plans.fields(key if key in plans else "foreground_intensity_properties_by_modality")
    found = _configuration(plans, configuration)
    return Plans(plans.text("dataset_name"), _READERS[reader], transpose, intensities, found)


def _configuration(plans: Fields, name: str) -> Configuration:
    fields = _inherited(plans.fields("configurations"), name)
    if "previous_stage" in fields:
        raise MedDLError("E407", "nnU-Net cascade not usable here", name[:40], "take one of its other configurations")
    preprocessor = fields.text("preprocessor_name") if "preprocessor_name" in fields else "DefaultPreprocessor"
    if preprocessor != "DefaultPreprocessor":
        raise MedDLError("E407", "nnU-Net model not usable here", f"it prepares images by {preprocessor[:40]}")
    patch, spacing = fields.wholes("patch_size"), fields.numbers("spacing")
    if len(patch) not in (2, 3) or len(spacing) != len(patch):
        raise fields.refused("patch_size", "two or three axes, as many as spacing has")
    return Configuration(
        name,
        spacing,
        patch,
        fields.texts("normalization_schemes"),
        fields.flags("use_mask_for_norm"),
        _resampling(fields, "resampling_fn_data"),
        _resampling(fields, "resampling_fn_probabilities"),
        fields,
    )


def _inherited(configurations: Fields, name: str) -> Fields:
    """The configuration with all that it takes over from others."""
    found: dict[str, object] = {}
    parent = name
    for _ in range(_MAX_PARENTS):
        fields = configurations.fields(parent)
        found = {**fields.values, **found}
        if "inherits_from" not in fields:
            return Fields(found, f"plans.json {name}"[:60])
        parent = fields.text("inherits_from")
    raise configurations.refused(name, "inherits from itself")


def _resampling(fields: Fields, name: str) -> Resampling:
    if fields.text(name) != _RESAMPLING:
        raise MedDLError("E407", "nnU-Net model not usable here", f"it resamples by {fields.text(name)[:40]}")
    options = fields.fields(f"{name}_kwargs")
    order = options.whole("order")
    if order not in (0, 1, CUBIC) or ("order_z" in options and options.whole("order_z") != 0):
        raise MedDLError("E407", "nnU-Net model not usable here", "it resamples by splines that MedDL does not have")
    separate = options.raw("force_separate_z")
    if separate is True:
        raise MedDLError("E407", "nnU-Net model not usable here", "it always resamples planes apart")
    threshold = "separate_z_anisotropy_threshold"
    above = options.number(threshold) if threshold in options else _DEFAULT_APART_ABOVE
    return Resampling(order, None if separate is False else above)

"""What the section Options shows, decided without Qt: devices of this machine, and how the model is computed."""

from __future__ import annotations

from dataclasses import dataclass

from MedDLLogic.job import Computing, Precision, Quality

from .devices import Devices
from .i18n import _
from .view import Control

QUALITIES: tuple[Quality, ...] = ("fast", "standard", "fine")
PRECISIONS: tuple[Precision, ...] = ("auto", "reference", "exact", "fast")


@dataclass(frozen=True)
class Option:
    """One line of a list; one that cannot be chosen says why."""

    value: str
    text: str
    why_not: str = ""


@dataclass(frozen=True)
class OptionsView:
    """Everything visible in the section."""

    devices: tuple[Option, ...]
    device: str
    qualities: tuple[Option, ...]
    quality: str
    quality_control: Control
    precisions: tuple[Option, ...]
    precision: str
    precision_control: Control
    is_mirroring: bool
    mirror_control: Control


@dataclass(frozen=True)
class Chosen:
    """What the chosen model lets one choose.

    Parameters
    ----------
    is_there : whether a model is chosen at all.
    has_quality : it cuts the image into patches.
    can_mirror : it was trained on mirrored images.
    """

    is_there: bool = False
    has_quality: bool = False
    can_mirror: bool = False


def options_view(computing: Computing, devices: Devices | None, model: Chosen) -> OptionsView:
    """What follows from the choice and the machine; ``devices`` is None while that is not known: nothing is refused then."""
    return OptionsView(
        device_options(devices, computing.device),
        computing.device,
        quality_options(),
        computing.quality,
        _quality_control(model),
        precision_options(),
        computing.precision,
        _precision_control(model),
        computing.mirroring and model.can_mirror,
        _mirror_control(model),
    )


def device_options(devices: Devices | None, chosen: str) -> tuple[Option, ...]:
    """The devices to choose from; one that a scene or a script asks for is listed even where it is missing."""
    no_cuda = no_mps = ""
    cuda = _("NVIDIA graphics card")
    if devices is not None:
        no_cuda = "" if devices.cuda else _("No NVIDIA graphics card with a working driver was found.")
        no_mps = "" if devices.has_mps else _("This is no Mac with Apple silicon.")
        if len(devices.cuda) == 1:
            cuda = _("NVIDIA {name}").format(name=devices.cuda[0].removeprefix("NVIDIA "))
    options = [Option("auto", _("Automatic")), Option("cpu", _("Processor")), Option("cuda", cuda, no_cuda)]
    # torch counts cards in another order than the driver, so further ones go by number alone.
    further = range(1, len(devices.cuda)) if devices is not None else ()
    options += [Option(f"cuda:{n}", _("NVIDIA graphics card {number}").format(number=n + 1)) for n in further]
    options.append(Option("mps", _("Apple graphics"), no_mps))
    if chosen not in [option.value for option in options]:
        options.append(Option(chosen, chosen, _("This machine does not have it.") if devices is not None else ""))
    return tuple(options)


def quality_options() -> tuple[Option, ...]:
    """How far patches overlap, in words."""
    names = (_("Fast"), _("Standard"), _("Fine"))
    return tuple(Option(value, name) for value, name in zip(QUALITIES, names, strict=True))


def precision_options() -> tuple[Option, ...]:
    """How the numbers are computed, in words."""
    names = (_("Automatic"), _("Reference"), _("Exact"), _("Fast"))
    return tuple(Option(value, name) for value, name in zip(PRECISIONS, names, strict=True))


def device_problem(devices: Devices | None, chosen: str) -> str:
    """Why the chosen device cannot be used; empty when it can."""
    option = next(option for option in device_options(devices, chosen) if option.value == chosen)
    return option.why_not


def _quality_control(model: Chosen) -> Control:
    if not model.is_there:
        return Control(enabled=False, tool_tip=_("Choose a model first."))
    if not model.has_quality:
        return Control(
            enabled=False, tool_tip=_("This model takes the whole image at once: there is nothing to choose.")
        )
    return Control(tool_tip=_("How far the pieces overlap into which the image is cut: more is slower and smoother."))


def _precision_control(model: Chosen) -> Control:
    if not model.is_there:
        return Control(enabled=False, tool_tip=_("Choose a model first."))
    return Control(
        tool_tip=_(
            "Reference: as PyTorch computes, slowest. Exact: the same numbers to a thousandth, faster. Fast: half the"
            " bits. Automatic: Fast where that was checked for this model, else Exact."
        )
    )


def _mirror_control(model: Chosen) -> Control:
    if not model.is_there:
        return Control(enabled=False, tool_tip=_("Choose a model first."))
    if not model.can_mirror:
        return Control(enabled=False, tool_tip=_("This model was not trained on mirrored images."))
    return Control(tool_tip=_("Averages over mirrored copies of each piece: smoother, and 2 to 8 times slower."))

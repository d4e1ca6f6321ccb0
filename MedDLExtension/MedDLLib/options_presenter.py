"""What the section Options shows, decided without Qt: devices of this machine, quality, and where the result goes."""

from __future__ import annotations

from dataclasses import dataclass

from MedDLLogic.job import Quality

from .devices import Devices
from .i18n import _
from .view import Control

QUALITIES: tuple[Quality, ...] = ("fast", "standard", "fine")


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


def options_view(
    *, device: str, quality: str, devices: Devices | None, has_model: bool, has_effect: bool
) -> OptionsView:
    """What follows from the choice and the machine.

    Parameters
    ----------
    devices : None while it is not known what the machine has; nothing is refused then.
    has_effect : whether the chosen model cuts the image into patches.
    """
    return OptionsView(
        device_options(devices, device), device, quality_options(), quality, _quality_control(has_model, has_effect)
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


def device_problem(devices: Devices | None, chosen: str) -> str:
    """Why the chosen device cannot be used; empty when it can."""
    option = next(option for option in device_options(devices, chosen) if option.value == chosen)
    return option.why_not


def _quality_control(has_model: bool, has_effect: bool) -> Control:
    if not has_model:
        return Control(enabled=False, tool_tip=_("Choose a model first."))
    if not has_effect:
        return Control(
            enabled=False, tool_tip=_("This model takes the whole image at once: there is nothing to choose.")
        )
    return Control(tool_tip=_("How far the pieces overlap into which the image is cut: more is slower and smoother."))

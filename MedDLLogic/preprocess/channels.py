"""Some of an image's channels changed, the others left as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import MedDLError
from ..image import Voxels
from .working import Working


def chosen(working: Working, channels: tuple[int, ...]) -> tuple[int, ...]:
    """The named channels, all of them where none is; E103 for one that the image has not."""
    count = len(working.voxels)
    if any(channel >= count for channel in channels):
        raise MedDLError("E103", "channel not there", f"{max(channels)}: the image has {count}", "they count from 0")
    return channels or tuple(range(count))


def on_channels(working: Working, channels: tuple[int, ...], function: Callable[[Voxels], Voxels]) -> Working:
    """The image with each of the named channels, or all of them, as ``function`` makes it of (k, j, i) voxels."""
    which = chosen(working, channels)
    return with_channels(working, which, [function(working.voxels[channel]) for channel in which])


def with_channels(working: Working, which: tuple[int, ...], volumes: Sequence[Voxels]) -> Working:
    """The image with (k, j, i) ``volumes`` in place of the channels ``which``."""
    made = dict(zip(which, volumes, strict=True))
    return working.with_voxels(np.stack([made.get(n, volume) for n, volume in enumerate(working.voxels)]))

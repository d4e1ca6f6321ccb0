"""One network over one working volume, from its voxels to what a sink makes of the activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..models.card import Tiling
from . import ladder
from .backend import Allocate, Floats, OnProgress, Predictor, Sink
from .ladder import Rung
from .patches import Shape
from .sliding import slab_axes, slide

if TYPE_CHECKING:
    from .device_engine import TensorFinishing
    from .device_predictor import DeviceNetwork

Made_co = TypeVar("Made_co", covariant=True)


class Finishing(Sink, Protocol[Made_co]):
    """A sink that knows what came of all planes once it has had the last."""

    def finish(self) -> Made_co:
        """What the activations became."""

    def on_device(self, device: str) -> TensorFinishing[Made_co]:
        """The same for planes that lie on a device, instead of this one."""


def run_network(  # noqa: PLR0917 - a call reads in the order in which a run goes
    ready: Callable[[str], Predictor],
    device: str,
    voxels: NDArray[np.float32],
    side: Mapping[str, Floats],
    tiling: Tiling,
    decoding: Callable[[Allocate, Shape], Finishing[Made_co]],
    on_progress: OnProgress,
    on_rung: Callable[[Rung], None],
) -> Made_co:
    """What ``decoding`` makes of the activations of a (channel, k, j, i) float32 working volume.

    Where memory does not suffice everything begins anew on the next rung of the ladder; what comes out is the same,
    to the byte on rungs of one device. (A graphics card that had room for batches may round otherwise without them.)

    A network that can answer with tensors (``device_predictor.DeviceNetwork``) is used so, and everything up to the
    labels happens on its device.

    Parameters
    ----------
    ready : gives the network on a device.
    decoding : makes a sink; its large arrays come from what it is given first, and planes will come along the array
        axes that it is given second.
    on_rung : told of each rung but the first, before it is tried.

    Raises
    ------
    MedDLError : E502 when memory does not suffice on any rung, E501 when then the disk is full, and whatever network,
        sink and ``on_progress`` raise.
    """
    k, j, i = voxels.shape[1:]
    axes = slab_axes((k, j, i), tiling)

    def attempt(rung: Rung) -> Made_co:
        allocate = ladder.on_disk if rung in ladder.ON_DISK else ladder.in_memory
        predictor = ready("cpu" if rung == "compute-on-cpu" else device)
        sink = decoding(allocate, axes)
        if not hasattr(predictor, "forward"):
            slide(predictor, voxels, side, tiling, axes, sink, on_progress, allocate=allocate)
            return sink.finish()
        from .device_engine import slide_on_device

        network = cast("DeviceNetwork", predictor)
        if rung != "planned":
            network.rest()  # what the attempt before left on the device
        stays = rung in ladder.ON_DEVICE
        planes = sink.on_device(device)
        slide_on_device(
            network,
            voxels,
            side,
            tiling,
            axes,
            planes,
            on_progress,
            one_at_a_time=rung != "planned",
            allocate=None if stays else allocate,
        )
        return planes.finish()

    return ladder.climb_down(ladder.rungs_for(device), attempt, on_rung)

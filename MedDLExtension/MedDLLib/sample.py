"""The demo's head MRI in Slicer's Sample Data module. Nothing is downloaded before the user clicks on it there."""

from __future__ import annotations

from typing import Any

import slicer

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Event, Failed, Progress
from MedDLLogic.models.samples import Sample, find_sample, sample_file
from MedDLLogic.resources import resource_path

from .blocking import run_to_end
from .i18n import _
from .launch import launch_in_slicer

SAMPLE = "head-t1"
NODE_NAME = "HeadT1"


def register() -> None:
    """Offer the sample; called once when Slicer has started."""
    import SampleData

    sample = find_sample(SAMPLE)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MedDL",
        sampleName="MedDLHeadT1",
        uris=f"https://pypi.org/project/{sample.source.package}/{sample.source.version}/",
        fileNames=sample.file_name,
        nodeNames=NODE_NAME,
        checksums=f"SHA256:{sample.sha256}",
        thumbnailFileName=str(resource_path("Icons", "MedDL.png")),
        customDownloader=lambda _source: [_load_or_tell(sample)],
    )


def load(sample: Sample) -> Any:
    """The sample as a volume node, downloaded if need be.

    Raises
    ------
    MedDLError : E506, E404, E408 from the transfer.
    """
    if sample_file(sample) is None:
        ending = run_to_end(launch_in_slicer("MedDLLib.fetch", "sample", sample.name), _show)
        if isinstance(ending, Failed):
            raise MedDLError(ending.code, ending.message)
    path = sample_file(sample)
    if path is None:
        raise MedDLError("E506", "the sample did not arrive")
    return slicer.util.loadVolume(str(path), {"name": NODE_NAME})


def _load_or_tell(sample: Sample) -> Any:
    with slicer.util.tryWithErrorDisplay(_("The sample could not be loaded.")):
        return load(sample)


def _show(event: Event) -> None:
    if isinstance(event, Progress):
        text = _("Downloading the sample: {percent} %").format(percent=round(100 * event.fraction))
        slicer.util.showStatusMessage(text, 1000)
        slicer.app.processEvents()

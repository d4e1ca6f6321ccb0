"""The demo's head MRI in Slicer's Sample Data module. Nothing is downloaded before the user clicks on it there.

``register`` is called while Slicer starts, so what a download needs is imported when there is one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import slicer

from MedDLLogic.resources import resource_path

from .i18n import _

if TYPE_CHECKING:
    from MedDLLogic.events import Event
    from MedDLLogic.models.samples import Sample

SAMPLE = "head-t1"
NODE_NAME = "HeadT1"

_downloading: set[str] = set()
"""Samples that are on their way: Qt goes on meanwhile, so a user can click once more."""


def register() -> None:
    """Offer the sample; called once when Slicer has started."""
    import SampleData

    told = json.loads(resource_path("Samples", f"{SAMPLE}.json").read_text(encoding="utf-8"))
    source = told["source"]
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MedDL",
        sampleName="MedDLHeadT1",
        uris=f"https://pypi.org/project/{source['package']}/{source['version']}/",
        fileNames=told["file_name"],
        nodeNames=NODE_NAME,
        checksums=f"SHA256:{told['sha256']}",
        thumbnailFileName=str(resource_path("Icons", "MedDLHeadT1.png")),
        customDownloader=lambda _source: [_load_or_tell()],
    )


def load(sample: Sample) -> Any:
    """The sample as a volume node, downloaded if need be.

    Raises
    ------
    MedDLError : E506, E404, E408 from the transfer, E601 while it is being downloaded already.
    """
    from MedDLLogic.errors import MedDLError
    from MedDLLogic.models.samples import sample_file

    if sample_file(sample) is None:
        _download(sample)
    path = sample_file(sample)
    if path is None:
        raise MedDLError("E506", "the sample did not arrive")
    return slicer.util.loadVolume(str(path), {"name": NODE_NAME})


def _download(sample: Sample) -> None:
    from MedDLLogic.errors import MedDLError
    from MedDLLogic.jobs.errand import run_errand

    from .launch import module_launch

    if sample.name in _downloading:
        raise MedDLError("E601", "the sample is being downloaded", "", "it opens when it is here")
    _downloading.add(sample.name)
    try:
        run_errand(module_launch("MedDLLib.fetch", "sample", sample.name), _show)
    finally:
        _downloading.remove(sample.name)


def _load_or_tell() -> Any:
    from MedDLLogic.models.samples import find_sample

    with slicer.util.tryWithErrorDisplay(_("The sample could not be loaded.")):
        return load(find_sample(SAMPLE))


def _show(event: Event) -> None:
    from MedDLLogic.events import Progress

    if isinstance(event, Progress):
        text = _("Downloading the sample: {percent} %").format(percent=round(100 * event.fraction))
        slicer.util.showStatusMessage(text, 1000)
        slicer.app.processEvents()

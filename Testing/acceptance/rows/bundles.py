"""MONAI bundles and Auto3DSeg archives: labels here against MONAI's own on the same weights and image."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from Testing.acceptance.row import Outcome, Row

MIN_DICE = 0.999
IMAGE = ("ct", "totalsegmentator", "example_ct.nii.gz")
SMALL_VOXELS, SMALL_PATCH, FULL_PATCH = 40, 24, 96


def _bundle(patch: int, size: int | None) -> Outcome:
    """The Model Zoo's spleen bundle as its configuration stands, but for the number of features and the weights."""
    from Testing.models.imports.against_monai import added, agreement, bundle_card
    from Testing.models.imports.bundles import INFERER, configuration, labels_of_monai, make_bundle

    with _scratch() as folder:
        image = _image(folder, size)
        inferer = INFERER | {"roi_size": [patch] * 3}
        bundle = make_bundle(folder / "bundle", configuration(inferer=inferer, spacing=[1.5, 1.5, 2.0]))
        foreign = bundle_card(bundle)
        found = agreement(foreign, added(foreign, folder / "card"), [image], *labels_of_monai(bundle, image))
    return _judged(found)


def _auto3dseg(patch: int, size: int | None, spacing_mm: float) -> Outcome:
    """A segresnet of Auto3DSeg with its own sliding window, orientation, spacing and intensities."""
    from MedDLLogic.models.imports.auto3dseg import READER
    from MedDLLogic.models.imports.tree import open_tree
    from Testing.models.imports.against_monai import added, agreement
    from Testing.models.imports.auto3dseg_files import CONFIG, labels_of_monai, make_zip

    with _scratch() as folder:
        image = _image(folder, size)
        config = CONFIG | {"crop_foreground": False, "resample_resolution": [spacing_mm] * 3, "roi_size": [patch] * 3}
        foreign = READER.read(open_tree(make_zip(folder / "model.zip", config)), "organs")
        found = agreement(foreign, added(foreign, folder / "card"), [image], *labels_of_monai(config, image))
    return _judged(found)


def _judged(found) -> Outcome:
    dice = ", ".join(f"{name} {value:.5f}" for name, value in found.dice.items())
    figure = f"Dice {dice}; {found.differing} of {sum(found.voxels.values())} voxels differ"
    figure += f"; network input within {found.input_difference:.0e}"
    return Outcome(figure, found.worst >= MIN_DICE and min(found.voxels.values()) > 0)


def _image(folder: Path, size: int | None) -> Path:
    """A CT of the larger real data, the head that ships as a sample where these are not here."""
    from MedDLLogic.models.samples import find_sample, get_sample
    from Testing.models.imports.bundles import small_image

    root = os.environ.get("MEDDL_DATA")
    source = Path(root, *IMAGE) if root else get_sample(find_sample("head-t1"))
    return source if size is None else small_image(source, folder / "image.nii.gz", size)


@contextmanager
def _scratch() -> Iterator[Path]:
    before = os.environ.get("MEDDL_HOME")
    with tempfile.TemporaryDirectory(prefix="meddl-row-") as name:
        os.environ["MEDDL_HOME"] = str(Path(name, "home"))
        try:
            yield Path(name)
        finally:
            os.environ.pop("MEDDL_HOME")
            if before is not None:
                os.environ["MEDDL_HOME"] = before


ROWS = (
    Row(
        "bundles",
        "MONAI bundle (RAS, 1.5 x 1.5 x 2 mm, HU window, U-Net) against MONAI's own components, random weights",
        "Dice >= 0.999 for each segment",
        lambda: _bundle(SMALL_PATCH, SMALL_VOXELS),
        lambda: _bundle(FULL_PATCH, None),
        is_in_suite=True,
    ),
    Row(
        "auto3dseg",
        "Auto3DSeg archive (segresnet, gaussian 0.625) against MONAI's own transforms and inferer, random weights",
        "Dice >= 0.999 for each segment",
        lambda: _auto3dseg(SMALL_PATCH, SMALL_VOXELS, 4.0),
        lambda: _auto3dseg(FULL_PATCH, None, 2.0),
        is_in_suite=True,
    ),
)

"""The labels of a bundle run here are those that MONAI's own components give, on a real image."""

import pytest

from .against_monai import added, agreement, bundle_card
from .bundles import (
    INFERER,
    POSTPROCESSING,
    PREPROCESSING,
    UNET,
    composed,
    configuration,
    labels_of_monai,
    make_bundle,
    small_image,
)

BODY = ("ct", "totalsegmentator", "example_ct_sm.nii.gz")
SIGMOIDS = [
    {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
    POSTPROCESSING[1],
    {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
]
LABELS_BACK = [POSTPROCESSING[0], POSTPROCESSING[2], POSTPROCESSING[1] | {"nearest_interp": True}]
PLANES = {"_target_": "SliceInferer", "roi_size": [40, 32], "spatial_dim": 2}
VARIANTS = {
    "spleen": {},
    "gaussian weights": {"inferer": INFERER | {"mode": "gaussian", "roi_size": [24, 32, 16]}},
    "labels interpolated": {"postprocessing": composed(*LABELS_BACK), "spacing": [3.3, 2.9, 4.1]},
    "channels one by one": {"postprocessing": composed(*SIGMOIDS), "network_def": UNET | {"norm": ["GROUP", {"num_groups": 1}]}},
    "planes": {"network_def": UNET | {"spatial_dims": 2}, "inferer": PLANES},
    "as stored, whole": {
        "preprocessing": composed(*PREPROCESSING[:2], *PREPROCESSING[4:], {"_target_": "DivisiblePadd", "keys": "image", "k": 4}),
        "inferer": {"_target_": "SimpleInferer"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_labels_are_those_of_monai(real_data, own_home, tmp_path, name):
    image = small_image(real_data(*BODY), tmp_path / "image.nii.gz")
    bundle = make_bundle(tmp_path / "bundle", configuration(**VARIANTS[name]))
    foreign = bundle_card(bundle)
    labels, given = labels_of_monai(bundle, image)
    found = agreement(foreign, added(foreign, tmp_path / "card"), [image], labels, given)
    assert found.worst >= 0.999 and min(found.voxels.values()) > 500

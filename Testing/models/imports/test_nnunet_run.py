"""An nnU-Net model gives the labels that nnU-Net's way, written down plainly, gives too."""

import pytest

from .nnunet_cases import CASES, agreement


@pytest.mark.parametrize("name", CASES)
def test_labels_are_those_of_the_plain_way(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDL_HOME", str(tmp_path / "home"))
    assert agreement(CASES[name], tmp_path / name) >= 0.999

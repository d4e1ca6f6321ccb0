"""A device asked for by name is used or refused, never replaced."""

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.device import choose_device


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == "cpu"


def test_auto_takes_the_first_gpu_if_there_is_one():
    assert choose_device("auto") == ("cuda:0" if torch.cuda.is_available() else choose_device("auto"))


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(MedDLError, match="E504"):
        choose_device("cuda:99")


def test_a_name_that_is_no_device_is_refused():
    with pytest.raises(MedDLError, match="E101"):
        choose_device("fast")

"""A device asked for by name is used or refused, never replaced."""

import subprocess
import sys

import pytest
import torch

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference.device import choose_device, device_names, may_have_gpu


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == "cpu"


def first_device():
    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def test_auto_takes_the_first_gpu_if_there_is_one():
    assert choose_device("auto") == first_device()


def test_a_machine_with_a_gpu_has_signs_of_it():
    assert may_have_gpu() or first_device() == "cpu"


def test_signs_of_a_gpu_that_torch_cannot_use_end_on_the_cpu(monkeypatch):
    monkeypatch.setattr("MedDLLogic.inference.device.may_have_gpu", lambda: True)
    assert choose_device("auto") == first_device() and device_names()[-1] == "cpu"


QUIET = """
import sys
from MedDLLogic.inference import device
device.may_have_gpu = lambda: False
device.set_seed(3)
device.forget_peak("cpu")
print(device.choose_device("auto"), device.device_names(), device.device_peak_bytes("cpu"), "torch" in sys.modules, end="")
"""


def test_where_no_gpu_can_be_torch_is_not_asked():
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert done.stdout == "cpu ('cpu',) None False"


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(MedDLError, match="E504"):
        choose_device("cuda:99")


def test_a_name_that_is_no_device_is_refused():
    with pytest.raises(MedDLError, match="E101"):
        choose_device("fast")

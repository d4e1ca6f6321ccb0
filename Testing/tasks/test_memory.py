"""Memory as measured, and as the formula has it."""

import subprocess
import sys

import pytest

from MedDLLogic.tasks.memory import StageSizes, estimated_bytes, peak_bytes

GROW = """
import numpy as np
from MedDLLogic.tasks.memory import peak_bytes
before = peak_bytes()
np.ones(25_000_000)
print(peak_bytes() - before)
"""


def test_the_peak_rises_by_what_was_held_though_it_is_gone_by_now():
    told = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True, check=True)
    assert int(told.stdout) == pytest.approx(200e6, rel=0.05)


def test_the_peak_is_that_of_this_process_in_bytes():
    assert 20e6 < peak_bytes() < 200e9


STAGE = StageSizes(inputs=1, channels=4, shape_kji=(240, 240, 236), tile_kji=(240, 240, 236), width=8)


def test_the_formula_is_near_what_the_tissue_card_was_measured_to_take_on_a_whole_head():
    assert estimated_bytes(13_600_000, 1, [STAGE], on_gpu=False) == pytest.approx(4.65e9, rel=0.2)


def test_patches_take_less_and_a_graphics_card_holds_no_image():
    patches = StageSizes(inputs=1, channels=4, shape_kji=(240, 240, 236), tile_kji=(96, 96, 96), width=8)
    whole, tiled = (estimated_bytes(13_600_000, 1, [stage], on_gpu=False) for stage in (STAGE, patches))
    assert estimated_bytes(13_600_000, 1, [patches], on_gpu=True) < tiled / 4 < whole

"""How many patches there are, counted against the engine itself, and what quality makes of a tiling."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.inference.patches import FINE_OVERLAP, tile_count, tile_shape, tiling_for
from MedDLLogic.inference.tiles import predict_volume
from MedDLLogic.models.card import Tiling

sizes = st.tuples(*[st.integers(1, 40)] * 3)


class Counting:
    """An engine that counts its calls and gives its input back."""

    device = "cpu"

    def __init__(self):
        self.shapes = []

    def predict(self, batch, side, on_progress):
        self.shapes += [tuple(patch.shape[1:]) for patch in batch]
        return batch.clone()


def calls(shape_kji, tiling):
    engine = Counting()
    with torch.inference_mode():
        predict_volume(engine, np.zeros((1, *shape_kji), np.float32), {}, tiling, lambda part: None)
    return engine.shapes


@settings(max_examples=60, deadline=None)
@given(sizes, st.tuples(*[st.integers(4, 24)] * 3), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.625, 0.75]))
def test_the_count_of_tiles_is_that_of_the_engines_calls(shape_kji, patch_kji, overlap):
    tiling = Tiling(patch_kji, overlap)
    made = calls(shape_kji, tiling)
    assert len(made) == tile_count(shape_kji, tiling)
    assert set(made) == {tile_shape(shape_kji, tiling)}


def test_a_network_without_patches_is_called_once_with_all():
    assert calls((9, 8, 7), Tiling()) == [tile_shape((9, 8, 7), Tiling())] == [(9, 8, 7)]
    assert tile_count((9, 8, 7), Tiling()) == 1


@pytest.mark.parametrize(("overlap", "fast", "fine"), [(0.5, 0.25, 0.75), (0.25, 0.125, 0.625), (0.8, 0.4, 0.8)])
def test_fast_halves_the_overlap_and_fine_halves_the_step(overlap, fast, fine):
    tiling = Tiling((8, 8, 8), overlap)
    assert tiling_for(tiling, "standard") == tiling
    assert [tiling_for(tiling, quality).overlap for quality in ("fast", "fine")] == [fast, fine]
    assert fine <= max(FINE_OVERLAP, overlap)


@given(sizes, st.floats(0, 0.9))
def test_fast_never_has_more_tiles_than_standard_nor_standard_more_than_fine(shape_kji, overlap):
    counts = [tile_count(shape_kji, tiling_for(Tiling((8, 8, 8), overlap), q)) for q in ("fast", "standard", "fine")]
    assert counts == sorted(counts)


def test_quality_changes_nothing_where_the_network_takes_the_whole_volume():
    assert tiling_for(Tiling(), "fast") == tiling_for(Tiling(), "fine") == Tiling()

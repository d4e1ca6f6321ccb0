"""How many patches there are, counted against the engine itself, and what quality makes of a tiling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.inference.patches import FINE_OVERLAP, tile_count, tile_shape, tiling_for
from MedDLLogic.inference.sliding import slide
from MedDLLogic.models.card import Tiling

from .slow_engine import Kept, Points

sizes = st.tuples(*[st.integers(1, 24)] * 3)
overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.625, 0.75])


def calls(shape_kji, tiling):
    network = Points(1)
    slide(network, np.zeros((1, *shape_kji), np.float32), {}, tiling, (0, 1, 2), Kept(), lambda part: None)
    return network.shapes


@settings(max_examples=40, deadline=None)
@given(sizes, st.tuples(*[st.integers(4, 16)] * 3), overlaps, st.sampled_from(["regular", "even"]))
def test_the_count_of_tiles_is_that_of_the_engines_calls(shape_kji, patch_kji, overlap, placement):
    tiling = Tiling(patch_kji, overlap, placement=placement)
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


@given(sizes, st.floats(0, 0.9), st.sampled_from(["regular", "even"]))
def test_fast_never_has_more_tiles_than_standard_nor_standard_more_than_fine(shape_kji, overlap, placement):
    tiling = Tiling((8, 8, 8), overlap, placement=placement)
    counts = [tile_count(shape_kji, tiling_for(tiling, quality)) for quality in ("fast", "standard", "fine")]
    assert counts == sorted(counts)


def test_quality_changes_nothing_where_the_network_takes_the_whole_volume():
    assert tiling_for(Tiling(), "fast") == tiling_for(Tiling(), "fine") == Tiling()

"""Labels on the input's grid against trilinear interpolation of every channel, done by scipy voxel by voxel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from MedDLLogic.inference.decode import Decoding
from MedDLLogic.models.card import Decode
from MedDLLogic.preprocess.grid import index_map, regrid

from ..geometries import AXIS_ORDERS, grid, stored_as

CHANNELS = ("", "a", "b", "c")
BRIGHT = Decode("argmax", ("", "a"))
few = settings(max_examples=40, deadline=None)
sizes = st.tuples(*[st.integers(1, 9)] * 3)
orders = st.sampled_from(AXIS_ORDERS)
engine_axes = st.sampled_from([(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)])


def blobs(shape_kji, channels=4, seed=0):
    """(k, j, i, channel) float32 noise, coarse enough for cells that agree."""
    coarse = np.random.default_rng(seed).normal(size=(*(-(-n // 3) for n in shape_kji), channels)).astype(np.float32)
    fine = coarse.repeat(3, 0).repeat(3, 1).repeat(3, 2)[: shape_kji[0], : shape_kji[1], : shape_kji[2]]
    return fine + np.random.default_rng(seed + 1).normal(scale=0.2, size=fine.shape).astype(np.float32)


def interpolated(values, working, native):
    """(k, j, i, channel) float64 values at the native voxels, and where these lie on the working grid."""
    matrix = index_map(native, working)
    k, j, i = np.indices(native.shape_kji)
    places = np.tensordot(matrix[:3, :3], np.stack([i, j, k]), 1) + matrix[:3, 3, None, None, None]
    covered = np.all(
        [(p + 1e-6 >= -0.5) & (p - 1e-6 <= n - 0.5) for p, n in zip(places[::-1], working.shape_kji, strict=True)],
        axis=0,
    )
    found = [
        map_coordinates(v.astype(float), places[::-1], order=1, mode="nearest") for v in np.moveaxis(values, -1, 0)
    ]
    return np.stack(found, axis=-1), covered


def restored(values, working, native, axes=(0, 1, 2), rule=None, cuts=(), **options):
    rule = rule or Decode("argmax", CHANNELS)
    planes = np.ascontiguousarray(values.transpose(*axes, 3))
    decoding = Decoding(rule, {}, working, native, axes, allocate=np.zeros, **options)
    for start, stop in zip((0, *cuts), (*cuts, len(planes)), strict=True):
        decoding.take(planes[max(0, start - 1) : stop], max(0, start - 1))
    return decoding.finish()


def assert_as_interpolated(values, working, native, axes=(0, 1, 2)):
    """Labels are those of the dense way but where two channels are as strong to the last digits."""
    labels = restored(values, working, native, axes).masks.volumes[0]
    dense, covered = interpolated(values, working, native)
    two = np.sort(dense, axis=-1)[..., -2:]
    clear = two[..., 1] - two[..., 0] > 1e-5
    assert not labels[~covered].any()
    assert np.array_equal(labels[covered & clear], dense.argmax(-1)[covered & clear])


@few
@given(sizes, sizes, orders, engine_axes, st.tuples(*[st.floats(-1.5, 1.5)] * 3), st.tuples(*[st.floats(0.4, 2.5)] * 3))
def test_labels_are_those_of_trilinear_interpolation(size, native_size, order, axes, shift, scale):
    working = grid(size, scale, degrees=(11, -7, 20), origin=shift)
    _, native = stored_as(np.zeros(native_size), grid(native_size, degrees=(11, -7, 20)), *order)
    assert_as_interpolated(blobs(size), working, native, axes)


@few
@given(sizes, sizes, engine_axes, st.tuples(*[st.floats(-40, 40)] * 3), st.tuples(*[st.floats(0.4, 2.5)] * 3))
def test_labels_of_a_turned_grid_are_those_of_trilinear_interpolation(size, native_size, axes, degrees, scale):
    working = grid(size, scale, degrees, origin=(0.3, -0.7, 1.1))
    assert_as_interpolated(blobs(size), working, grid(native_size), axes)


@few
@given(sizes, orders, engine_axes, st.tuples(*[st.integers(-3, 5)] * 3), sizes)
def test_a_grid_that_only_reorders_crops_and_pads_gives_the_very_labels(size, order, axes, start, cropped):
    _, stored = stored_as(np.zeros(size), grid(size), *order)
    native = stored.cropped(start, cropped)
    expected = regrid(blobs(size).argmax(-1).astype(np.uint8), grid(size), native)
    assert np.array_equal(restored(blobs(size), grid(size), native, axes).masks.volumes[0], expected)


@few
@given(sizes, sizes, orders, st.tuples(*[st.floats(-40, 40)] * 3) | st.just((0, 0, 0)))
def test_nearest_takes_the_label_of_the_nearest_voxel(size, native_size, order, degrees):
    working = grid(size, (1.3, 0.7, 1.0), degrees)  # no voxel lies on an outer face
    _, native = stored_as(np.zeros(native_size), grid(native_size), *order)
    rule = Decode("argmax", CHANNELS, restore="nearest")
    expected = regrid(blobs(size).argmax(-1).astype(np.uint8), working, native, "nearest")
    found = restored(blobs(size), working, native, rule=rule).masks.volumes[0]
    assert np.array_equal(found[~on_a_face(native, working)], expected[~on_a_face(native, working)])


def on_a_face(native, working):
    """(k, j, i) whether a native voxel's center lies on an outer face of the working grid."""
    k, j, i = np.indices(native.shape_kji).reshape(3, -1)
    at = working.ijk_of(native.lps_of(np.stack([i, j, k], axis=1)))
    beyond = np.abs(np.abs(at - (np.array(working.shape_kji[::-1]) - 1) / 2) * 2 - working.shape_kji[::-1])
    return (beyond < 1e-4).any(axis=1).reshape(native.shape_kji)


@pytest.mark.parametrize("rule", ["nearest", "linear"])
def test_a_plane_on_an_outer_face_is_covered(rule):
    working, native = grid((2, 1, 1), (1.0, 1.0, 2.0)), grid((4, 1, 1))
    native = native.transformed(working.ijk_to_lps @ np.diag([1, 1, 0.5, 1]) @ np.linalg.inv(native.ijk_to_lps))
    planes = np.zeros((2, 1, 1, len(CHANNELS)), dtype=np.float32)
    planes[1, ..., 1] = 1
    labels = restored(planes, working, native, rule=Decode("argmax", CHANNELS, restore=rule)).masks.volumes[0]
    assert labels[3, 0, 0] == 1


@few
@given(st.tuples(st.integers(2, 12), st.integers(1, 5), st.integers(1, 5)), st.integers(1, 20), st.data())
def test_planes_in_any_pieces_give_the_same_bytes(size, depth, data):
    native = grid(size).resized((depth, 7, 6))
    cuts = tuple(sorted(data.draw(st.sets(st.integers(1, size[0] - 1), max_size=4))))
    whole, pieces = (
        restored(blobs(size), grid(size), native, cuts=c, uncertainty=True, probabilities_of={"a"}) for c in ((), cuts)
    )
    assert whole.masks.volumes[0].tobytes() == pieces.masks.volumes[0].tobytes()
    assert whole.probabilities["a"].tobytes() == pieces.probabilities["a"].tobytes()
    assert whole.uncertainty["entropy"].tobytes() == pieces.uncertainty["entropy"].tobytes()


@pytest.mark.parametrize("degrees", [(0, 0, 0), (10, 20, 30)], ids=["straight", "turned"])
def test_each_thresholded_channel_is_interpolated_by_itself(degrees):
    values, working, native = blobs((7, 8, 9), 3), grid((7, 8, 9), degrees=degrees), grid((13, 11, 9), (0.7,) * 3)
    made = restored(values, working, native, rule=Decode("threshold", ("a", "", "b"), threshold=0.1))
    dense, covered = interpolated(values, working, native)
    for name, channel in (("a", 0), ("b", 2)):
        clear = covered & (np.abs(dense[..., channel] - 0.1) > 1e-5)
        assert np.array_equal(made.masks[name][clear], dense[clear][:, channel] > 0.1)
        assert not made.masks[name][~covered].any()


@pytest.mark.parametrize("degrees", [(0, 0, 0), (10, 20, 30)], ids=["straight", "turned"])
def test_probabilities_are_interpolated_linearly(degrees):
    values, working = np.abs(blobs((7, 8, 9))), grid((7, 8, 9), degrees=degrees)
    values /= values.sum(axis=-1, keepdims=True)
    _, native = stored_as(np.zeros((13, 11, 9)), grid((13, 11, 9), (0.7,) * 3), (2, 0, 1), (True, False, True))
    made = restored(values, working, native, (1, 0, 2), probabilities_of={"b"})
    dense, covered = interpolated(values, working, native)
    assert np.allclose(made.probabilities["b"], np.where(covered, dense[..., 2], 0), atol=1e-5)


def test_a_tie_goes_to_the_first_channel():
    values = np.zeros((4, 4, 4, 4), np.float32)
    values[..., 1:] = blobs((4, 4, 4), 1)  # three channels that are equal everywhere
    labels = restored(values, grid((4, 4, 4)), grid((9, 9, 9), (0.44,) * 3)).masks.volumes[0]
    assert set(np.unique(labels)) == {0, 1}


def test_beyond_the_outer_centers_the_edge_goes_on_up_to_the_outer_faces():
    values = np.stack([np.zeros((1, 1, 2)), np.ones((1, 1, 2))], axis=-1).astype(np.float32)
    native = grid((1, 1, 40), (0.1, 1, 1), origin=(-0.95, 0, 0))
    labels = restored(values, grid((1, 1, 2)), native, rule=Decode("argmax", ("", "a"))).masks.volumes[0]
    assert np.flatnonzero(labels[0, 0]).tolist() == list(range(5, 25))


def test_numbers_may_be_written_to_files(tmp_path):
    made = []

    def on_disk(shape, dtype):
        made.append(np.lib.format.open_memmap(tmp_path / f"{len(made)}.npy", "w+", dtype, shape))
        return made[-1]

    decoding = Decoding(
        Decode("argmax", CHANNELS), {}, grid((4, 4, 4)), grid((4, 4, 4)), (0, 1, 2), allocate=on_disk, uncertainty=True
    )
    decoding.take(blobs((4, 4, 4)), 0)
    assert decoding.finish().uncertainty["entropy"] is made[0] and made[0].any()


@pytest.mark.parametrize("degrees", [(0, 0, 0), (0, 0, 30)], ids=["straight", "turned"])
def test_a_voxel_on_an_outer_face_belongs_to_the_grid(degrees):
    values = np.stack([np.zeros((3, 1, 1)), np.ones((3, 1, 1))], axis=-1).astype(np.float32)
    labels = restored(values, grid((3, 1, 1), (1, 1, 2), degrees), grid((8, 1, 1), origin=(0, 0, -2)), rule=BRIGHT)
    assert labels.masks["a"][:, 0, 0].tolist() == [False, True, True, True, True, True, True, True]

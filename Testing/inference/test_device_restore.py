"""Restoring on a device gives the labels and numbers that restoring with arrays gives; tried on the CPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from MedDLLogic.errors import MedDLError
from MedDLLogic.inference import device_copies, restore
from MedDLLogic.inference.cells import Rule
from MedDLLogic.inference.device_copies import Downloads, device_errors, free_bytes
from MedDLLogic.inference.device_restore import DeviceLabels, DeviceNumbers, DeviceRoute
from MedDLLogic.inference.restore import route_between

from ..geometries import axis_orders, grid, stored_as

VALUES = np.array([0, 3, 300, 7], dtype=np.uint16)
ARGMAX = Rule(lambda rows: rows.argmax(axis=-1)[None], VALUES)
ABOVE = Rule(lambda rows: np.moveaxis(rows[..., 1:] > 0.2, -1, 0).astype(np.uint8), np.array([0, 1], np.uint8), 3)
SLACK = 1e-5
axes_of_planes = st.permutations(range(3)).map(tuple)


def argmax_codes(values):
    return values.argmax(dim=-1)[None]


def above_codes(values):
    return (values[..., 1:] > 0.2).movedim(-1, 0).long()


def grids(order, flips, spacing):
    working = grid((7, 6, 9), (1.0, 1.3, 0.9), origin=(3, -2, 5))
    native = working.respaced(spacing).cropped((-1, 1, 0), (9, 6, 12))
    return working, stored_as(np.zeros(native.shape_kji, np.uint8), native, order, flips)[1]


def planes_of(working, axes):
    smooth = np.random.default_rng(1).normal(size=(*working.shape_kji, 4)).astype(np.float32)
    return np.ascontiguousarray(smooth.transpose(*axes, 3))


def fed(sink, planes, cuts=(0, 3, 4)):
    """In three parts, each but the first after the last plane of the one before."""
    for start, stop in zip(cuts, [*cuts[1:], len(planes)], strict=True):
        first = max(0, start - 1)
        sink.take(planes[first:stop], first)
    return sink.finish() if hasattr(sink, "finish") else None  # numbers are where they belong


def by_device(route, work_bytes=1 << 20):
    device_copies.HOST_WORK_BYTES = work_bytes
    return DeviceRoute(route, "cpu")


@pytest.fixture(autouse=True)
def _work_bytes(monkeypatch):
    monkeypatch.setattr(device_copies, "HOST_WORK_BYTES", device_copies.HOST_WORK_BYTES)


spacings = st.tuples(*[st.sampled_from([0.4, 0.9, 1.0, 1.3, 2.5])] * 3)
routes = st.tuples(axis_orders, axes_of_planes, spacings, st.sampled_from(["linear", "nearest"]))


@settings(max_examples=60, deadline=None)
@given(routes, st.sampled_from([1, 5000, 1 << 20]))
def test_labels_are_those_of_arrays_but_where_two_classes_tie(routed, work_bytes):
    (order, flips), axes, spacing, interpolation = routed
    working, native = grids(order, flips, spacing)
    route, planes = route_between(working, native, axes, interpolation), planes_of(working, axes)
    for rule, codes in ((ARGMAX, argmax_codes), (ABOVE, above_codes)):
        expected = fed(restore.StreamedLabels(rule, route, native.shape_kji), planes)
        on = by_device(route, work_bytes)
        sink = DeviceLabels(codes, rule.values, rule.volumes, route, native.shape_kji, on)
        found = fed(sink, torch.from_numpy(planes))
        assert all(a.dtype == b.dtype for a, b in zip(found, expected, strict=True))
        differ = [np.argwhere(a != b) for a, b in zip(found, expected, strict=True)]
        assert sum(map(len, differ)) <= ties(route, planes, native, rule is ARGMAX)


def ties(route, planes, native, is_argmax):
    """Native voxels at which rounding may decide."""
    volumes = tuple(np.full(native.shape_kji, n, dtype=np.float32) for n in (9, 0, 0, 0))
    fed(restore.StreamedNumbers(route, volumes, planes.shape[1:3]), planes)
    if is_argmax:
        first, second = np.sort(np.stack(volumes), axis=0)[[-1, -2]]
        return int((first - second < SLACK).sum())
    return int((np.abs(np.stack(volumes[1:]) - 0.2) < SLACK).sum())


@settings(max_examples=30, deadline=None)
@given(routes, st.sampled_from([1, 1 << 20]))
def test_numbers_are_those_of_arrays(routed, work_bytes):
    (order, flips), axes, spacing, _ = routed
    working, native = grids(order, flips, spacing)
    route, planes = route_between(working, native, axes, "linear"), planes_of(working, axes)
    expected, found = (tuple(np.full(native.shape_kji, -1, np.float32) for _ in range(4)) for _ in range(2))
    fed(restore.StreamedNumbers(route, expected, planes.shape[1:3]), planes)
    fed(DeviceNumbers(route, found, by_device(route, work_bytes)), torch.from_numpy(planes))
    np.testing.assert_allclose(np.stack(found), np.stack(expected), atol=1e-5)


def test_a_grid_that_lies_elsewhere_gets_nothing():
    working = grid((7, 6, 9))
    native = grid((4, 4, 4), origin=(100, 0, 0))
    route = route_between(working, native, (0, 1, 2), "linear")
    sink = DeviceLabels(argmax_codes, VALUES, 1, route, native.shape_kji, by_device(route))
    assert not fed(sink, torch.from_numpy(planes_of(working, (0, 1, 2))))[0].any()


def test_what_comes_down_is_received_by_the_end():
    received = []
    downloads = Downloads("cpu")
    for n in range(5):
        downloads.send(torch.full((2,), n), lambda values: received.append(values.tolist()))
    downloads.finish()
    assert received == [[n, n] for n in range(5)] and free_bytes("cpu") is None


@pytest.mark.parametrize(
    ("error", "code"), [(torch.OutOfMemoryError("CUDA out of memory"), "E502"), (MemoryError(), "E502")]
)
def test_lack_of_memory_beside_the_network_has_its_code_too(error, code):
    with pytest.raises(MedDLError, match=code), device_errors():
        raise error

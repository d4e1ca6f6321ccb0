"""Grids for property tests: oblique, anisotropic, sheared, and stored in all 48 orders of the axes."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st

from MedDLLogic.geometry import Geometry, orientation_of

AXIS_ORDERS = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]


def grid(shape_kji=(4, 5, 6), spacing_ijk_mm=(1.0, 1.0, 1.0), degrees=(0.0, 0.0, 0.0), origin=(0.0, 0.0, 0.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = _turned(degrees) * spacing_ijk_mm
    matrix[:3, 3] = origin
    return Geometry(shape_kji, matrix)


def _turned(degrees):
    """Rotation about x, then y, then z; numpy alone, since these tests run with what Slicer's Python has too."""
    about_x, about_y, about_z = np.radians(degrees)
    (a, b), (c, d), (e, f) = ((np.cos(angle), np.sin(angle)) for angle in (about_x, about_y, about_z))
    x = np.array([[1, 0, 0], [0, a, -b], [0, b, a]])
    y = np.array([[c, 0, d], [0, 1, 0], [-d, 0, c]])
    z = np.array([[e, -f, 0], [f, e, 0], [0, 0, 1]])
    return z @ y @ x


def stored_as(voxels, geometry, order, flips):
    """The same anatomy with the axes of the array in another order, and some of them running backwards."""
    view = voxels.transpose(order)
    new_to_old_kji = np.eye(4)[:, [*order, 3]]
    for axis, flipped in enumerate(flips):
        if flipped:
            view = np.flip(view, axis)
            new_to_old_kji[:, 3] += (view.shape[axis] - 1) * new_to_old_kji[:, axis]
            new_to_old_kji[:, axis] *= -1
    reverse = [2, 1, 0, 3]
    matrix = geometry.ijk_to_lps @ new_to_old_kji[reverse][:, reverse]
    return view.copy(), Geometry(view.shape, matrix, geometry.frame)


def numbered(shape_kji, dtype=np.int32):
    """A volume in which every voxel has another value, none of them 0."""
    return np.arange(1, np.prod(shape_kji) + 1, dtype=dtype).reshape(shape_kji)


shapes = st.tuples(*[st.integers(1, 9)] * 3)
spacings = st.tuples(*[st.floats(0.2, 5.0)] * 3)
tilts = st.tuples(*[st.floats(-20.0, 20.0)] * 3)
origins = st.tuples(*[st.floats(-500.0, 500.0)] * 3)
oblique_grids = st.builds(grid, shapes, spacings, tilts, origins)
axis_orders = st.sampled_from(AXIS_ORDERS)
codes = st.sampled_from(
    [orientation_of(np.diag([*signs, 1.0])[:, [*order, 3]]) for order in permutations(range(3))
     for signs in product((-1.0, 1.0), repeat=3)]
)  # fmt: skip

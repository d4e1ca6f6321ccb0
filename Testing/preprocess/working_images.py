"""Small images to carry steps out on."""

from __future__ import annotations

import numpy as np

from MedDLLogic.geometry import PATIENT, UNKNOWN, Geometry
from MedDLLogic.image import Image
from MedDLLogic.preprocess.run import apply_recipe
from MedDLLogic.preprocess.working import Working
from Testing.geometries import grid, numbered


def working(voxels, geometry=None, **masks):
    """A working image of (k, j, i) or (channel, k, j, i) voxels, on a grid of 1 mm unless one is given."""
    voxels = np.asarray(voxels)
    channels = voxels if voxels.ndim == 4 else voxels[None]
    names = tuple(f"channel {n}" for n in range(len(channels)))
    return Working(Image(channels, geometry or grid(channels.shape[1:]), names), masks)


def counted(shape_kji=(4, 5, 6), geometry=None, **masks):
    return working(numbered(shape_kji, np.float32), geometry or grid(shape_kji), **masks)


def a_ball(shape_kji=(20, 22, 24), radius=6.0, center_kji=(9.0, 10.0, 12.0)):
    """(k, j, i) mask of a ball."""
    away = np.indices(shape_kji) - np.reshape(center_kji, (3, 1, 1, 1))
    return np.asarray((away**2).sum(axis=0) <= radius**2)


def noise(shape_kji=(12, 14, 16), mean=100.0, deviation=20.0):
    return np.random.default_rng(7).normal(mean, deviation, shape_kji).astype(np.float32)


def a_picture(height=24, width=32):
    """A 2-D image whose place in the patient nobody knows."""
    return working(noise((1, height, width)), Geometry((1, height, width), np.eye(4), UNKNOWN))


def a_plane(height=24, width=32):
    """A single slice of a patient, 5 mm thick."""
    return working(noise((1, height, width)), Geometry((1, height, width), np.diag([1.0, 1.0, 5.0, 1.0]), PATIENT))


def after(step, image):
    """The working image after one step."""
    return apply_recipe((step,), image)[0]


def found_by(step, image):
    """What one step recorded."""
    return apply_recipe((step,), image)[1][0].found

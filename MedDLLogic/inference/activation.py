"""Numbers of a network to probabilities, channels last, and how undecided these are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.special import entr, expit

from .backend import Floats

_BLOCK_BYTES = 1 << 19
"""Voxels are worked on in blocks that stay in the processor's cache."""

_FEW = 32
"""With fewer channels than this numpy is faster along long rows of voxels than along short ones of channels."""


def softmax(planes: Floats) -> None:
    """Turn (..., channel) logits into probabilities that sum to 1, in place; the array is contiguous."""
    for rows in _blocks(planes):
        if rows.shape[1] > _FEW:
            _softmax(rows, 1)
        else:
            channels = np.ascontiguousarray(rows.T)
            _softmax(channels, 0)
            rows[...] = channels.T


def sigmoid(planes: Floats) -> None:
    """Turn (..., channel) logits into probabilities of their own, in place."""
    expit(planes, out=planes)


def is_distribution(planes: Floats) -> bool:
    """Whether the (..., channel) numbers of every voxel are probabilities that sum to 1."""
    return bool((planes >= 0).all() and np.abs(planes.sum(axis=-1) - 1).max() < 1e-3)


def entropy_of_classes(plane: Floats) -> Floats:
    """(h, w) entropy of (h, w, channel) probabilities, 0 for a sure voxel to 1 where all classes are as likely.

    Probabilities that do not sum to 1 count as their share of the sum.
    """
    if plane.shape[-1] == 1:
        return np.zeros(plane.shape[:-1], dtype=np.float32)
    total = np.maximum(plane.sum(axis=-1), np.finfo(np.float32).tiny)
    entropy = (entr(plane).sum(axis=-1) / total + np.log(total)) / math.log(plane.shape[-1])
    return np.asarray(np.clip(entropy, 0.0, 1.0), dtype=np.float32)


def entropy_of_each(plane: Floats) -> Floats:
    """(h, w) mean over (h, w, channel) probabilities of the entropy of "it is" and "it is not", 0 to 1."""
    sure = np.clip(plane, 0.0, 1.0)
    return np.asarray((entr(sure) + entr(1 - sure)).mean(axis=-1) / math.log(2), dtype=np.float32)


def _softmax(block: Floats, axis: int) -> None:
    block -= block.max(axis=axis, keepdims=True)
    np.exp(block, out=block)
    block /= block.sum(axis=axis, keepdims=True)


def _blocks(planes: Floats) -> Iterator[Floats]:
    rows = planes.reshape(-1, planes.shape[-1])
    step = max(1, _BLOCK_BYTES // (rows.shape[1] * rows.itemsize))
    return (rows[start : start + step] for start in range(0, len(rows), step))

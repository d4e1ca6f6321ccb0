"""Convolutions, and the decoder, that nnU-Net's two networks share, for planes and for volumes.

Isensee et al. 2021 (nnU-Net). The attribute names are those of its files of weights and must stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

Sizes = tuple[int, ...]

# Typed as what makes a module: torch wants a tuple of just as many sizes as there are axes.
_CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORMS = {
    ("instance", 2): nn.InstanceNorm2d,
    ("instance", 3): nn.InstanceNorm3d,
    ("batch", 2): nn.BatchNorm2d,
    ("batch", 3): nn.BatchNorm3d,
}


@dataclass(frozen=True)
class Style:
    """What all convolutions of one network have in common.

    Parameters
    ----------
    dimensions : 2 for planes, 3 for volumes.
    slope : what the leaky activation keeps of values below 0.
    activation_first : activate ahead of the normalization, not after it.
    """

    dimensions: int
    bias: bool
    norm: Literal["instance", "batch", "none"]
    norm_eps: float
    norm_affine: bool
    activation: Literal["leaky_relu", "relu"]
    slope: float
    activation_first: bool = False

    def convolution(
        self, channels_in: int, channels_out: int, kernel: Sizes, stride: Sizes, *, bias: bool
    ) -> nn.Module:
        """One that keeps the size but for its stride; odd kernels."""
        padding = tuple((size - 1) // 2 for size in kernel)
        return _CONVOLUTIONS[self.dimensions](channels_in, channels_out, kernel, stride, padding, bias=bias)

    def enlarging(self, channels_in: int, channels_out: int, stride: Sizes) -> nn.Module:
        """A transposed convolution whose kernels lie side by side."""
        return _TRANSPOSED[self.dimensions](channels_in, channels_out, stride, stride, bias=self.bias)

    def normalization(self, channels: int) -> nn.Module | None:
        """A new one, or None where the network has none."""
        if self.norm == "none":
            return None
        return _NORMS[self.norm, self.dimensions](channels, eps=self.norm_eps, affine=self.norm_affine)

    def activating(self) -> nn.Module:
        """A new activation."""
        return nn.ReLU() if self.activation == "relu" else nn.LeakyReLU(self.slope)


class Convolution(nn.Module):
    """A convolution, its normalization and, if wanted, its activation."""

    def __init__(
        self,
        style: Style,
        channels_in: int,
        channels_out: int,
        kernel: Sizes,
        stride: Sizes,
        *,
        bias: bool | None = None,
        activates: bool = True,
    ) -> None:
        super().__init__()
        self.conv = style.convolution(
            channels_in, channels_out, kernel, stride, bias=style.bias if bias is None else bias
        )
        self.norm = style.normalization(channels_out)
        self.nonlin = style.activating() if activates else None
        self._is_normed_last = style.activation_first

    def forward(self, features: Tensor) -> Tensor:
        """(n, channels_out, ...) of (n, channels_in, ...)."""
        after = (self.nonlin, self.norm) if self._is_normed_last else (self.norm, self.nonlin)
        features = self.conv(features)
        for module in after:
            if module is not None:
                features = module(features)
        return features


class Convolutions(nn.Module):
    """Some in a row; the first one strides."""

    def __init__(
        self, style: Style, count: int, channels_in: int, channels_out: int, kernel: Sizes, stride: Sizes
    ) -> None:
        super().__init__()
        first = Convolution(style, channels_in, channels_out, kernel, stride)
        ones = (1,) * len(stride)
        more = (Convolution(style, channels_out, channels_out, kernel, ones) for _ in range(count - 1))
        self.convs = nn.Sequential(first, *more)

    def forward(self, features: Tensor) -> Tensor:
        """(n, channels_out, ...) of (n, channels_in, ...)."""
        return cast(Tensor, self.convs(features))


class Decoder(nn.Module):
    """From the coarsest features up, each time joined with those that the encoder had at that size.

    Every level has a layer that gives classes, for training; the finest one's answer counts.
    """

    def __init__(
        self,
        style: Style,
        classes: int,
        features: Sizes,
        kernels: tuple[Sizes, ...],
        strides: tuple[Sizes, ...],
        convolutions: Sizes,
    ) -> None:
        super().__init__()
        stages, enlarging, answers = [], [], []
        ones = (1,) * style.dimensions
        for level, count in zip(range(len(features) - 2, -1, -1), convolutions, strict=True):
            width = features[level]
            enlarging.append(style.enlarging(features[level + 1], width, strides[level + 1]))
            stages.append(Convolutions(style, count, 2 * width, width, kernels[level], ones))
            answers.append(style.convolution(width, classes, ones, ones, bias=True))
        self.stages = nn.ModuleList(stages)
        self.transpconvs = nn.ModuleList(enlarging)
        self.seg_layers = nn.ModuleList(answers)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """(n, classes, ...) of the encoder's features, the finest first."""
        features = levels[-1]
        for stage, enlarge, kept in zip(self.stages, self.transpconvs, reversed(levels[:-1]), strict=True):
            features = stage(torch.cat((enlarge(features), kept), 1))
        return cast(Tensor, self.seg_layers[-1](features))

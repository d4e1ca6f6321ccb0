"""nnU-Net's network with a residual encoder (Isensee et al. 2024, nnU-Net Revisited), after ResNet-D."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

from torch import Tensor, nn

from .unet_parts import Convolution, Convolutions, Decoder, Sizes, Style

_AVERAGES: dict[int, Callable[..., nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}


class ResidualEncoderUNet(nn.Module):
    """(n, out_channels, [k,] j, i) logits of (n, in_channels, [k,] j, i) images.

    Each axis must be a multiple of the product of its strides.

    Parameters
    ----------
    dimensions : 2 for planes, 3 for volumes.
    features, kernels, strides, blocks : of each level of the encoder, the finest first.
    decoder_convolutions : of each level of the decoder, the coarsest first.
    stem_features : of the first convolution; 0 for as many as the finest level has.
    """

    def __init__(
        self,
        *,
        dimensions: int,
        in_channels: int,
        out_channels: int,
        features: Sizes,
        kernels: tuple[Sizes, ...],
        strides: tuple[Sizes, ...],
        blocks: Sizes,
        decoder_convolutions: Sizes,
        stem_features: int = 0,
        bias: bool = False,
        norm: Literal["instance", "batch", "none"] = "instance",
        norm_eps: float = 1e-5,
        norm_affine: bool = True,
        activation: Literal["leaky_relu", "relu"] = "leaky_relu",
        slope: float = 0.01,
    ) -> None:
        super().__init__()
        style = Style(dimensions, bias, norm, norm_eps, norm_affine, activation, slope)
        stem = stem_features or features[0]
        self.encoder = _Encoder(style, in_channels, stem, features, kernels, strides, blocks)
        self.decoder = Decoder(style, out_channels, features, kernels, strides, decoder_convolutions)

    def forward(self, image: Tensor) -> Tensor:
        """As the class says."""
        return cast(Tensor, self.decoder(self.encoder(image)))


class _Encoder(nn.Module):
    def __init__(
        self,
        style: Style,
        channels_in: int,
        stem: int,
        features: Sizes,
        kernels: tuple[Sizes, ...],
        strides: tuple[Sizes, ...],
        blocks: Sizes,
    ) -> None:
        super().__init__()
        self.stem = Convolutions(style, 1, channels_in, stem, kernels[0], (1,) * style.dimensions)
        levels = zip((stem, *features[:-1]), features, kernels, strides, blocks, strict=True)
        stages = (
            _Blocks(style, count, before, width, kernel, stride) for before, width, kernel, stride, count in levels
        )
        self.stages = nn.Sequential(*stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of each level, the finest first."""
        features, found = self.stem(image), []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        return found


class _Blocks(nn.Module):
    def __init__(
        self, style: Style, count: int, channels_in: int, channels_out: int, kernel: Sizes, stride: Sizes
    ) -> None:
        super().__init__()
        ones = (1,) * len(stride)
        more = (_Block(style, channels_out, channels_out, kernel, ones) for _ in range(count - 1))
        self.blocks = nn.Sequential(_Block(style, channels_in, channels_out, kernel, stride), *more)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.blocks(features))


class _Block(nn.Module):
    """Two convolutions beside a short cut that averages where they stride."""

    def __init__(self, style: Style, channels_in: int, channels_out: int, kernel: Sizes, stride: Sizes) -> None:
        super().__init__()
        ones = (1,) * len(stride)
        self.conv1 = Convolution(style, channels_in, channels_out, kernel, stride)
        self.conv2 = Convolution(style, channels_out, channels_out, kernel, ones, activates=False)
        self.nonlin2 = style.activating()
        cut: list[nn.Module] = [_AVERAGES[style.dimensions](stride, stride)] if stride != ones else []
        if channels_in != channels_out:
            cut.append(Convolution(style, channels_in, channels_out, ones, ones, bias=False, activates=False))
        self.skip = nn.Sequential(*cut)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.nonlin2(self.conv2(self.conv1(features)) + self.skip(features)))

"""nnU-Net's standard network: a U-Net of plain convolutions."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

from .unet_parts import Convolutions, Decoder, Sizes, Style


class PlainConvUNet(nn.Module):
    """(n, out_channels, [k,] j, i) logits of (n, in_channels, [k,] j, i) images.

    Each axis must be a multiple of the product of its strides.

    Parameters
    ----------
    dimensions : 2 for planes, 3 for volumes.
    features, kernels, strides, convolutions : of each level of the encoder, the finest first.
    decoder_convolutions : of each level of the decoder, the coarsest first.
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
        convolutions: Sizes,
        decoder_convolutions: Sizes,
        bias: bool = False,
        norm: Literal["instance", "batch", "none"] = "instance",
        norm_eps: float = 1e-5,
        norm_affine: bool = True,
        activation: Literal["leaky_relu", "relu"] = "leaky_relu",
        slope: float = 0.01,
        activation_first: bool = False,
    ) -> None:
        super().__init__()
        style = Style(dimensions, bias, norm, norm_eps, norm_affine, activation, slope, activation_first)
        self.encoder = _Encoder(style, in_channels, features, kernels, strides, convolutions)
        self.decoder = Decoder(style, out_channels, features, kernels, strides, decoder_convolutions)

    def forward(self, image: Tensor) -> Tensor:
        """As the class says."""
        return cast(Tensor, self.decoder(self.encoder(image)))


class _Encoder(nn.Module):
    def __init__(
        self,
        style: Style,
        channels_in: int,
        features: Sizes,
        kernels: tuple[Sizes, ...],
        strides: tuple[Sizes, ...],
        convolutions: Sizes,
    ) -> None:
        super().__init__()
        levels = zip((channels_in, *features[:-1]), features, kernels, strides, convolutions, strict=True)
        stages = (
            nn.Sequential(Convolutions(style, count, before, width, kernel, stride))
            for before, width, kernel, stride, count in levels
        )
        self.stages = nn.Sequential(*stages)

    def forward(self, features: Tensor) -> list[Tensor]:
        """Features of each level, the finest first."""
        found = []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        return found

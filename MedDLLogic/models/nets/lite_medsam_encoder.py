"""The image encoder of box-prompted segmentation: TinyViT, kept at a quarter of the image's size.

Wu et al. 2022 (TinyViT) in the form that LiteMedSAM (Ma et al. 2024) trained it: no halving before the first
stage and none before the last. A stage of inverted bottlenecks is followed by three of windowed attention. The
attribute names are those of the published weights and must stay.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

STAGES = 4
EXPANSION = 4
"""Width inside a block, as a multiple of the width around it."""


class ChannelNorm(nn.LayerNorm):
    """Layer normalization of the channels at each place of a (n, channels, height, width) tensor."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        """As the class says."""
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ConvNorm(nn.Sequential):
    """A convolution without bias, and batch normalization."""

    def __init__(self, width_in: int, width_out: int, size: int = 1, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(width_in, width_out, size, stride, padding=size // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width_out)


class _PatchEmbed(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(_ConvNorm(channels, width // 2), nn.GELU(), _ConvNorm(width // 2, width))

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.seq(image))


class _Bottleneck(nn.Module):
    """Widen, look at the neighbors channel by channel, narrow, and add what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = EXPANSION * width
        self.conv1 = _ConvNorm(width, wide)
        self.conv2 = _ConvNorm(wide, wide, 3, groups=wide)
        self.conv3 = _ConvNorm(wide, width)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.gelu(self.conv2(F.gelu(self.conv1(features))))
        return F.gelu(self.conv3(inner) + features)


class _Merge(nn.Module):
    """To the width of the next stage, and where ``stride`` is 2 to half the size."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(width_in, width_out)
        self.conv2 = _ConvNorm(width_out, width_out, 3, stride=stride, groups=width_out)
        self.conv3 = _ConvNorm(width_out, width_out)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(features))))))


class _WindowAttention(nn.Module):
    """Attention among the places of one window, with a learned bias for each distance along the two axes."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        along = torch.arange(window)
        away = (along[:, None] - along).abs()
        # Places and distances are both counted row by row.
        which = away[:, None, :, None] * window + away[None, :, None, :]
        self.register_buffer("which_bias", which.reshape(window**2, window**2), persistent=False)
        self._heads = heads

    def forward(self, places: Tensor) -> Tensor:
        """(windows, places, width) of the same."""
        count, size, width = places.shape
        qkv = self.qkv(self.norm(places)).view(count, size, self._heads, 3 * (width // self._heads))
        query, key, value = qkv.transpose(1, 2).chunk(3, dim=-1)
        bias = self.attention_biases[:, cast(Tensor, self.which_bias)]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        return cast(Tensor, self.proj(mixed.transpose(1, 2).reshape(count, size, width)))


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, EXPANSION * width)
        self.fc2 = nn.Linear(EXPANSION * width, width)

    def forward(self, places: Tensor) -> Tensor:
        return cast(Tensor, self.fc2(F.gelu(self.fc1(self.norm(places)))))


class _AttentionBlock(nn.Module):
    """Attention in windows, a convolution across their borders, and a layer for each place by itself."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = _WindowAttention(width, heads, window)
        self.local_conv = _ConvNorm(width, width, 3, groups=width)
        self.mlp = _Mlp(width)
        self._window = window

    def forward(self, features: Tensor) -> Tensor:
        mixed = self.local_conv(features + self._attended(features))
        return cast(Tensor, mixed + self.mlp(mixed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    def _attended(self, features: Tensor) -> Tensor:
        """Windows from the first row and column on; those that reach over the end see zeros there."""
        count, width, rows, columns = features.shape
        size = self._window
        padded = F.pad(features, (0, -columns % size, 0, -rows % size))
        down, across = padded.shape[2] // size, padded.shape[3] // size
        windows = padded.view(count, width, down, size, across, size).permute(0, 2, 4, 3, 5, 1)
        mixed = self.attn(windows.reshape(-1, size * size, width)).view(windows.shape)
        return cast(Tensor, mixed.permute(0, 5, 1, 3, 2, 4).reshape(padded.shape)[:, :, :rows, :columns])


class _Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        for block in self.blocks:
            features = block(features)
        return features if self.downsample is None else cast(Tensor, self.downsample(features))


class ImageEncoder(nn.Module):
    """(n, embedding, height / 4, width / 4) features of (n, channels, height, width) images.

    Parameters
    ----------
    widths, depths : channels and blocks of the four stages.
    heads, windows : of the attention in the second to the fourth stage.
    embedding : channels that come out.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        windows: tuple[int, ...],
        *,
        embedding: int,
    ) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbed(channels, widths[0])
        first: list[nn.Module] = [_Bottleneck(widths[0]) for _ in range(depths[0])]
        self.layers = nn.ModuleList([_Stage(first, _merge(widths, 0))])
        for n in range(1, STAGES):
            blocks: list[nn.Module] = [
                _AttentionBlock(widths[n], heads[n - 1], windows[n - 1]) for _ in range(depths[n])
            ]
            self.layers.append(_Stage(blocks, _merge(widths, n)))
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], embedding, 1, bias=False),
            ChannelNorm(embedding),
            nn.Conv2d(embedding, embedding, 3, padding=1, bias=False),
            ChannelNorm(embedding),
        )

    def forward(self, image: Tensor) -> Tensor:
        """As the class says."""
        features = self.patch_embed(image)
        for stage in self.layers:
            features = stage(features)
        return cast(Tensor, self.neck(features))


def _merge(widths: tuple[int, ...], stage: int) -> nn.Module | None:
    if stage == STAGES - 1:
        return None
    return _Merge(widths[stage], widths[stage + 1], stride=2 if stage < STAGES - 2 else 1)

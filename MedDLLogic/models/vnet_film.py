"""A V-Net whose encoder features are scaled and shifted by the voxel spacing (FiLM).

Milletari et al. 2016 (V-Net) and Perez et al. 2018 (FiLM), in the layout of the MIT-licensed
neuromodex-vnet-dbs weights: residual blocks of two 5x5x5 convolutions, trilinear upsampling. The
attribute names are those of the weights file and must stay.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

LEVELS = 5


class _Film(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2 * channels))

    def forward(self, features: Tensor, spacing_ijk_mm: Tensor) -> Tensor:
        scale, shift = self.mlp(spacing_ijk_mm)[:, :, None, None, None].chunk(2, dim=1)
        return cast(Tensor, features * scale + shift)


class _Residual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels_in, channels_out, 5, padding=2)
        self.bn1 = nn.BatchNorm3d(channels_out)
        self.relu = nn.PReLU()
        self.conv2 = nn.Conv3d(channels_out, channels_out, 5, padding=2)
        self.bn2 = nn.BatchNorm3d(channels_out)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv3d(channels_in, channels_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        return cast(Tensor, self.relu(inner.add_(self.shortcut(features))))


class _Down(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv3d(channels, 2 * channels, 2, stride=2), nn.BatchNorm3d(2 * channels), nn.PReLU()
        )

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.down(features))


class _Up(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="trilinear", align_corners=True)
        self.conv = nn.Conv3d(channels, channels // 2, 1)
        self.bn = nn.BatchNorm3d(channels // 2)
        self.relu = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.relu(self.bn(self.conv(self.up(features)))))


class VNetFilm(nn.Module):
    """(n, out_channels, k, j, i) logits of (n, in_channels, k, j, i) images and (n, 3) spacing i, j, k in mm.

    Each of k, j, i must be a multiple of 16. ``base_channels`` doubles at each of four levels.
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 4, base_channels: int = 8) -> None:
        super().__init__()
        widths = [base_channels * 2**level for level in range(LEVELS)]
        self.enc0 = _Residual(in_channels, widths[0])
        self.film0 = _Film(widths[0])
        for level in range(1, LEVELS):
            self.add_module(f"down{level}", _Down(widths[level - 1]))
            self.add_module(f"enc{level}", _Residual(widths[level], widths[level]))
            self.add_module(f"film{level}", _Film(widths[level]))
        for step in range(1, LEVELS):
            wide = widths[LEVELS - step]
            self.add_module(f"up{step}", _Up(wide))
            self.add_module(f"dec{step}", _Residual(wide, wide // 2))
        self.outc = nn.Conv3d(widths[0], out_channels, 1)

    def forward(self, image: Tensor, spacing_ijk_mm: Tensor) -> Tensor:
        """As the class says."""
        features = self.film0(self.enc0(image), spacing_ijk_mm)
        skipped = [features]
        for level in range(1, LEVELS):
            deeper = self._run(f"enc{level}", self._run(f"down{level}", features))
            features = self._run(f"film{level}", deeper, spacing_ijk_mm)
            skipped.append(features)
        skipped.pop()
        for step in range(1, LEVELS):
            upper = self._run(f"up{step}", features)
            features = self._run(f"dec{step}", torch.cat([upper, skipped.pop()], dim=1))
        return cast(Tensor, self.outc(features))

    def _run(self, name: str, *inputs: Tensor) -> Tensor:
        return cast(Tensor, self.get_submodule(name)(*inputs))

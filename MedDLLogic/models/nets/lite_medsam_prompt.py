"""Where a box lies, as the mask decoder of box-prompted segmentation reads it.

Kirillov et al. 2023 (Segment Anything): places become sines and cosines of random frequencies, which the weights
file holds. The attribute names are those of the published weights and must stay.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from .lite_medsam_encoder import ChannelNorm

CORNERS = 2
_POINT_KINDS = 4  # a point outside, one inside, a box's first corner, its second
_MASK_WIDTH = 16


class _PlaceEncoding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))

    def forward(self, shares_xy: Tensor) -> Tensor:
        """(..., width) of (..., 2) places as shares of the image's width and height."""
        frequencies = cast(Tensor, self.positional_encoding_gaussian_matrix)
        turns = 2 * math.pi * ((2 * shares_xy - 1) @ frequencies)
        return torch.cat([turns.sin(), turns.cos()], dim=-1)


class PromptEncoder(nn.Module):
    """(m, 2, width) tokens of (m, 4) boxes: pixel indices i, j of one corner, then of the opposite one.

    The published weights know points and rough masks too; what these need is filled and not used.
    """

    def __init__(self, width: int, image_size: int) -> None:
        super().__init__()
        self.pe_layer = _PlaceEncoding(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(_POINT_KINDS))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, _MASK_WIDTH // 4, 2, stride=2),
            ChannelNorm(_MASK_WIDTH // 4),
            nn.GELU(),
            nn.Conv2d(_MASK_WIDTH // 4, _MASK_WIDTH, 2, stride=2),
            ChannelNorm(_MASK_WIDTH),
            nn.GELU(),
            nn.Conv2d(_MASK_WIDTH, width, 1),
        )
        self._image_size = image_size

    def forward(self, boxes_ijij: Tensor) -> Tensor:
        """As the class says."""
        shares_xy = (boxes_ijij.view(-1, CORNERS, 2) + 0.5) / self._image_size
        kinds = torch.cat([cast(Tensor, corner.weight) for corner in self.point_embeddings[-CORNERS:]])
        return cast(Tensor, self.pe_layer(shares_xy) + kinds)

    def places(self, rows: int, columns: int) -> Tensor:
        """(1, width, rows, columns) encoding of the places of the embedded image."""
        frequencies = cast(Tensor, self.pe_layer.positional_encoding_gaussian_matrix)
        y, x = (torch.arange(n, device=frequencies.device, dtype=torch.float32) + 0.5 for n in (rows, columns))
        shares_xy = torch.stack(torch.meshgrid(x / columns, y / rows, indexing="xy"), dim=-1)
        return cast(Tensor, self.pe_layer(shares_xy)).permute(2, 0, 1)[None]

    def without_mask(self) -> Tensor:
        """(1, width, 1, 1) that stands for "no rough mask was given"."""
        return self.no_mask_embed.weight[:, :, None, None]

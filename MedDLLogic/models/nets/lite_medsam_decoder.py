"""The mask decoder of box-prompted segmentation: tokens and image look at each other, then a mask is drawn.

Kirillov et al. 2023 (Segment Anything). The attribute names are those of the published weights and must stay.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from .lite_medsam_encoder import ChannelNorm

LAYERS = 2
MASKS = 4
"""Tokens for masks: the first for the one mask of a clear prompt, the others for a prompt of several meanings."""


class _Attention(nn.Module):
    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)
        self._heads = heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        parts = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        q, k, v = (part.unflatten(-1, (self._heads, -1)).transpose(1, 2) for part in parts)
        return cast(Tensor, self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)))


class _TokenMlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, inner)
        self.lin2 = nn.Linear(inner, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self.lin2(F.relu(self.lin1(tokens))))


class _TwoWayLayer(nn.Module):
    """Tokens among themselves, tokens to image, tokens by themselves, image to tokens."""

    def __init__(self, width: int, inner: int, heads: int, *, is_first: bool) -> None:
        super().__init__()
        self.self_attn = _Attention(width, width, heads)
        self.cross_attn_token_to_image = _Attention(width, width // 2, heads)
        self.mlp = _TokenMlp(width, inner)
        self.cross_attn_image_to_token = _Attention(width, width // 2, heads)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(width) for _ in range(4))
        self._is_first = is_first

    def forward(self, tokens: Tensor, image: Tensor, prompt: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        if self._is_first:  # here the tokens are the prompt itself
            tokens = self.norm1(self.self_attn(tokens, tokens, tokens))
        else:
            placed = tokens + prompt
            tokens = self.norm1(tokens + self.self_attn(placed, placed, tokens))
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + prompt, image + places, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(image + places, tokens + prompt, tokens))
        return tokens, image


class _TwoWayTransformer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_TwoWayLayer(width, inner, heads, is_first=n == 0) for n in range(LAYERS))
        self.final_attn_token_to_image = _Attention(width, width // 2, heads)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, image: Tensor, places: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """(m, tokens, width) and (m, places, width) after they saw each other."""
        tokens = prompt
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, places)
        seen = self.final_attn_token_to_image(tokens + prompt, image + places, image)
        return self.norm_final_attn(tokens + seen), image


class _Mlp(nn.Module):
    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, token: Tensor) -> Tensor:
        *inner, last = self.layers
        for layer in inner:
            token = F.relu(layer(token))
        return cast(Tensor, last(token))


class MaskDecoder(nn.Module):
    """(m, 1, 4 rows, 4 columns) logits of (1, width, rows, columns) image features and (m, tokens, width) prompts.

    The published weights also draw three masks for a prompt of several meanings and judge each mask; what these
    need is filled and not used.
    """

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.transformer = _TwoWayTransformer(width, inner, heads)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASKS, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, stride=2),
            ChannelNorm(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(_Mlp(width, width, width, width // 8) for _ in range(MASKS))
        self.iou_prediction_head = _Mlp(width, width, width, MASKS)

    def forward(self, image: Tensor, places: Tensor, prompt: Tensor) -> Tensor:
        """As the class says; ``places`` is the (1, width, rows, columns) encoding of the image's places."""
        count = prompt.shape[0]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(count, -1, -1)
        flat = image.flatten(2).transpose(1, 2).expand(count, -1, -1)
        tokens, seen = self.transformer(flat, places.flatten(2).transpose(1, 2), torch.cat([own, prompt], dim=1))
        features = self.output_upscaling(seen.transpose(1, 2).unflatten(2, image.shape[2:]))
        brush = self.output_hypernetworks_mlps[0](tokens[:, 1])  # token 0 is for the judgement
        return torch.einsum("mc,mcyx->myx", brush, features)[:, None]

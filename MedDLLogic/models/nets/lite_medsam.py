"""Box-prompted segmentation of one plane: an image encoder, and a decoder that draws what a box holds.

LiteMedSAM (Ma et al. 2024): Segment Anything with a TinyViT encoder, trained on medical images. The encoder takes
nearly all of the time and sees no box, so one embedding serves every box of its plane. Each half is a network of its
own for the engine, filled strictly from the one file of weights. The attribute names are those of the published
weights and must stay.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from .lite_medsam_decoder import MaskDecoder
from .lite_medsam_encoder import STAGES, ImageEncoder
from .lite_medsam_prompt import PromptEncoder

COLORS = 3
SHRINKS = 4
"""An embedded image is that much smaller along each axis."""


class LiteMedSam(nn.Module):
    """(m, 1, size, size) logits of one (1, 1, size, size) gray image, 0 .. 1, and (m, 4) boxes.

    A box is the pixel indices i, j of one corner, then of the opposite one; its mask is where the logit is above 0.

    Parameters
    ----------
    image_size : a multiple of ``SHRINKS``.
    widths, depths : channels and blocks of the encoder's four stages.
    heads, windows : of the attention in the encoder's second to fourth stage.
    embedding : channels of an embedded image, a multiple of 16.
    decoder_width, decoder_heads : of the decoder's layers.
    """

    def __init__(
        self,
        *,
        image_size: int = 256,
        widths: tuple[int, ...] = (64, 128, 160, 320),
        depths: tuple[int, ...] = (2, 2, 6, 2),
        heads: tuple[int, ...] = (4, 5, 10),
        windows: tuple[int, ...] = (7, 14, 7),
        embedding: int = 256,
        decoder_width: int = 2048,
        decoder_heads: int = 8,
    ) -> None:
        super().__init__()
        if (len(widths), len(depths), len(heads), len(windows)) != (STAGES, STAGES, STAGES - 1, STAGES - 1):
            raise ValueError("four stages are needed, three of them with heads and windows")
        self.image_encoder = ImageEncoder(COLORS, widths, depths, heads, windows, embedding=embedding)
        self.prompt_encoder = PromptEncoder(embedding, image_size)
        self.mask_decoder = MaskDecoder(embedding, decoder_width, decoder_heads)

    def encode(self, image: Tensor) -> Tensor:
        """(1, embedding, size / 4, size / 4) of a (1, 1, size, size) gray image."""
        return cast(Tensor, self.image_encoder(image.expand(-1, COLORS, -1, -1)))

    def decode(self, embedded: Tensor, boxes_ijij: Tensor) -> Tensor:
        """(m, 1, size, size) logits of an embedded image and (m, 4) boxes."""
        places = self.prompt_encoder.places(int(embedded.shape[2]), int(embedded.shape[3]))
        seen = embedded + self.prompt_encoder.without_mask()
        return cast(Tensor, self.mask_decoder(seen, places, self.prompt_encoder(boxes_ijij)))

    def forward(self, image: Tensor, boxes_ijij: Tensor) -> Tensor:
        """As the class says."""
        return self.decode(self.encode(image), boxes_ijij)


class PlaneEmbedding(LiteMedSam):
    """(1, embedding / 16, size, size) of a (1, 1, size, size) gray image: what ``BoxMask`` draws from.

    The embedded image's channels are laid out over the pixels that each of its places covers, without loss: so what
    comes out has the size of what went in, as the engine expects of a network.
    """

    channels_in = 1

    def forward(self, image: Tensor) -> Tensor:  # type: ignore[override]
        """As the class says."""
        return F.pixel_shuffle(self.encode(image), SHRINKS)


class BoxMask(LiteMedSam):
    """(1, 1, size, size) logits of what ``PlaneEmbedding`` made and one box, (1, 4)."""

    @property
    def channels_in(self) -> int:
        """Of what ``PlaneEmbedding`` makes."""
        return self.mask_decoder.iou_token.embedding_dim // SHRINKS**2

    def forward(self, laid_out: Tensor, box_ijij: Tensor) -> Tensor:
        """As the class says."""
        return self.decode(F.pixel_unshuffle(laid_out, SHRINKS), box_ijij)

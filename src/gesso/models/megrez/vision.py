"""The vision tower: SigLIP (arXiv 2303.15343) for pictures of any shape, in the manner of NaViT (2307.06304).

Slices of different shapes share a batch: each is a row of patches, padded to the longest, and a patch takes
the position of the trained grid that lies at the same fraction of height and width.

Letters: B slices, p side of a patch, N patches of the largest slice, G side of the trained grid, W width.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import SiglipVisionModel

__all__ = ["NavitTower", "as_strip", "position_numbers"]

GREY: Final = 127.5
"""The middle of the grey levels, and half of their range: what pixels are normalised with."""


class NavitTower(SiglipVisionModel):
    """SigLIP without its head, on slices of any shape."""

    @property
    def grid_side(self) -> int:
        """Positions along one side of the trained grid."""
        config: Any = self.config
        return int(config.image_size // config.patch_size)

    def encode(self, slices: Sequence[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
        """Features of slices.

        Args:
            slices: [3, H, W] each, in grey levels 0 to 255; sides are whole patches.

        Returns:
            [B, N, W], of no meaning behind a slice's own patches, and (rows, columns) of patches of each.
        """
        config: Any = self.config
        patch: int = config.patch_size
        grids = [(s.shape[1] // patch, s.shape[2] // patch) for s in slices]
        strips = [as_strip(s, patch) for s in slices]
        longest = max(strip.shape[-1] for strip in strips)
        # [3, p, n*p] of each slice -> [B, 3, p, N*p]
        padded = torch.stack([functional.pad(s, (0, longest - s.shape[-1])) for s in strips])
        return self.encode_strips(padded, grids), grids

    def encode_strips(self, strips: Tensor, grids: Sequence[tuple[int, int]]) -> Tensor:
        """Features of slices whose patches lie side by side, [B, 3, p, N*p] -> [B, N, W]."""
        hidden = self.embed_strips(strips, grids)
        counts = torch.tensor([rows * columns for rows, columns in grids], device=hidden.device)
        behind = torch.arange(hidden.shape[1], device=hidden.device) >= counts[:, None]  # [B, N]
        mask = None
        if bool(behind.any()):
            # [B, N] -> [B, 1, N, N]: no patch looks at what lies behind a slice's own
            lowest = torch.finfo(hidden.dtype).min
            mask = torch.zeros_like(behind, dtype=hidden.dtype).masked_fill(behind, lowest)
            mask = mask[:, None, None, :].expand(-1, 1, hidden.shape[1], -1)
        states = self.encoder(inputs_embeds=hidden, attention_mask=mask).last_hidden_state
        features: Tensor = self.post_layernorm(states)
        return features

    def embed_strips(self, strips: Tensor, grids: Sequence[tuple[int, int]]) -> Tensor:
        """Embeddings of patches with their positions, [B, 3, p, N*p] -> [B, N, W]."""
        weight = self.embeddings.patch_embedding.weight
        # first to the tower's dtype, as the original does: bfloat16 holds every grey level exactly
        pixels = (strips.to(device=weight.device, dtype=weight.dtype) - GREY) / GREY
        patches = (
            self.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        )  # [B, W, 1, N] -> [B, N, W]
        numbers = [position_numbers(rows, columns, self.grid_side) for rows, columns in grids]
        padded = torch.stack([functional.pad(n, (0, patches.shape[1] - len(n))) for n in numbers])  # [B, N]
        embeddings: Tensor = patches + self.embeddings.position_embedding(padded.to(weight.device))
        return embeddings


def as_strip(picture: Tensor, patch: int) -> Tensor:
    """Patches side by side, row by row: [C, r*p, c*p] -> [C, p, r*c*p]."""
    channels, height, width = picture.shape
    # [C, r*p, c*p] -> [C, r, p, c, p] -> [C, p, r, c, p] -> [C, p, r*c*p]
    blocks = picture.view(channels, height // patch, patch, width // patch, patch)
    return blocks.permute(0, 2, 1, 3, 4).reshape(channels, patch, -1)


def position_numbers(rows: int, columns: int, side: int) -> Tensor:
    """Numbers of the trained positions that a grid of patches takes, [rows * columns], row by row."""
    # [r, 1] and [1, c] -> [r*c]
    return (_buckets(rows, side)[:, None] * side + _buckets(columns, side)[None]).flatten()


@lru_cache(maxsize=1024)
def _buckets(count: int, side: int) -> Tensor:
    """Where each of `count` patches along one side lies on the trained side, [count].

    This is floor(i * side / count) but for the rounding of single precision, in which the model was trained
    (Idefics2's code before transformers 4.48): of 25 patches on 70 positions, number 5 gets 13, not 14.
    """
    # the step is rounded before it is multiplied: this is where the numbers above part
    step = torch.tensor(1 / count, dtype=torch.float32).item()
    fractions = torch.arange(0, 1 - 1e-6, step, dtype=torch.float32)
    boundaries = torch.arange(1 / side, 1.0, 1 / side, dtype=torch.float32)
    return torch.bucketize(fractions, boundaries, right=True)

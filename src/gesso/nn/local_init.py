"""A start for small vision transformers: every head looks at one neighbour, as a convolution would.

A transformer that sees few pictures spends most of them on finding out which patches lie side by side. Here
positions start as sinusoids and the heads' queries as rotations of them, so attention is local from the first
step; everything stays trainable and the architecture is unchanged. In the spirit of "Mimetic initialization
of self-attention layers" (arXiv 2305.09828) and "Structured initialization for vision transformers"
(arXiv 2404.01139); the construction is our own.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import CLIPVisionModel

__all__ = ["NEIGHBOURS", "start_local"]

NEIGHBOURS: Final = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Offsets (dx, dy) in patches that the first heads of every layer start out looking at."""

GAIN: Final = 0.7  # gives the chosen neighbour about ten times the weight of the ones beside it


@torch.no_grad()
def start_local(tower: CLIPVisionModel, neighbours: Sequence[tuple[int, int]] = NEIGHBOURS) -> int:
    """Set positions, queries and keys of a new tower in place.

    Letters: D width, d width of a head, g patches along a side. The first d dimensions of the residual stream
    hold positions alone: d/4 frequencies, as sine and cosine, for x and for y.

    Args:
        tower: a new CLIP vision tower; d must be divisible by 4.
        neighbours: offset of each head in turn; further heads stay random.

    Returns:
        d, the dimensions that positions occupy.
    """
    config: Any = tower.config
    side = config.image_size // config.patch_size
    width: int = config.hidden_size // config.num_attention_heads
    # half turns across the grid and their multiples, as in a cosine transform: scalar products of positions
    # then fall off with their distance
    frequencies = torch.arange(1, width // 4 + 1) * math.pi / max(side, width // 4)
    embeddings = tower.embeddings
    # what a patch looks like must not reach the dimensions of positions, or heads would look by colour
    embeddings.patch_embedding.weight[:width] = 0
    embeddings.class_embedding[:width] = 0
    embeddings.position_embedding.weight[0, :width] = 0
    # row 0 is the class token, which stands nowhere
    embeddings.position_embedding.weight[1:, :width] = _positions(side, frequencies)
    layers: Any = tower.encoder.layers
    for layer in layers:
        attention = layer.self_attn
        for head, (dx, dy) in enumerate(neighbours[: config.num_attention_heads]):
            rows = slice(head * width, (head + 1) * width)
            # a query turned by (dx, dy) matches the key of the patch that lies there
            for projection, turn in ((attention.q_proj, (dx, dy)), (attention.k_proj, (0, 0))):
                _zero(projection, rows)
                projection.weight[rows, :width] = GAIN * _rotation(frequencies, *turn)
    return width


def _positions(side: int, frequencies: Tensor) -> Tensor:
    """Positions of a grid's patches row by row, [g*g, d]."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in (x, y)]  # [g*g, d/4] each
    # [g*g, d/4] four times: sin x, cos x, sin y, cos y -> [g*g, d]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def _rotation(frequencies: Tensor, dx: int, dy: int) -> Tensor:
    """The matrix [d, d] that moves a position by (dx, dy), by the sine and cosine of sums."""
    blocks = []
    for shift in (dx, dy):
        # sin(a + s) = sin a cos s + cos a sin s, and alike for cos: each pair is turned, [d/4, d/4] each
        sine, cosine = (torch.diag(wave(shift * frequencies)) for wave in (torch.sin, torch.cos))
        # four of them -> [d/2, d/2]
        blocks.append(torch.cat([torch.cat([cosine, sine], 1), torch.cat([-sine, cosine], 1)]))
    # x and y turn apart: twice [d/2, d/2] -> [d, d]
    whole: Tensor = torch.block_diag(*blocks)
    return whole


def _zero(projection: nn.Linear, rows: slice) -> None:
    projection.weight[rows] = 0
    if projection.bias is not None:
        projection.bias[rows] = 0

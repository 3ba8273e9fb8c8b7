"""Texts with places for a whole batch of pictures at once, as training needs them.

The painter reads one canvas for all its rows; a training batch has another canvas in each row. The numbers
are those of `gesso.diffusion.reading.ScoreReading`.

Letters: B pictures, W windows of all of them, M most windows of a picture, T ids of a window, D width of
their states, P positions of a feature map, H heads, d channels of a head.
"""

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from gesso.canvas.vocabulary import GRID

__all__ = ["BatchReading", "box_masks"]


def box_masks(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Which positions of a feature map lie in boxes, by the nearest cell's centre.

    Args:
        boxes: [W, 4] top, bottom, left, right in cells of the canvas; bottom and right lie just outside.
        shape: (height, width) of the feature map.

    Returns:
        [W, height * width], true inside.
    """
    sides = []
    for first, size in ((0, shape[0]), (2, shape[1])):
        # the cell under each position's centre, as "nearest-exact" takes it
        cells = ((torch.arange(size, device=boxes.device) + 0.5) * GRID / size).floor()
        sides.append((cells >= boxes[:, first, None]) & (cells < boxes[:, first + 1, None]))  # [W, size]
    rows, columns = sides
    return (rows[:, :, None] & columns[:, None, :]).flatten(1)  # [W, height, width] -> [W, P]


class BatchReading:
    """Every row attends to the tokens of its own windows that lie over the position; a `TextAttention`.

    Args:
        states: [W, T, D] of the windows, those of one picture next to each other.
        boxes: [W, 4] place of each, see `box_masks`; the first of a picture covers the whole canvas.
        counts: [B] windows of each picture.
    """

    def __init__(self, states: Tensor, boxes: Tensor, counts: Tensor) -> None:
        self._states, self._boxes = states, boxes
        self.rows = len(counts)
        self._most = int(counts.max())
        starts = counts.cumsum(0) - counts
        owner = torch.arange(self.rows, device=counts.device).repeat_interleave(counts)  # [W]
        # slot of each window in [B * M]: its picture's row, then its number within the picture
        self._slots = owner * self._most + torch.arange(len(owner), device=counts.device) - starts[owner]
        self.preview = states[starts]
        self._seen: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def attend(self, attn: Attention, query: Tensor, shape: tuple[int, int]) -> Tensor:
        """See `gesso.diffusion.attention.TextAttention.attend`."""
        scale, hidden = self._visible(shape)
        keys = self._rows(attn.to_k(self._states) * (attn.scale * scale)[:, None, None], attn.heads)
        values = self._rows(attn.to_v(self._states), attn.heads)
        # by hand: torch's fused attention is slow backwards on a CPU, and its plain one looks for rows that
        # see nothing, which the whole canvas's text rules out
        scores = query @ keys.transpose(2, 3) + hidden.to(query.dtype)  # [B, H, P, M*T]
        return scores.softmax(dim=-1) @ values

    def _rows(self, states: Tensor, heads: int) -> Tensor:
        """States of windows [W, T, H*d] by picture, with zeros where it has no window: [B, H, M*T, d]."""
        length, width = states.shape[1:]
        laid = states.new_zeros(self.rows * self._most, length, width).index_copy(0, self._slots, states)
        # [B * M, T, H*d] -> [B, M*T, H, d] -> [B, H, M*T, d]
        return laid.view(self.rows, self._most * length, heads, -1).transpose(1, 2)

    def _visible(self, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Factor on the keys of each window [W], and [B, 1, P, M*T]: -inf where a token is hidden, else 0."""
        if shape not in self._seen:
            inside = box_masks(self._boxes, shape)  # [W, P]
            positions, length = inside.shape[1], self._states.shape[1]
            # a box too small for this feature map is seen nowhere, so its factor does not matter
            scale = positions / inside.sum(1).clamp(min=1)
            laid = inside.new_zeros(self.rows * self._most, positions).index_copy(0, self._slots, inside)
            seen = laid.view(self.rows, self._most, positions).transpose(1, 2)  # [B, P, M]
            hidden = ~seen.repeat_interleave(length, dim=2)[:, None]  # [B, 1, P, M*T]
            bias = torch.zeros_like(hidden, dtype=self._states.dtype).masked_fill(hidden, -torch.inf)
            self._seen[shape] = scale.to(self._states.dtype), bias
        return self._seen[shape]

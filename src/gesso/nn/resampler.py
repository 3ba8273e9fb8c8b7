"""A fixed number of vectors from any number of patches, by learned queries (perceiver-style attention).

The idea is Perceiver's (arXiv 2103.03206, section 3) in the one-layer form of Qwen-VL (arXiv 2308.12966,
section 2.1); positions in two dimensions and pictures of any shape are LLaVA-UHD's (arXiv 2403.11703,
section 3.3) and MiniCPM-V's (arXiv 2408.01800, section 3.2), which Megrez-3B-Omni took over.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor, nn

from gesso.core.errors import UnsupportedError, UsageError

__all__ = ["Resampler", "sincos_table"]

BASE: Final = 10_000.0
"""The slowest wave's length, in positions, over 2 pi (arXiv 1706.03762, section 3.5)."""

EPSILON: Final = 1e-6


class Resampler(nn.Module):
    """Queries look at the patches of one picture each, and become its features.

    Letters: B pictures, N patches of the largest one, W their width, Q queries, D width of the result.

    Args:
        queries: Q.
        width_in: W.
        width: D.
        heads: of the attention.

    Raises:
        UnsupportedError: D does not divide by the heads, or by the four kinds of waves.
    """

    def __init__(self, queries: int, width_in: int, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads or width % 4:
            raise UnsupportedError(f"a resampler of width {width} with {heads} heads; "
                                   "there must be a head, and the width divide by 4 and by them")  # fmt: skip
        self.query = nn.Parameter(torch.empty(queries, width))
        self.kv_proj = nn.Linear(width_in, width, bias=False)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_q = nn.LayerNorm(width, eps=EPSILON)
        self.ln_kv = nn.LayerNorm(width, eps=EPSILON)
        self.ln_post = nn.LayerNorm(width, eps=EPSILON)
        # a bare matrix, multiplied from the right: its key and its orientation are the original's
        self.proj = nn.Parameter(torch.empty(width, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give the bare parameters their first random values."""
        nn.init.normal_(self.query, std=0.02)
        nn.init.normal_(self.proj, std=self.proj.shape[0] ** -0.5)

    def forward(self, patches: Tensor, grids: Sequence[tuple[int, int]]) -> Tensor:
        """Features of pictures, [B, N, W] -> [B, Q, D].

        Args:
            patches: row by row; what lies behind a picture's own patches is not looked at.
            grids: (rows, columns) of patches of each picture.

        Raises:
            UsageError: the grids do not fit the patches.
        """
        counts = [rows * columns for rows, columns in grids]
        if len(counts) != len(patches) or max(counts) > patches.shape[1] or min(counts) < 1:
            raise UsageError(f"grids of {counts} patches for {len(patches)} pictures of at most "
                             f"{patches.shape[1]}; give (rows, columns) of each")  # fmt: skip
        keys = self.ln_kv(self.kv_proj(patches))  # [B, N, W] -> [B, N, D]
        # [Q, D] -> [B, Q, D], the same for every picture
        queries = self.ln_q(self.query).expand(len(patches), -1, -1)
        # to the keys alone: where a patch lies decides who looks at it, not what it says
        placed = keys + self._positions(grids, keys)
        behind = torch.arange(patches.shape[1]) >= torch.tensor(counts)[:, None]  # [B, N], true where padded
        seen, _ = self.attn(
            queries, placed, keys, key_padding_mask=behind.to(keys.device), need_weights=False
        )
        features: Tensor = self.ln_post(seen) @ self.proj  # [B, Q, D]
        return features

    def _positions(self, grids: Sequence[tuple[int, int]], like: Tensor) -> Tensor:
        """Positions of all patches, [B, N, D], zero behind the last one of a picture."""
        table = like.new_zeros(like.shape)
        for row, (rows, columns) in enumerate(grids):
            # [r, c, D] -> [r*c, D]
            waves = sincos_table(rows, columns, like.shape[-1]).flatten(0, 1)
            table[row, : rows * columns] = waves.to(like)
        return table


@lru_cache(maxsize=256)
def sincos_table(rows: int, columns: int, width: int) -> Tensor:
    """Positions in a grid as waves, [rows, columns, width], in float32 on the CPU.

    The first half of the width tells the column, the second the row; each half is the sines of
    position * BASE^(-4j / width), j = 0 ... width/4 - 1, then the cosines.
    """
    steps = torch.arange(width // 4, dtype=torch.float32) / (width / 4)
    frequencies = 1.0 / BASE**steps  # [width/4]

    def waves(count: int) -> Tensor:
        # [n] and [width/4] -> [n, width/4]
        angles = torch.outer(torch.arange(count, dtype=torch.float32), frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=1)  # [n, width/2]

    across = waves(columns)[None].expand(rows, -1, -1)  # [c, width/2] -> [r, c, width/2]
    down = waves(rows)[:, None].expand(-1, columns, -1)  # [r, width/2] -> [r, c, width/2]
    return torch.cat([across, down], dim=-1)

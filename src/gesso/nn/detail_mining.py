"""Patch info mining: each token of a coarse view takes details from its own part of a finer one.

Mini-Gemini (arXiv 2403.18814), section 3.2, equation 1:

    T_V = MLP(Q + Softmax(phi(Q) phi(K)^T) phi(V))

Q are the tokens of the low-resolution view; K and V are the cells of the high-resolution map that lie within
a token's patch. In the published code each phi is a layer norm followed by a linear layer, scores are divided
by the square root of the width, and the Q that is added is the raw one (dvlab-research/MGM at 769820c).
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.core.errors import UsageError

__all__ = ["DetailMining", "NormedLinear", "cells_of_tokens"]

EPSILON: Final = 1e-5
"""Of the layer norms."""


class NormedLinear(nn.Module):
    """phi: a layer norm followed by a linear layer, [..., width_in] -> [..., width_out]."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width_in, EPSILON)
        self.linear = nn.Linear(width_in, width_out)

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply both."""
        outputs: Tensor = self.linear(self.norm(inputs))
        return outputs


class DetailMining(nn.Module):
    """Single-head attention of each token over the cells of its own patch.

    Letters: B views, P tokens along a side, s cells along a token's side, W width of a token, C of a cell.

    Keys and values are never computed for all cells, which would be most of the work of the whole picture
    (217 GMAC at 768 px). With z a cell normalised without scale and shift, a key is A z + a with
    A = K diag(g), so q (A z + a) = (A^T q) z + q a: the key's matrix is folded into the few queries. Values
    are linear in z as well, so z is averaged first and projected afterwards. The weights of a mean add up
    to one, so both ways give the same numbers.

    Args:
        width: W, of a token and of what it takes in.
        cell_width: C.
    """

    def __init__(self, width: int, cell_width: int) -> None:
        super().__init__()
        self.query = NormedLinear(width, width)
        self.key = NormedLinear(cell_width, width)
        self.value = NormedLinear(cell_width, width)

    def forward(self, tokens: Tensor, cells: Tensor) -> Tensor:
        """What each token takes from the map.

        Args:
            tokens: [B, P*P, W], row by row.
            cells: [B, C, P*s, P*s], of the same views.

        Returns:
            [B, P*P, W], to be added to the tokens.

        Raises:
            UsageError: the tokens fill no square, or the map's side is no multiple of theirs.
        """
        own = cells_of_tokens(cells, tokens.shape[1])  # [B, P*P, s*s, C]
        # normalised once, for keys and values: their norms differ in scale and shift alone
        plain = functional.layer_norm(own, own.shape[-1:], eps=EPSILON)
        weights = self._weights(self.query(tokens), plain)  # [B, P*P, s*s]
        # [B, P*P, 1, s*s] x [B, P*P, s*s, C] -> [B, P*P, C]
        mean = (weights[:, :, None] @ plain).squeeze(2)
        norm = self.value.norm
        mined: Tensor = self.value.linear(mean * norm.weight + norm.bias)  # [B, P*P, C] -> [B, P*P, W]
        return mined

    def _weights(self, queries: Tensor, plain: Tensor) -> Tensor:
        """Softmax of the scores of each token's cells, [B, P*P, s*s]."""
        norm, linear = self.key.norm, self.key.linear
        # scaled before the product, so that half precision does not overflow
        queries = queries / queries.shape[-1] ** 0.5
        folded = (queries @ linear.weight) * norm.weight  # [B, P*P, W] -> [B, P*P, C]
        scores = (plain @ folded[..., None]).squeeze(-1)  # [B, P*P, s*s, C] x [.., C, 1] -> [B, P*P, s*s]
        # the same for all cells of a token, so no weight depends on it; but trainers that spread a model over
        # machines expect every parameter to take part
        shift = queries @ linear(norm.bias)  # [B, P*P]
        weights: Tensor = (scores + shift[..., None]).softmax(-1, dtype=torch.float32)
        return weights.to(plain.dtype)


def cells_of_tokens(cells: Tensor, tokens: int) -> Tensor:
    """A map's cells, sorted by the token in whose patch they lie: [B, C, H, H] -> [B, P*P, s*s, C].

    Args:
        cells: the map.
        tokens: P*P, how many tokens share it.

    Raises:
        UsageError: the tokens fill no square, or the map's side is no multiple of theirs.
    """
    count, width, height, breadth = cells.shape
    side = round(tokens**0.5)
    if side * side != tokens or height != breadth or height % side:
        raise UsageError(
            f"a map of {height} x {breadth} cells for {tokens} tokens; tokens must fill a square "
            "and each must have the same number of cells: choose another high resolution"
        )
    s = height // side
    # [B, C, P*s, P*s] -> [B, C, P, s, P, s] -> [B, P, P, s, s, C]
    blocks = cells.view(count, width, side, s, side, s).permute(0, 2, 4, 3, 5, 1)
    return blocks.reshape(count, tokens, s * s, width)  # [B, P, P, s, s, C] -> [B, P*P, s*s, C]

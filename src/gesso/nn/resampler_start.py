"""A start for small resamplers: every query looks at the patch of its own cell, and passes on what it sees.

A resampler that sees few pictures spends most of them on finding out where each query is to look. Here a few
dimensions of the keys hold positions alone, and queries start as the positions of a square of cells. As with
`gesso.nn.local_init`, everything stays trainable and the architecture is unchanged; the construction is ours.
"""

import math
from typing import Final

import torch

from gesso.core.errors import UnsupportedError
from gesso.nn.resampler import Resampler, sincos_table

__all__ = ["start_gridded"]

WAVES: Final = 8
"""Frequencies that tell neighbours apart; slower ones hardly change from cell to cell."""

GAIN: Final = 12.0
"""Gives a query's own cell about twenty times the weight of a neighbour."""


@torch.no_grad()
def start_gridded(resampler: Resampler) -> None:
    """Set queries and matrices of a new resampler in place.

    Letters: Q queries, D width.

    Raises:
        UnsupportedError: the queries make no square, or patches and results differ in width.
    """
    count, width = resampler.query.shape
    side = math.isqrt(count)
    if side * side != count or resampler.kv_proj.weight.shape != (width, width):
        raise UnsupportedError(f"{count} queries of width {width} for patches of width "
                               f"{resampler.kv_proj.in_features}; a gridded start needs a square number of "
                               "queries, and one width")  # fmt: skip
    # each quarter of the width begins with its fastest waves
    places = torch.cat([torch.arange(WAVES) + start for start in range(0, width, width // 4)])
    own = torch.zeros(width)
    own[places] = 1.0  # [D]
    waves = sincos_table(side, side, width).flatten(0, 1) * own  # [s, s, D] -> [Q, D]
    # the norm behind takes the mean away, which must not reach the waves
    resampler.query.copy_(waves - waves.sum(-1, keepdim=True) / (1 - own).sum() * (1 - own))
    identity = torch.eye(width)
    # what a patch shows stays out of the dimensions in which its place is told, its mean as well
    rest = torch.diag(1 - own)
    resampler.kv_proj.weight.copy_(rest - torch.outer(1 - own, 1 - own) / (1 - own).sum())
    attention = resampler.attn
    # queries, keys, values: [3D, D]
    attention.in_proj_weight.copy_(torch.cat([GAIN * torch.diag(own), torch.diag(own), identity]))
    attention.in_proj_bias.zero_()
    attention.out_proj.weight.copy_(identity)
    attention.out_proj.bias.zero_()

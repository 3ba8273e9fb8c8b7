"""Stripes, dots and checks as tiles that are laid over a thing's index picture."""

from functools import lru_cache
from math import cos, pi, sin
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gesso.storybook.palette import PATTERN_SHIFT

__all__ = ["PHASES", "pattern_tile"]

Lengths = NDArray[np.floating[Any]]

PHASES: Final = 4
"""How many versions of each pattern there are: other directions, other positions."""

STRIPE_PERIOD: Final = 0.27  # all lengths are fractions of the thing's side
STRIPE_SHARE: Final = 0.45
DOT_PERIOD: Final = 0.28
DOT_RADIUS: Final = 0.093
CHECK_SIDE: Final = 0.165


@lru_cache(maxsize=64)
def pattern_tile(pattern: str, phase: int, side: int) -> Image.Image:
    """`PATTERN_SHIFT` where the second colour lies and 0 elsewhere, as a picture of mode L.

    Args:
        pattern: striped, dotted or checked.
        phase: which version, from 0 to `PHASES` - 1.
        side: side of the thing's index picture in pixels.
    """
    # middles of pixels, so that a tile is symmetrical whatever its side
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    x, y = np.meshgrid(axis, axis)  # each [side, side]
    shift = 0.06 * phase
    if pattern == "striped":
        angle = pi / 4 * phase  # along y, falling, along x, rising
        on = _wave(x * cos(angle) + y * sin(angle), STRIPE_PERIOD) < STRIPE_SHARE
    elif pattern == "dotted":
        # A straight grid: staggered dots look like checks when the thing is small.
        u = (_wave(x + shift, DOT_PERIOD) - 0.5) * DOT_PERIOD
        v = (_wave(y + shift, DOT_PERIOD) - 0.5) * DOT_PERIOD
        on = u**2 + v**2 < DOT_RADIUS**2
    else:
        on = (_wave(x + shift, 2 * CHECK_SIDE) < 0.5) ^ (_wave(y + shift, 2 * CHECK_SIDE) < 0.5)
    return Image.fromarray(on.astype(np.uint8) * PATTERN_SHIFT)


def _wave(values: Lengths, period: float) -> Lengths:
    """Position within the period, from 0 to 1."""
    return np.asarray(np.mod(values / period + 0.25, 1.0))

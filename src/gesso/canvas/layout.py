"""Where the parts of a canvas lie: masks, and the picture that painting may start from.

Source: `process` of lllyasviel/Omost at 731e749 (`lib_omost/canvas.py`).
"""

import numpy as np
from numpy.typing import NDArray

from gesso.canvas.canvas import Canvas
from gesso.canvas.parts import Box
from gesso.canvas.vocabulary import GRID

__all__ = ["box_mask", "canvas_picture", "region_masks"]

OVER, BELOW = 0.7, 0.3
"""Shares of a region's colour and of what lies behind it."""


def box_mask(box: Box) -> NDArray[np.float32]:
    """[GRID, GRID], 1 inside the box and 0 elsewhere."""
    top, bottom, left, right = box
    mask = np.zeros((GRID, GRID), dtype=np.float32)
    mask[top:bottom, left:right] = 1
    return mask


def region_masks(canvas: Canvas) -> NDArray[np.float32]:
    """[1 + regions, GRID, GRID]: the masks of `Canvas.conditions`, the background's first."""
    return np.stack([box_mask(condition.box) for condition in canvas.conditions])


def canvas_picture(canvas: Canvas) -> NDArray[np.uint8]:
    """[GRID, GRID, 3] RGB: the background's colour with the regions laid on it, farthest first.

    Byte for byte the original's, whose sums are float64 and whose picture between two regions is float32.
    """
    picture = np.empty((GRID, GRID, 3), dtype=np.float32)
    picture[:] = canvas.background.rgb
    for region in canvas.by_depth:
        top, bottom, left, right = region.box
        colour = np.array(region.rgb, dtype=np.float64)
        picture[top:bottom, left:right] = OVER * colour + BELOW * picture[top:bottom, left:right]
    return picture.clip(0, 255).astype(np.uint8)

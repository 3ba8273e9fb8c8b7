"""Which place a picture shows, by its backdrop alone: no model, and right on nearly every true render."""

from functools import cache
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from gesso.storybook.places import backdrop
from gesso.storybook.scene import PLACES

__all__ = ["place_seen"]

SIDE = 16
"""Of the small pictures that are compared."""

SEEDS = range(12)
"""Backdrops of each place that a picture is compared with."""

Box = tuple[float, float, float, float]


def place_seen(picture: Pictures.Image, hidden: Box) -> str:
    """The place whose backdrops are most like a picture.

    Args:
        picture: RGB, square.
        hidden: (x0, y0, x1, y1) as shares of the picture, where a thing hides the backdrop; not compared.
    """
    grid = _grid(picture)
    free = np.ones((SIDE, SIDE), bool)
    x0, y0, x1, y1 = (round(edge * SIDE) for edge in hidden)
    free[max(0, y0) : y1, max(0, x0) : x1] = False
    # the mean of the nearest few: one chance likeness is not enough
    distances = {
        place: fmean(sorted(float(np.abs(grid - one)[free].mean()) for one in examples)[:3])
        for place, examples in _examples().items()
    }
    return min(distances, key=lambda place: distances[place])


@cache
def _examples() -> dict[str, list[NDArray[np.float32]]]:
    return {place: [_grid(backdrop(place, seed, 64)) for seed in SEEDS] for place in PLACES}


def _grid(picture: Pictures.Image) -> NDArray[np.float32]:
    small = picture.convert("RGB").resize((SIDE, SIDE), Pictures.Resampling.BOX)
    return np.asarray(small, np.float32)

"""Pictures that are worked on piece by piece, with soft seams.

Letters: H x W a picture in pixels, s how much larger pieces become.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

__all__ = ["by_tiles", "tile_spans"]


def tile_spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Spans of at most `tile` that cover a length, each at least `overlap` into the next."""
    if length <= tile:
        return [(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(number * (length - tile) / (count - 1)) for number in range(count)]
    return [(start, start + tile) for start in starts]


def by_tiles(
    picture: Pictures.Image,
    work: Callable[[Pictures.Image, int], Pictures.Image],
    *,
    tile: int,
    overlap: int,
    scale: int,
) -> Pictures.Image:
    """Work on a picture's tiles, and join what comes out.

    Args:
        picture: RGB.
        work: a tile, and its number from 0 -> the tile, `scale` times as large.
        tile: longest side of a tile, in pixels.
        overlap: how far tiles reach into one another, where they fade, in pixels.
        scale: s.
    """
    width, height = picture.size
    columns, rows = tile_spans(width, tile, overlap), tile_spans(height, tile, overlap)
    total = np.zeros((height * scale, width * scale, 3), np.float32)
    weight = np.zeros((height * scale, width * scale, 1), np.float32)
    for number, (y, x, fade) in enumerate(_places(rows, columns, scale)):
        made = work(picture.crop((x[0], y[0], x[1], y[1])), number)
        here = slice(y[0] * scale, y[1] * scale), slice(x[0] * scale, x[1] * scale)
        total[here] += np.asarray(made, np.float32) * fade[..., None]
        weight[here] += fade[..., None]
    return Pictures.fromarray((total / weight).round().clip(0, 255).astype(np.uint8))


def _places(
    rows: list[tuple[int, int]], columns: list[tuple[int, int]], scale: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int], NDArray[np.float32]]]:
    """Each tile's rows, columns and weights."""
    for y, down in zip(rows, _fades(rows, scale), strict=True):
        for x, across in zip(columns, _fades(columns, scale), strict=True):
            yield y, x, down[:, None] * across[None]


def _fades(spans: list[tuple[int, int]], scale: int) -> list[NDArray[np.float32]]:
    """The weight of each span at each of its places: where two meet, one fades as the other comes."""
    fades = [np.ones((end - start) * scale, np.float32) for start, end in spans]
    for number, (one, other) in enumerate(pairwise(spans)):
        shared = (one[1] - other[0]) * scale
        ramp = (np.arange(shared, dtype=np.float32) + 0.5) / max(1, shared)
        if shared:
            fades[number][-shared:] *= 1 - ramp
            fades[number + 1][:shared] *= ramp
    return fades

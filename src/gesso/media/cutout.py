"""Where the subject of a picture is, found without a model: what is unlike the border.

Made for pictures of one thing, such as product pictures and drawings: their border shows background. Two
optional packages find more: OpenCV's GrabCut, seeded with what is found here, and rembg's networks.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFilter

from gesso.core.errors import MissingExtraError, UsageError

__all__ = ["Cutout", "cut_out"]

Cutout = Literal["contrast", "grabcut", "rembg"]

SIDE: Final = 96
"""The longer side of what is looked at, in pixels."""
BORDER: Final = 0.06
"""Width of the border, as a share of the shorter side."""
SAMPLES: Final = 400
"""Pixels of the border that others are compared with."""
FEW: Final = 6
"""How many of them must be like a pixel for it to be background."""
NOISE: Final = 12.0
"""Grey levels by which a background of one colour may vary."""
LEAST: Final = 0.004
"""A subject smaller than this share of the picture is none."""
SPECKS: Final = 5
"""Side of the filter against specks, in pixels."""
PART: Final = 0.3
"""Pieces are kept that are at least this share of the largest."""
ITERATIONS: Final = 5
"""Of GrabCut."""


def cut_out(image: Pictures.Image, method: Cutout = "contrast") -> Pictures.Image:
    """The mask of a picture's subject, white on black, of the picture's size.

    Args:
        image: RGB.
        method: "contrast" needs nothing; "grabcut" and "rembg" need packages.

    Raises:
        UsageError: nothing stands out.
        MissingExtraError: the package is not installed.
    """
    if method == "rembg":
        return _rembg(image)
    scale = SIDE / max(image.size)
    small = image.resize((max(8, round(image.width * scale)), max(8, round(image.height * scale))))
    mask = _largest(_standing_out(np.asarray(small, np.float32)))
    if mask.mean() < LEAST:
        raise UsageError(
            "no subject stands out from the border of the picture; give a mask, or a picture with a "
            "transparent background"
        )
    if method == "grabcut":
        mask = _grabcut(np.asarray(small), mask)
    found = Pictures.fromarray(mask.astype(np.uint8) * 255)
    return found.resize(image.size, Pictures.Resampling.BILINEAR).point(lambda grey: 255 * (grey > 127))


def _standing_out(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels [rows, columns, 3] are unlike all of the border, by the threshold that parts them best."""
    rows, columns = pixels.shape[:2]
    width = max(1, round(BORDER * min(rows, columns)))
    edge = np.ones((rows, columns), bool)
    edge[width:-width, width:-width] = False
    border = pixels[edge][:: max(1, int(edge.sum()) // SAMPLES)]  # [S, 3]
    # squared distances by the binomial formula: [N, S] without [N, S, 3]
    flat = pixels.reshape(-1, 3)
    squares = (flat**2).sum(1)[:, None] + (border**2).sum(1) - 2 * flat @ border.T
    # not the nearest alone: one stray pixel of the border must not hide a subject of its colour
    nearest = np.sqrt(np.partition(np.maximum(squares, 0), FEW, axis=1)[:, :FEW].mean(axis=1))
    distances = nearest.reshape(rows, columns)
    threshold = max(NOISE, _parting(np.minimum(distances, np.quantile(distances, 0.98))))
    found: NDArray[np.bool_] = distances > threshold
    return found


def _parting(values: NDArray[np.float32]) -> float:
    """The threshold with the most variance between both sides (Otsu, IEEE SMC 9, 1979, equation 12)."""
    counts, edges = np.histogram(values, bins=64)
    middles = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    means_below = sums / np.maximum(below, 1)
    means_above = (sums[-1] - sums) / np.maximum(above, 1)
    return float(middles[(below * above * (means_below - means_above) ** 2).argmax()])


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest piece of a mask and those not much smaller, without holes."""
    # specks away first: each piece costs a flood
    grid = Pictures.fromarray(mask.astype(np.uint8)).filter(ImageFilter.MedianFilter(SPECKS))
    pieces: list[NDArray[np.bool_]] = []
    while (left := np.asarray(grid) == 1).any():
        y, x = np.argwhere(left)[0]
        ImageDraw.floodfill(grid, (int(x), int(y)), 2)
        pieces.append(np.asarray(grid) == 2)
        # a copy: what fromarray gives is read-only, and a flood over it is lost
        grid = Pictures.fromarray(np.where(pieces[-1], 0, np.asarray(grid)).astype(np.uint8)).copy()
    most = max((piece.sum() for piece in pieces), default=0)
    kept = np.zeros_like(mask)
    for piece in pieces:
        if piece.sum() >= PART * most:
            kept |= piece
    return ~_outside(kept)


def _outside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What can be reached from beyond the picture without crossing the mask; the rest are holes."""
    grid = Pictures.fromarray(np.pad(mask, 1).astype(np.uint8)).copy()
    ImageDraw.floodfill(grid, (0, 0), 2)
    reached: NDArray[np.bool_] = (np.asarray(grid) == 2)[1:-1, 1:-1]
    return reached


def _grabcut(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask after GrabCut (Rother et al., SIGGRAPH 2004), or as it was where that leaves nothing."""
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("cv2", "cutout") from error
    labels = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[0], labels[-1], labels[:, 0], labels[:, -1] = (cv2.GC_BGD,) * 4
    state = [np.zeros((1, 65)), np.zeros((1, 65))]
    cv2.grabCut(pixels[:, :, ::-1].copy(), labels, None, *state, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = _largest((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    return found if found.mean() >= LEAST else mask


def _rembg(image: Pictures.Image) -> Pictures.Image:
    try:
        from rembg import remove
    except ImportError as error:
        raise MissingExtraError("rembg", "rembg") from error
    found: Pictures.Image = remove(image, only_mask=True).convert("L")
    return found

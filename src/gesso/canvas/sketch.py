"""What a preview of a canvas shows, whatever it is drawn with: boxes in order of depth, and their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gesso.canvas.canvas import Canvas
from gesso.canvas.colours import luminance
from gesso.canvas.parts import Box, Region
from gesso.canvas.vocabulary import GRID
from gesso.core.errors import CanvasError

__all__ = [
    "DARK", "RGB", "Rectangle", "Shape", "chip", "free_place", "ink", "mix", "named", "scaled", "shapes",
]  # fmt: skip

RGB = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]

DARK: Final[RGB] = (32, 30, 38)
LIGHT: Final[RGB] = (255, 255, 255)
MIDDLE: Final = 0.22
"""Brightness above which dark letters have more contrast than light ones; nearly even at 0.18."""

SMALLEST, LARGEST = 64, 2048


@dataclass(frozen=True, slots=True)
class Shape:
    """One region of a preview.

    Attributes:
        number: 1 for the region farthest away, as in `Canvas.by_depth`.
        index: its place in `Canvas.regions`, from 0.
        region: what is there.
        box: (left, top, right, bottom) in pixels.
    """

    number: int
    index: int
    region: Region
    box: Rectangle


def shapes(canvas: Canvas, size: tuple[int, int]) -> tuple[Shape, ...]:
    """The regions of a canvas, farthest first, on a picture of `size` (width, height) pixels.

    Raises:
        CanvasError: the picture would be too small or too large.
    """
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise CanvasError(
            f"a preview of {size[0]} x {size[1]} pixels; give sides from {SMALLEST} to {LARGEST}"
        )
    order = sorted(enumerate(canvas.regions), key=lambda pair: -pair[1].distance_to_viewer)  # as by_depth
    return tuple(Shape(n, i, region, scaled(region.box, size)) for n, (i, region) in enumerate(order, 1))


def scaled(box: Box, size: tuple[int, int]) -> Rectangle:
    """A box of cells as (left, top, right, bottom) in pixels of a picture (width, height)."""
    top, bottom, left, right = box
    x, y = size[0] / GRID, size[1] / GRID
    return left * x, top * y, right * x, bottom * y


def named(region: Region) -> str:
    """What a preview writes into a region: its subject first, for the end of a long name is cut."""
    return region.description if region.subject is None else f"[{region.subject}] {region.description}"


def ink(rgb: RGB) -> RGB:
    """A colour for letters on another one."""
    return DARK if luminance(rgb) > MIDDLE else LIGHT


def chip(rgb: RGB) -> RGB:
    """The paper that letters in `ink` stand on: the colour, moved away from theirs."""
    return mix(rgb, DARK if ink(rgb) == LIGHT else LIGHT, 0.3)


def mix(rgb: RGB, other: RGB, share: float) -> RGB:
    """A colour with a share (0..1) of another one."""
    red, green, blue = (round((1 - share) * a + share * b) for a, b in zip(rgb, other, strict=True))
    return red, green, blue


def free_place(
    box: Rectangle, size: tuple[float, float], gap: float, taken: Sequence[Rectangle]
) -> Rectangle:
    """Where in a box a name can stand without covering another; its upper left corner if it cannot.

    Args:
        box: (left, top, right, bottom).
        size: width and height of the name.
        gap: room to the edges of the box.
        taken: where names stand, as (x, y, width, height).

    Returns:
        (x, y, width, height)
    """
    places = [(x, y, *size) for x, y in _corners(box, size, gap)]
    return next((place for place in places if not any(_meet(place, other) for other in taken)), places[0])


def _corners(box: Rectangle, size: tuple[float, float], gap: float) -> Iterator[tuple[float, float]]:
    """Line by line from the top, left before right before middle."""
    left, top, right, bottom = box
    width, height = size
    y = top + gap
    while y == top + gap or y + height + gap <= bottom:
        yield from ((x, y) for x in (left + gap, right - gap - width, (left + right - width) / 2))
        y += height + gap / 2


def _meet(one: Rectangle, other: Rectangle) -> bool:
    x, y, width, height = one
    left, top, across, down = other
    return x < left + across and left < x + width and y < top + down and top < y + height

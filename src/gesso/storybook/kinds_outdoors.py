"""Plants, buildings, vehicles and the moon of the storybook; coordinates are fractions of their square."""

from collections.abc import Callable, Mapping
from math import cos, radians, sin
from typing import Final

from gesso.storybook.brush import Brush, petals
from gesso.storybook.palette import Paint

__all__ = [
    "OUTDOOR_DRAWERS",
    "boat",
    "car",
    "castle",
    "flower",
    "house",
    "moon",
    "mushroom",
    "rocket",
    "tree",
]

BODY, MAIN, SHADE, LIGHT = Paint.BODY, Paint.MAIN, Paint.SHADE, Paint.LIGHT


def tree(b: Brush) -> None:
    """A leafy tree with a three-lobed crown on a brown trunk."""
    b.polygon([(0.43, 0.6), (0.57, 0.6), (0.6, 0.9), (0.68, 0.98), (0.32, 0.98), (0.4, 0.9)], Paint.WOOD)
    top = b.vary(0.03)
    lobes = ((0.27, 0.49, 0.24), (0.73, 0.49, 0.24), (0.5, 0.29 + top, 0.26))
    # all dark lobes before all light ones, so that no edge crosses the crown
    for x, y, radius in lobes:
        b.disc(x, y, radius, SHADE)
    b.ellipse((0.5, 0.52), (0.3, 0.2), SHADE)
    for x, y, radius in lobes:
        b.disc(x, y, radius - 0.025, BODY)
    b.ellipse((0.5, 0.51), (0.27, 0.17), BODY)
    # light from above; on the edge, where it takes nothing from the pattern
    b.arc((0.27, 0.49), (0.17, 0.17), (150, 230), LIGHT, 0.035)
    b.arc((0.5, 0.29 + top), (0.19, 0.19), (190, 260), LIGHT, 0.035)


def flower(b: Brush) -> None:
    """A flower with six petals, a golden heart, a stem and two leaves."""
    b.line([(0.5, 0.5), (0.5, 0.96)], Paint.LEAF, 0.06)
    b.ellipse((0.36, 0.86), (0.15, 0.065), Paint.LEAF)
    b.ellipse((0.65, 0.81), (0.15, 0.065), Paint.LEAF)
    # petals turn with each flower
    corners = petals((0.5, 0.36), 0.215, 6, b.vary(0.5))
    for x, y in corners:
        b.ellipse((x, y), (0.16, 0.16), BODY, SHADE)
    b.disc(0.5, 0.36, 0.13, SHADE)
    b.disc(0.5, 0.36, 0.11, Paint.GOLD)
    # a face makes a flower of few pixels a flower
    b.disc(0.46, 0.34, 0.022, Paint.DARK)
    b.disc(0.54, 0.34, 0.022, Paint.DARK)
    b.smile(0.5, 0.385, 0.045, Paint.DARK)


def mushroom(b: Brush) -> None:
    """A mushroom with a wide cap and a friendly face on its stalk."""
    waist = 0.16 + b.vary(0.02)
    b.polygon(
        [(0.5 - waist, 0.5), (0.5 + waist, 0.5), (0.72, 0.9), (0.64, 0.98), (0.36, 0.98), (0.28, 0.9)],
        Paint.CREAM, Paint.WOOD,
    )  # fmt: skip
    b.disc(0.43, 0.72, 0.035, Paint.DARK)
    b.disc(0.57, 0.72, 0.035, Paint.DARK)
    b.smile(0.5, 0.79, 0.06, Paint.DARK)
    b.disc(0.36, 0.79, 0.03, Paint.BLUSH)
    b.disc(0.64, 0.79, 0.03, Paint.BLUSH)
    # the cap: half a disc and a flat ellipse that rounds its lower edge, first dark, then smaller on top
    b.sector((0.5, 0.52), (0.47, 0.49), (180, 360), SHADE)
    b.ellipse((0.5, 0.53), (0.47, 0.085), SHADE)
    b.sector((0.5, 0.52), (0.445, 0.465), (180, 360), BODY)
    b.ellipse((0.5, 0.52), (0.445, 0.06), BODY)


def house(b: Brush) -> None:
    """A house with a gable roof, a chimney, a door and a window."""
    # the chimney, before the roof
    b.box((0.7, 0.04, 0.82, 0.3), SHADE)
    b.box((0.1, 0.34, 0.9, 0.98), BODY, edge=SHADE)
    b.polygon([(0.01, 0.41), (0.5, 0.02), (0.99, 0.41)], SHADE)
    b.polygon([(0.09, 0.38), (0.5, 0.06), (0.91, 0.38)], MAIN)
    b.disc(0.5, 0.255, 0.072, Paint.WHITE)
    b.disc(0.5, 0.255, 0.05, Paint.GLASS)
    # only the door moves: a window elsewhere would look like another house
    door = 0.2 + b.vary(0.03)
    b.box((door, 0.68, door + 0.19, 0.98), Paint.WOOD, edge=Paint.WHITE)
    b.disc(door + 0.14, 0.84, 0.02, Paint.GOLD)
    b.box((0.6, 0.54, 0.79, 0.72), Paint.GLASS, edge=Paint.WHITE)
    b.line([(0.695, 0.55), (0.695, 0.71)], Paint.WHITE, 0.02)
    b.line([(0.61, 0.63), (0.78, 0.63)], Paint.WHITE, 0.02)


def castle(b: Brush) -> None:
    """A castle with two pointed towers, battlements, a gate and a flag."""
    # battlements; the wall hides their feet
    for x in (0.3, 0.44, 0.58):
        b.box((x, 0.36, x + 0.1, 0.5), SHADE)
    b.box((0.22, 0.44, 0.78, 0.98), BODY, edge=SHADE)
    roof = 0.04 + b.vary(0.03)
    for x in (0.04, 0.7):
        b.box((x, 0.36, x + 0.26, 0.98), BODY, edge=SHADE)
        # plain roofs on patterned towers
        b.polygon([(x - 0.02, 0.38), (x + 0.13, roof), (x + 0.28, 0.38)], MAIN, SHADE)
        b.box((x + 0.09, 0.48, x + 0.17, 0.61), Paint.DARK, radius=0.04)
    b.line([(0.5, 0.42), (0.5, 0.1)], Paint.WOOD, 0.03)
    b.polygon([(0.5, 0.1), (0.68, 0.165), (0.5, 0.23)], Paint.GOLD)
    b.sector((0.5, 0.79), (0.13, 0.15), (180, 360), Paint.WOOD)
    b.box((0.37, 0.79, 0.63, 0.98), Paint.WOOD)
    b.line([(0.5, 0.65), (0.5, 0.97)], Paint.DARK, 0.02)


def car(b: Brush) -> None:
    """A small car seen from the side."""
    # the slope of the windscreen
    front = b.vary(0.03)
    cabin = [(0.16, 0.48), (0.29, 0.14), (0.66, 0.14), (0.83 + front, 0.48)]
    b.polygon(cabin, BODY, SHADE)
    b.polygon([(0.27, 0.41), (0.345, 0.215), (0.46, 0.215), (0.46, 0.41)], Paint.GLASS)
    b.polygon([(0.53, 0.41), (0.53, 0.215), (0.62, 0.215), (0.72 + front, 0.41)], Paint.GLASS)
    b.box((0.02, 0.42, 0.98, 0.8), BODY, edge=SHADE, radius=0.12)
    # a plain sill under the patterned body
    b.box((0.02, 0.73, 0.98, 0.81), MAIN, edge=SHADE, radius=0.04)
    b.disc(0.93, 0.57, 0.05, Paint.GOLD)
    for x in (0.25, 0.75):
        b.disc(x, 0.8, 0.15, Paint.DARK)
        b.disc(x, 0.8, 0.07, Paint.METAL)


def boat(b: Brush) -> None:
    """A sailing boat with a big and a small sail."""
    b.line([(0.5, 0.74), (0.5, 0.04)], Paint.WOOD, 0.045)
    belly = b.vary(0.03)
    # the sails carry the pattern, the hull is plain
    b.polygon([(0.54, 0.06), (0.76, 0.3 + belly), (0.94, 0.68), (0.54, 0.68)], BODY, SHADE)
    b.polygon([(0.46, 0.14), (0.28 + belly, 0.42), (0.1, 0.68), (0.46, 0.68)], BODY, SHADE)
    hull = [(0.02, 0.73), (0.98, 0.73), (0.86, 0.9), (0.76, 0.97), (0.24, 0.97), (0.14, 0.9)]
    b.polygon(hull, MAIN, SHADE)
    b.line([(0.05, 0.755), (0.95, 0.755)], Paint.CREAM, 0.045)


def rocket(b: Brush) -> None:
    """A rocket with a round window, fins and its fire on."""
    # the flame; its colours are the same on every rocket
    length = 0.95 + b.vary(0.03)
    b.polygon([(0.36, 0.8), (0.5, length + 0.02), (0.64, 0.8)], Paint.GOLD)
    b.polygon([(0.43, 0.8), (0.5, length - 0.07), (0.57, 0.8)], Paint.BLUSH)
    b.polygon([(0.34, 0.5), (0.08, 0.76), (0.1, 0.9), (0.36, 0.8)], MAIN, SHADE)
    b.polygon([(0.66, 0.5), (0.92, 0.76), (0.9, 0.9), (0.64, 0.8)], MAIN, SHADE)
    left = [(0.5, 0.02), (0.36, 0.13), (0.26, 0.28), (0.22, 0.52), (0.33, 0.82)]
    # the right side is the left one mirrored, without its tip, which both share
    hull = left + [(1 - x, y) for x, y in reversed(left[1:])]
    b.polygon(hull, BODY, SHADE)
    # a plain nose over the patterned hull
    b.polygon([(0.5, 0.02), (0.36, 0.13), (0.32, 0.19), (0.68, 0.19), (0.64, 0.13)], MAIN, SHADE)
    b.disc(0.5, 0.35, 0.105, Paint.WHITE)
    b.disc(0.5, 0.35, 0.078, Paint.GLASS)
    b.arc((0.5, 0.35), (0.05, 0.05), (180, 260), Paint.WHITE, 0.03)


def moon(b: Brush) -> None:
    """A sleeping crescent moon, open to the right."""
    tips = b.vary(8)
    outer = _bow((0.52, 0.5), 0.47, 52 + tips, 308 + tips)
    inner = _bow((0.7, 0.5), 0.36, 295 + tips, 65 + tips)
    b.polygon([*outer, *inner], BODY, SHADE)
    b.arc((0.52, 0.5), (0.42, 0.42), (130, 230), MAIN, 0.06)
    # a closed eye and a smile, on the widest part
    b.arc((0.24, 0.42), (0.05, 0.04), (0, 180), Paint.DARK, 0.022)
    b.smile(0.27, 0.57, 0.05, Paint.DARK)
    b.disc(0.17, 0.54, 0.03, Paint.BLUSH)


def _bow(centre: tuple[float, float], radius: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points along a circle between two angles in degrees, which may run either way."""
    angles = (radians(start + (end - start) * step / 24) for step in range(25))
    return [(centre[0] + radius * cos(angle), centre[1] + radius * sin(angle)) for angle in angles]


OUTDOOR_DRAWERS: Final[Mapping[str, Callable[[Brush], None]]] = {
    drawer.__name__: drawer for drawer in (tree, flower, mushroom, house, castle, car, boat, rocket, moon)
}
"""Plant, building, vehicle or moon -> function that draws it."""

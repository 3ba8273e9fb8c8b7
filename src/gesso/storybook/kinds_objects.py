"""Toys and household things of the storybook; coordinates are fractions of the thing's square."""

from collections.abc import Callable, Mapping
from typing import Final

from gesso.storybook.brush import Brush, wavy
from gesso.storybook.palette import Paint

__all__ = ["OBJECT_DRAWERS", "ball", "balloon", "cup", "hat", "kite", "robot", "teapot", "umbrella"]

BODY, MAIN, SHADE, LIGHT = Paint.BODY, Paint.MAIN, Paint.SHADE, Paint.LIGHT


def balloon(b: Brush) -> None:
    """A hot-air balloon with its basket."""
    # ropes, from the basket to where the envelope will hide them
    b.line([(0.24, 0.5), (0.41, 0.82)], Paint.WOOD, 0.025)
    b.line([(0.76, 0.5), (0.59, 0.82)], Paint.WOOD, 0.025)
    wide = 0.38 + b.vary(0.02)
    # the envelope narrows below its ball, plain so that a pattern keeps to one surface
    b.polygon([(0.54 - wide, 0.5), (0.38, 0.72), (0.62, 0.72), (0.46 + wide, 0.5)], MAIN, SHADE)
    b.ellipse((0.5, 0.36), (wide, 0.34), BODY, SHADE)
    b.box((0.37, 0.69, 0.63, 0.74), SHADE, radius=0.02)
    b.box((0.38, 0.81, 0.62, 0.98), Paint.WOOD, radius=0.04)
    b.box((0.36, 0.8, 0.64, 0.85), Paint.CREAM, edge=Paint.WOOD, radius=0.02)


def kite(b: Brush) -> None:
    """A diamond kite with a tail of bows."""
    tail = wavy((0.44, 0.7), (0.8, 0.96), 0.05 + b.vary(0.02), 1.2)
    b.line(tail, Paint.WOOD, 0.025)
    # bows: two triangles that meet in a point
    for x, y in (tail[len(tail) // 2], tail[-1]):
        x0, y0, x1, y1 = x - 0.09, y - 0.07, x + 0.09, y + 0.05
        b.polygon([(x0, y0), (x1, y1), (x1, y0), (x0, y1)], SHADE)
    top, left, bottom, right = (0.5, 0.02), (0.1, 0.3), (0.44, 0.76), (0.88, 0.34)
    b.polygon([top, left, bottom, right], BODY)
    # the cross of the frame, then a hem that keeps the main colour at the edge
    b.line([left, right], SHADE, 0.03)
    b.line([top, bottom], SHADE, 0.03)
    b.line([top, left, bottom, right, top], MAIN, 0.06)
    b.line([top, left, bottom, right, top], SHADE, 0.022)


def ball(b: Brush) -> None:
    """A bouncing ball with a shining spot."""
    b.ellipse((0.5, 0.5), (0.46, 0.46), BODY, SHADE)
    # a rim in the main colour: checks and dots alone could take a small ball for its second colour
    b.ring((0.5, 0.5), (0.46, 0.46), MAIN, 0.07)
    b.ring((0.5, 0.5), (0.46, 0.46), SHADE, 0.025)
    b.ellipse((0.33 + b.vary(0.02), 0.25), (0.1, 0.065), Paint.WHITE)


def cup(b: Brush) -> None:
    """A steaming mug with its handle on one side."""
    # steam, grey in every cup
    for x in (0.32, 0.52):
        b.line(wavy((x, 0.22), (x + b.vary(0.03), 0.03), 0.03, 1), Paint.METAL, 0.035)
    b.ring((0.74, 0.6), (0.23, 0.22), SHADE, 0.125)
    b.ring((0.74, 0.6), (0.21, 0.2), MAIN, 0.085)
    b.box((0.1, 0.32, 0.74, 0.97), BODY, edge=SHADE, radius=0.11)
    # squares the upper corners that the box before has rounded
    b.box((0.1, 0.32, 0.74, 0.5), BODY)
    b.ellipse((0.42, 0.33), (0.325, 0.1), MAIN, SHADE)
    # what is in it is brown in every cup, so as not to be one more colour to name
    b.ellipse((0.42, 0.335), (0.26, 0.065), Paint.WOOD)


def hat(b: Brush) -> None:
    """A top hat with a ribbon and a wide brim."""
    flare = 0.03 + b.vary(0.02)
    b.ellipse((0.5, 0.8), (0.48, 0.14), MAIN, SHADE)
    b.polygon([(0.22 - flare, 0.14), (0.78 + flare, 0.14), (0.74, 0.78), (0.26, 0.78)], BODY, SHADE)
    b.ellipse((0.5, 0.15), (0.28 + flare, 0.1), MAIN, SHADE)
    # the shadow of the crown on the brim
    b.ellipse((0.5, 0.79), (0.25, 0.07), SHADE)
    b.box((0.255, 0.66, 0.745, 0.79), Paint.CREAM)
    b.box((0.255, 0.69, 0.745, 0.72), Paint.GOLD)


def umbrella(b: Brush) -> None:
    """An open umbrella with a crooked handle."""
    b.line([(0.5, 0.5), (0.5, 0.88)], Paint.WOOD, 0.055)
    b.arc((0.61, 0.86), (0.135, 0.12), (0, 180), Paint.WOOD, 0.055)
    b.line([(0.5, 0.02), (0.5, 0.12)], Paint.WOOD, 0.04)
    high = 0.5 + b.vary(0.02)
    b.sector((0.5, 0.56), (0.48, high), (180, 360), SHADE)
    b.sector((0.5, 0.56), (0.455, high - 0.025), (180, 360), BODY)
    for x in (0.18, 0.5, 0.82):
        # cuts the scallops out of the lower edge: NOTHING is cut away from whatever was painted
        b.ellipse((x, 0.57), (0.16, 0.085), Paint.NOTHING)
    # the stick once more, where the scallops have cut it
    b.line([(0.5, 0.48), (0.5, 0.66)], Paint.WOOD, 0.055)
    for x in (0.18, 0.5, 0.82):
        b.arc((x, 0.57), (0.16, 0.085), (180, 360), SHADE, 0.025)
    # ribs
    b.arc((0.5, 0.5), (0.17, 0.42), (180, 360), SHADE, 0.02)


def robot(b: Brush) -> None:
    """A robot with an antenna, round eyes and gripping arms."""
    b.line([(0.5, 0.14), (0.5, 0.05)], Paint.METAL, 0.04)
    b.disc(0.5, 0.055, 0.05, Paint.GOLD)
    arm = b.vary(0.1)
    # one arm goes up as the other goes down
    for side, lift in ((-1, arm), (1, -arm)):
        b.line([(0.5 + side * 0.3, 0.56), (0.5 + side * 0.43, 0.66 + lift)], Paint.METAL, 0.085)
        b.disc(0.5 + side * 0.43, 0.68 + lift, 0.065, SHADE)
    for x in (0.3, 0.56):
        b.box((x, 0.82, x + 0.14, 0.98), Paint.METAL, edge=Paint.DARK, radius=0.03)
    b.box((0.2, 0.46, 0.8, 0.9), BODY, edge=SHADE, radius=0.05)
    b.box((0.24, 0.12, 0.76, 0.46), MAIN, edge=SHADE, radius=0.08)
    # a white face on a plain head; only the trunk carries the pattern
    b.box((0.29, 0.18, 0.71, 0.4), Paint.WHITE, radius=0.06)
    b.disc(0.4, 0.26, 0.06, Paint.DARK)
    b.disc(0.6, 0.26, 0.06, Paint.DARK)
    b.box((0.41, 0.345, 0.59, 0.37), Paint.DARK)


def teapot(b: Brush) -> None:
    """A round teapot with a spout, a handle and a lid."""
    # the handle, half hidden by the pot
    b.ring((0.82, 0.58), (0.17, 0.21), SHADE, 0.095)
    b.ring((0.82, 0.58), (0.155, 0.195), MAIN, 0.06)
    spout = 0.34 + b.vary(0.03)
    nose = [(0.28, 0.82), (0.24, 0.56), (0.16, spout + 0.03), (0.02, spout + 0.02), (0.1, 0.64)]
    b.polygon(nose, MAIN, SHADE)
    b.disc(0.5, 0.16, 0.065, SHADE)
    # a plain lid; the pot hides its lower edge
    b.sector((0.5, 0.36), (0.25, 0.17), (180, 360), MAIN)
    b.ellipse((0.5, 0.63), (0.36, 0.32), BODY, SHADE)
    b.box((0.3, 0.91, 0.7, 0.97), SHADE, radius=0.03)
    b.arc((0.5, 0.37), (0.25, 0.06), (0, 180), SHADE, 0.03)


OBJECT_DRAWERS: Final[Mapping[str, Callable[[Brush], None]]] = {
    drawer.__name__: drawer for drawer in (balloon, kite, ball, cup, hat, umbrella, robot, teapot)
}
"""Toy or household thing -> function that draws it."""

"""A small vector brush: shapes in unit coordinates, painted on one Pillow picture."""

from collections.abc import Sequence
from math import cos, hypot, pi, sin
from random import Random
from typing import Final

from PIL import Image, ImageDraw

from gesso.storybook.palette import RGB, Paint

__all__ = ["Brush", "Point", "petals", "wavy"]

Point = tuple[float, float]
Ink = int | RGB
EDGE: Final = 0.022  # width of the darker edge of a part, as a fraction of the thing


class Brush:
    """Paints shapes whose coordinates run from (0, 0) at the top left to (1, 1).

    Args:
        picture: square picture that is painted on; mode L takes palette indices, RGB takes colours.
        rng: source of the natural variation of what is drawn.
    """

    def __init__(self, picture: Image.Image, rng: Random) -> None:
        self.scale = picture.width
        self.rng = rng
        self._draw = ImageDraw.Draw(picture)
        # at least a pixel, or a thing would have no edge where it is painted small
        self._edge = max(1, round(EDGE * self.scale))

    def vary(self, amount: float) -> float:
        """A random number between -amount and amount."""
        return (2 * self.rng.random() - 1) * amount

    def ellipse(self, centre: Point, radii: Point, ink: Ink = Paint.BODY, edge: Ink | None = None) -> None:
        """An ellipse; `edge` paints its rim in another ink."""
        self._draw.ellipse(self._around(centre, radii), ink, edge, self._edge)

    def disc(self, x: float, y: float, radius: float, ink: Ink) -> None:
        """A circle without a rim."""
        self._draw.ellipse(self._around((x, y), (radius, radius)), ink)

    def ring(self, centre: Point, radii: Point, ink: Ink, width: float) -> None:
        """The rim of an ellipse, `width` wide and lying inside it."""
        self._draw.ellipse(self._around(centre, radii), None, ink, max(1, round(width * self.scale)))

    def sector(self, centre: Point, radii: Point, angles: Point, ink: Ink = Paint.BODY) -> None:
        """The part of an ellipse cut off by a chord, clockwise between two angles from 3 o'clock."""
        self._draw.chord(self._around(centre, radii), *angles, ink)

    def arc(self, centre: Point, radii: Point, angles: Point, ink: Ink, width: float) -> None:
        """The rim of an ellipse between two angles, in degrees clockwise from 3 o'clock."""
        self._draw.arc(self._around(centre, radii), *angles, ink, max(1, round(width * self.scale)))

    def polygon(self, points: Sequence[Point], ink: Ink = Paint.BODY, edge: Ink | None = None) -> None:
        """A filled polygon; `edge` paints its rim in another ink."""
        pixels = self._pixels(points)
        self._draw.polygon(pixels, ink)
        if edge is not None:
            self._draw.line([*pixels, pixels[0]], edge, self._edge)

    def box(
        self, corners: tuple[float, float, float, float], ink: Ink = Paint.BODY, *,
        edge: Ink | None = None, radius: float = 0.0,
    ) -> None:  # fmt: skip
        """A rectangle (x0, y0, x1, y1) with corners rounded by `radius`."""
        pixels = [value * self.scale for value in corners]
        if radius:
            pixels = [round(value) for value in pixels]
            # Pillow 13 fails on some boxes whose corners meet, so two pixels of every side stay straight.
            straight = min(pixels[2] - pixels[0], pixels[3] - pixels[1]) - 2
            radius = min(radius * self.scale, max(0, straight / 2))
            self._draw.rounded_rectangle(pixels, radius, ink, edge, self._edge)
        else:
            self._draw.rectangle(pixels, ink, edge, self._edge)

    def line(self, points: Sequence[Point], ink: Ink, width: float) -> None:
        """A line through the points with round ends."""
        pixels, thick = self._pixels(points), max(1, round(width * self.scale))
        self._draw.line(pixels, ink, thick, "curve" if len(points) > 2 else None)
        # on thinner lines a round end is smaller than a pixel and would only thicken them
        if thick > 3:
            for x, y in (pixels[0], pixels[-1]):
                self._draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), ink)

    def eye(self, x: float, y: float, radius: float) -> None:
        """An eye with its pupil and the light in it."""
        self.disc(x, y, radius, Paint.WHITE)
        self.disc(x, y, radius * 0.72, Paint.DARK)
        self.disc(x + radius * 0.25, y - radius * 0.28, radius * 0.26, Paint.WHITE)

    def smile(self, x: float, y: float, radius: float, ink: Ink = Paint.LINE) -> None:
        """A smiling mouth around (x, y)."""
        # an arc below its centre: 25 to 155 degrees, clockwise from 3 o'clock with y downwards
        self.arc((x, y - radius * 0.5), (radius, radius), (25, 155), ink, 0.026)

    def _around(self, centre: Point, radii: Point) -> tuple[float, float, float, float]:
        (x, y), (rx, ry), scale = centre, radii, self.scale
        return (x - rx) * scale, (y - ry) * scale, (x + rx) * scale, (y + ry) * scale

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]


def wavy(start: Point, end: Point, height: float, waves: float) -> list[Point]:
    """Points of a sine wave from start to end, swinging by `height` to either side."""
    along = end[0] - start[0], end[1] - start[1]
    length = hypot(*along)
    count = max(6, round(8 * waves))
    points = []
    for i in range(count + 1):
        share = i / count
        # grows over the first quarter, so that a tail or a thread begins where it is fastened
        swing = height * sin(2 * pi * waves * share) * min(1.0, 4 * share) / length
        # to the side of the way: (-dy, dx) is at right angles to (dx, dy)
        x = start[0] + along[0] * share - along[1] * swing
        points.append((x, start[1] + along[1] * share + along[0] * swing))
    return points


def petals(centre: Point, radius: float, count: int, turn: float) -> list[Point]:
    """The corners of a regular polygon, `turn` radians from 3 o'clock."""
    angles = (turn + 2 * pi * i / count for i in range(count))
    return [(centre[0] + radius * cos(angle), centre[1] + radius * sin(angle)) for angle in angles]

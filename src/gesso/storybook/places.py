"""The backdrops of the storybook: muted, and without anything that could be taken for one of its things."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import sin
from random import Random
from typing import Final

import numpy as np
from PIL import Image

from gesso.storybook.brush import Brush, Point, wavy
from gesso.storybook.palette import RGB

__all__ = ["PLACE_DRAWERS", "backdrop"]

# less than of things: backdrops have no thin lines that matter
SUPERSAMPLING: Final = 2

# (height, colour) stops of the vertical gradient each place starts from.
GRADIENTS: Final[Mapping[str, Sequence[tuple[float, RGB]]]] = {
    "meadow": ((0.0, (166, 210, 238)), (0.55, (228, 242, 244)), (1.0, (228, 242, 244))),
    "beach": ((0.0, (152, 206, 236)), (0.46, (226, 242, 246)), (1.0, (226, 242, 246))),
    "night": ((0.0, (26, 32, 74)), (0.6, (66, 74, 128)), (1.0, (84, 88, 140))),
    "sea": ((0.0, (146, 214, 226)), (0.5, (84, 164, 200)), (1.0, (46, 112, 164))),
    "snow": ((0.0, (186, 206, 228)), (0.6, (220, 230, 240)), (1.0, (226, 234, 242))),
    "room": ((0.0, (238, 222, 200)), (0.7, (232, 210, 184)), (1.0, (232, 210, 184))),
    "desert": ((0.0, (246, 216, 178)), (0.5, (252, 238, 212)), (1.0, (252, 238, 212))),
    "city": ((0.0, (196, 206, 232)), (0.6, (238, 226, 226)), (1.0, (238, 226, 226))),
}


def backdrop(place: str, seed: int, size: int) -> Image.Image:
    """Paint the empty place.

    Args:
        place: one of `scene.PLACES`.
        seed: seed of the natural variation.
        size: side of the picture in pixels.
    """
    side = size * SUPERSAMPLING
    # one column, made once for each place, repeated across
    picture = _gradient(place, side).resize((side, side), Image.Resampling.NEAREST)
    PLACE_DRAWERS[place](Brush(picture, Random(f"{seed}/place")))
    return picture.reduce(SUPERSAMPLING)


@lru_cache(maxsize=64)
def _gradient(place: str, side: int) -> Image.Image:
    """The gradient of a place, one pixel wide."""
    heights, colours = zip(*GRADIENTS[place], strict=True)
    rows = (np.arange(side) + 0.5) / side
    channels = [np.interp(rows, heights, [colour[i] for colour in colours]) for i in range(3)]
    column = np.stack(channels, axis=-1).round().astype(np.uint8)  # [side, 3]
    return Image.fromarray(column[:, None])  # [side, 3] -> [side, 1, 3]


def _hills(b: Brush, top: float, height: float, colour: RGB) -> None:
    """A rolling line of hills around `top`, filled down to the lower edge."""
    # 6 is nearly a whole turn: where a hill begins is as good as anywhere
    phase, waves = b.rng.random() * 6, 4 + b.rng.random() * 4
    line = [(x / 16, top - height * sin(phase + waves * x / 16)) for x in range(17)]
    b.polygon([*line, (1, 1), (0, 1)], colour)


def _cloud(b: Brush, x: float, y: float, colour: RGB) -> None:
    b.ellipse((x, y), (0.11, 0.026), colour)
    b.ellipse((x - 0.03, y - 0.02), (0.05, 0.032), colour)
    b.ellipse((x + 0.035, y - 0.014), (0.04, 0.025), colour)


def _scattered(b: Brush, count: int, top: float, bottom: float) -> list[Point]:
    """Random points between two heights."""
    return [(b.rng.random(), top + (bottom - top) * b.rng.random()) for _ in range(count)]


def _meadow(b: Brush) -> None:
    sun = 0.15 + 0.7 * b.rng.random()
    b.disc(sun, 0.13, 0.085, (246, 240, 210))
    b.disc(sun, 0.13, 0.06, (255, 236, 170))
    for x, y in _scattered(b, 2, 0.08, 0.34):
        _cloud(b, x, y, (246, 250, 252))
    _hills(b, 0.54 + b.vary(0.04), 0.05, (190, 220, 172))
    _hills(b, 0.66 + b.vary(0.03), 0.04, (168, 208, 148))
    _hills(b, 0.82 + b.vary(0.03), 0.02, (148, 196, 128))
    for x, y in _scattered(b, 12, 0.74, 0.98):
        b.polygon([(x - 0.014, y), (x - 0.011, y - 0.03), (x, y)], (126, 178, 110))
        b.polygon([(x, y), (x + 0.012, y - 0.036), (x + 0.014, y)], (126, 178, 110))


def _beach(b: Brush) -> None:
    for x, y in _scattered(b, 2, 0.08, 0.3):
        _cloud(b, x, y, (248, 252, 253))
    shore = 0.44 + b.vary(0.03)
    b.box((0, shore, 1, 1), (128, 198, 216))
    for x, y in _scattered(b, 7, shore + 0.03, shore + 0.2):
        b.line([(x - 0.05, y), (x + 0.05, y)], (170, 220, 230), 0.008)
    _hills(b, shore + 0.235, 0.02, (242, 246, 240))
    phase = b.rng.random() * 6
    sand = [(x / 16, shore + 0.26 + 0.02 * sin(phase + x / 2.6)) for x in range(17)]
    b.polygon([*sand, (1, 1), (0, 1)], (242, 226, 186))
    for x, y in _scattered(b, 14, shore + 0.32, 0.98):
        b.ellipse((x, y), (0.008, 0.005), (222, 200, 156))


def _night(b: Brush) -> None:
    for i, (x, y) in enumerate(_scattered(b, 22, 0.02, 0.6)):
        b.disc(x, y, 0.004 + 0.004 * (i % 3 == 0), (214, 216, 226))
    x, y = 0.14 + 0.72 * b.rng.random(), 0.15 + b.vary(0.03)
    b.disc(x, y, 0.1, (62, 68, 114))
    b.disc(x, y, 0.072, (240, 232, 196))
    b.disc(x - 0.03, y - 0.02, 0.062, (62, 68, 114))
    _hills(b, 0.68 + b.vary(0.04), 0.05, (58, 68, 112))
    _hills(b, 0.8 + b.vary(0.03), 0.04, (46, 58, 98))


def _sea(b: Brush) -> None:
    for y in (0.05, 0.12, 0.2):
        x = b.rng.random()
        b.line(wavy((x - 0.2, y), (x + 0.2, y), 0.008, 2), (166, 222, 232), 0.008)
    _hills(b, 0.86 + b.vary(0.02), 0.03, (150, 186, 184))
    _hills(b, 0.93 + b.vary(0.02), 0.02, (206, 204, 172))
    for i in range(5):
        x = (i + b.rng.random()) / 5
        height = 0.12 + 0.14 * b.rng.random()
        b.line(wavy((x, 0.98), (x, 0.98 - height), 0.016, 1.5), (76, 146, 146), 0.018)
    for i, (x, y) in enumerate(_scattered(b, 9, 0.05, 0.8)):
        radius = 0.008 + 0.004 * (i % 4)
        b.ring((x, y), (radius, radius), (188, 228, 236), 0.005)


def _snow(b: Brush) -> None:
    for x, height in ((0.2, 0.28), (0.55, 0.34), (0.9, 0.26)):
        peak = x + b.vary(0.1), 0.66 - height + b.vary(0.04)
        b.polygon([(peak[0] - 0.36, 0.7), peak, (peak[0] + 0.36, 0.7)], (176, 194, 216))
        b.polygon([(peak[0] - 0.1, peak[1] + 0.1), peak, (peak[0] + 0.1, peak[1] + 0.1)], (228, 236, 244))
    _hills(b, 0.64 + b.vary(0.03), 0.03, (206, 220, 234))
    _hills(b, 0.78 + b.vary(0.03), 0.03, (220, 230, 240))
    for i, (x, y) in enumerate(_scattered(b, 26, 0.02, 0.98)):
        b.disc(x, y, 0.005 + 0.003 * (i % 2), (246, 249, 252))


def _room(b: Brush) -> None:
    start = 0.06 * b.rng.random()
    for i in range(9):
        x = start + i * 0.12
        b.line([(x, 0), (x, 0.7)], (228, 207, 182), 0.012)
    x = 0.2 + 0.45 * b.rng.random()
    b.box((x, 0.1, x + 0.26, 0.42), (250, 246, 238))
    b.box((x + 0.02, 0.12, x + 0.24, 0.4), (198, 222, 236))
    b.box((x + 0.12, 0.12, x + 0.14, 0.4), (250, 246, 238))
    b.box((x + 0.02, 0.25, x + 0.24, 0.27), (250, 246, 238))
    floor = 0.7 + b.vary(0.03)
    b.box((0, floor, 1, 1), (200, 164, 126))
    b.box((0, floor - 0.03, 1, floor), (248, 240, 228))
    for i in range(-2, 8):
        b.line([(0.3 + i * 0.1, floor), (0.1 + i * 0.17, 1)], (188, 150, 112), 0.006)
    b.ellipse((0.5 + b.vary(0.12), 0.89), (0.34, 0.07), (206, 186, 180))
    b.ellipse((0.5 + b.vary(0.02), 0.89), (0.25, 0.045), (220, 204, 196))


def _desert(b: Brush) -> None:
    b.disc(0.15 + 0.7 * b.rng.random(), 0.17, 0.075, (255, 244, 214))
    for _ in range(2):
        x, top = b.rng.random(), 0.46 + b.vary(0.04)
        b.polygon([(x - 0.2, 0.62), (x - 0.13, top), (x + 0.11, top), (x + 0.2, 0.62)], (232, 190, 154))
    _hills(b, 0.6 + b.vary(0.02), 0.03, (240, 208, 156))
    _hills(b, 0.74 + b.vary(0.03), 0.04, (232, 194, 138))
    _hills(b, 0.88 + b.vary(0.02), 0.03, (224, 184, 126))


def _city(b: Brush) -> None:
    x = -0.06 * b.rng.random()
    while x < 1:
        width, top = 0.08 + 0.08 * b.rng.random(), 0.28 + 0.3 * b.rng.random()
        b.box((x, top, x + width, 0.8), (206, 208, 226))
        x += width + 0.005
    x = -0.1 * b.rng.random()
    while x < 1:
        width, top = 0.1 + 0.08 * b.rng.random(), 0.48 + 0.2 * b.rng.random()
        b.box((x, top, x + width, 0.8), (190, 192, 214))
        b.box((x + 0.03, top + 0.04, x + width - 0.03, top + 0.055), (218, 214, 218))
        b.box((x + 0.03, top + 0.09, x + width - 0.03, top + 0.105), (218, 214, 218))
        x += width + 0.02
    b.box((0, 0.76, 1, 0.82), (214, 208, 204))
    b.box((0, 0.82, 1, 1), (168, 170, 182))
    start = -0.2 * b.rng.random()
    for i in range(6):
        b.box((start + i * 0.22, 0.905, start + i * 0.22 + 0.11, 0.92), (226, 224, 220))


PLACE_DRAWERS: Final[Mapping[str, Callable[[Brush], None]]] = {
    "meadow": _meadow,
    "beach": _beach,
    "night": _night,
    "sea": _sea,
    "snow": _snow,
    "room": _room,
    "desert": _desert,
    "city": _city,
}
"""Place -> function that paints over its gradient, one for each of `scene.PLACES`."""

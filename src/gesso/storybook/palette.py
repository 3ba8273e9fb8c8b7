"""The colours the storybook is painted with."""

from functools import lru_cache
from typing import Final

__all__ = ["BORDER_RGB", "COLOUR_RGB", "PATTERN_SHIFT", "RGB", "SHADE_LEVELS", "Paint", "thing_palette"]

RGB = tuple[int, int, int]

COLOUR_RGB: Final[dict[str, RGB]] = {
    "red": (218, 40, 44),
    "orange": (250, 138, 24),
    "yellow": (253, 216, 48),
    "green": (62, 158, 66),
    "blue": (40, 92, 214),
    "purple": (132, 56, 176),
    "pink": (251, 152, 192),
    "brown": (126, 76, 40),
    "white": (252, 252, 252),
    "black": (36, 34, 40),
    "gray": (148, 150, 154),
    "turquoise": (44, 206, 200),
}
"""Colour name -> what it is painted with: near the HTML colour, moved apart to be told apart."""

BORDER_RGB: Final[RGB] = (255, 252, 243)
"""The paper edge around every thing."""

SHADE_LEVELS: Final = 5
"""How many slightly lighter or darker versions of a colour there are."""

PATTERN_SHIFT: Final = 32
"""Added to an index where the pattern lies; only `Paint.BODY` then shows the second colour."""


class Paint:
    """Palette indices that the drawing functions of the kinds paint with."""

    NOTHING: Final = 0
    BODY: Final = 1  # main colour, carries the pattern
    MAIN: Final = 2  # main colour, always plain
    SHADE: Final = 3  # main colour, darker: edges and folds
    LIGHT: Final = 4  # main colour, lighter: bellies and highlights
    LINE: Final = 5  # dark, but pale on a black thing: mouths and whiskers
    DARK: Final = 6
    WHITE: Final = 7
    CREAM: Final = 8
    BLUSH: Final = 9
    GLASS: Final = 10
    WOOD: Final = 11
    METAL: Final = 12
    GOLD: Final = 13
    LEAF: Final = 14


_FIXED: Final[dict[int, RGB]] = {
    Paint.NOTHING: BORDER_RGB,
    Paint.DARK: (44, 40, 50),
    Paint.WHITE: (255, 255, 255),
    Paint.CREAM: (250, 236, 204),
    Paint.BLUSH: (244, 132, 148),
    Paint.GLASS: (196, 228, 244),
    Paint.WOOD: (142, 98, 62),
    Paint.METAL: (176, 182, 192),
    Paint.GOLD: (250, 184, 40),
    Paint.LEAF: (84, 150, 78),
}


@lru_cache(maxsize=1024)
def thing_palette(colour: str, second_colour: str | None, level: int) -> bytes:
    """The RGB palette that turns a thing's index picture into colours.

    Args:
        colour: main colour, a key of `COLOUR_RGB`.
        second_colour: colour of the pattern, or None.
        level: shade of both, from 0 to `SHADE_LEVELS` - 1.
    """
    body = _shaded(colour, level)
    # only black so far; shades of it must be lighter, as there is nothing darker to see
    dark = sum(body) < 150
    entries = dict(_FIXED)
    entries[Paint.BODY] = entries[Paint.MAIN] = body
    entries[Paint.SHADE] = _mix(body, (255, 255, 255), 0.25) if dark else _mix(body, (30, 20, 50), 0.24)
    entries[Paint.LIGHT] = _mix(body, (255, 255, 255), 0.18 if dark else 0.45)
    entries[Paint.LINE] = (214, 206, 200) if dark else _FIXED[Paint.DARK]
    # under a pattern every paint looks as before ...
    shifted = {index + PATTERN_SHIFT: rgb for index, rgb in entries.items()}
    if second_colour is not None:
        # ... but the body
        shifted[Paint.BODY + PATTERN_SHIFT] = _shaded(second_colour, level)
    entries |= shifted
    # a palette names every index in turn, gaps included, three bytes each
    return b"".join(bytes(entries.get(index, (0, 0, 0))) for index in range(2 * PATTERN_SHIFT))


def _shaded(colour: str, level: int) -> RGB:
    """A colour moved by at most 6 % towards black or white."""
    amount = 0.12 * (level / (SHADE_LEVELS - 1) - 0.5)
    return _mix(COLOUR_RGB[colour], (255, 255, 255) if amount > 0 else (0, 0, 0), abs(amount))


def _mix(a: RGB, b: RGB, share: float) -> RGB:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue
